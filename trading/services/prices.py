"""Prices of now, for what watches positions."""

from __future__ import annotations

import time
from collections.abc import Iterable
from decimal import Decimal

from venues import markets

PATIENCE_SECONDS = 2.0

Prices = dict[tuple[str, str], Decimal]
"""By venue and symbol."""
_COIN_MARKETS = ("{}/USDT", "{}/USDT:USDT")


def current_prices(keys: Iterable[tuple[str, str]]) -> Prices:
    """The last traded ones, at most a second old; what cannot be had is left out. Network.

    A venue that does not answer is waited for once, not for each of its symbols.
    """
    found = {}
    silent = set()
    for venue, symbol in sorted(set(keys)):
        if venue in silent:
            continue
        asked_at = time.monotonic()
        try:
            price = markets.last_price(venue, symbol)
        except LookupError:  # a venue, or a symbol, that is not there any more
            continue
        if price is not None:
            found[venue, symbol] = price
        elif time.monotonic() - asked_at > PATIENCE_SECONDS:
            silent.add(venue)
    return found


def coin_prices(coins: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Decimal]:
    """Dollars of currencies, by venue and currency, from the market that there is; what cannot be
    had is left out. Network."""
    found: dict[tuple[str, str], Decimal] = {}
    wanted = set(coins)
    for market in _COIN_MARKETS:
        asked = {(venue, market.format(coin)): (venue, coin) for venue, coin in wanted - set(found)}
        found |= {asked[key]: price for key, price in current_prices(asked).items()}
    return found

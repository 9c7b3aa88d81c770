"""Prices of now, for what watches positions."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from venues import markets

Prices = dict[tuple[str, str], Decimal]
"""By venue and symbol."""


def current_prices(keys: Iterable[tuple[str, str]]) -> Prices:
    """The last traded ones, at most a second old; what cannot be had is left out. Network."""
    found = {}
    for venue, symbol in sorted(set(keys)):
        try:
            price = markets.last_price(venue, symbol)
        except LookupError:  # a venue, or a symbol, that is not there any more
            continue
        if price is not None:
            found[venue, symbol] = price
    return found

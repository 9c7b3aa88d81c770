"""Whether a signal's prices can be meant for this market."""

from __future__ import annotations

import time
from collections.abc import Sequence
from decimal import Decimal

from signals_app.domain.canonical import EXIT_ACTIONS, CanonicalSignal, Side
from signals_app.models import SignalSource
from signals_app.services.signals import SignalRefusedError
from venues import markets
from venues.gateway import UnknownVenueError

_HUNDRED = Decimal(100)
PRICE_SECONDS = 2.0
"""Senders give up after 3 s."""
SILENT_SECONDS = 10.0
ANOTHER_MARKET_PERCENT = Decimal(50)
"""A price that is read out of a message and is this far off belongs to something else."""


def signal_price_check(
    source: SignalSource, canonical: CanonicalSignal, *, default_percent: Decimal | None = None
) -> None:
    """Entries against the last price of the source's venue; exits are never checked.

    Their prices by the deviation that the source sets, else by `default_percent`; stop and target
    of those without a price by their side of the market, where they would close at once what they
    guard. Raises SignalRefusedError: `price_off_market`, `wrong_side_of_market`, or, only where
    the source sets a deviation, `price_unavailable` (503) when the venue does not tell. Network,
    for at most PRICE_SECONDS and mostly from memory.
    """
    if canonical.action in EXIT_ACTIONS:
        return
    prices = [
        price
        for price in (canonical.price, canonical.entry_low, canonical.entry_high)
        if price is not None
    ]
    limit = source.max_price_deviation_percent
    allowed = default_percent if limit is None else limit
    levels = [] if prices else _levels(canonical)
    if not levels and (allowed is None or not prices):
        return
    is_wanted = limit is not None and bool(prices)
    market = _market_price(source.venue, canonical.symbol, is_wanted=is_wanted)
    if market is None:
        if not is_wanted:
            return
        raise SignalRefusedError(
            "price_unavailable",
            f"{source.venue} does not tell a price of {canonical.symbol} now; send it again.",
            status=503,
        )
    if allowed is not None:
        _check_deviation(prices, market, allowed)
    _check_levels(levels, market)


_silent_until: dict[str, float] = {}
"""By venue: what nobody set is not waited for again at once, for an exit may stand behind it."""


def _market_price(venue: str, symbol: str, *, is_wanted: bool) -> Decimal | None:
    if not is_wanted and time.monotonic() < _silent_until.get(venue, 0):
        return None
    try:
        market = markets.last_price(venue, symbol, timeout_seconds=PRICE_SECONDS)
    except UnknownVenueError:
        market = None
    if market is not None and market > 0:
        return market
    _silent_until[venue] = time.monotonic() + SILENT_SECONDS
    return None


def silence_forget() -> None:
    _silent_until.clear()


def _check_deviation(prices: Sequence[Decimal], market: Decimal, limit: Decimal) -> None:
    for price in prices:
        deviation = abs(price - market) / market * _HUNDRED
        if deviation > limit:
            shown = (format(price, "f"), format(market, "f"), format(limit.normalize(), "f"))
            raise SignalRefusedError(
                "price_off_market",
                "The price {} is further from the market's {} than the {} % allowed.".format(
                    *shown
                ),
                status=422,
                field="price",
                params=dict(zip(("price", "market", "limit"), shown, strict=True)),
            )


_Level = tuple[str, Decimal, int]
"""Field, price, and on which side of the market it lies: +1 above."""


def _levels(canonical: CanonicalSignal) -> list[_Level]:
    if canonical.side is None:
        return []
    away = 1 if canonical.side is Side.LONG else -1
    levels: list[_Level] = [("targets", target.price, away) for target in canonical.targets]
    if canonical.take_profit is not None:
        levels.append(("take_profit", canonical.take_profit, away))
    if canonical.stop_loss is not None:
        levels.append(("stop_loss", canonical.stop_loss, -away))
    return levels


def _check_levels(levels: Sequence[_Level], market: Decimal) -> None:
    for field, price, side in levels:
        if (price - market) * side <= 0:
            shown = {"field": field, "price": format(price, "f"), "market": format(market, "f")}
            raise SignalRefusedError(
                "wrong_side_of_market",
                f"{field} at {shown['price']} is on the wrong side of the market's "
                f"{shown['market']}: it would close the position at once.",
                status=422,
                field=field,
                params=shown,
            )

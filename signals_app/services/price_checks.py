"""Whether a signal's prices can be meant for this market."""

from __future__ import annotations

from decimal import Decimal

from signals_app.domain.canonical import EXIT_ACTIONS, CanonicalSignal
from signals_app.models import SignalSource
from signals_app.services.signals import SignalRefusedError
from venues import markets
from venues.gateway import UnknownVenueError

_HUNDRED = Decimal(100)
PRICE_SECONDS = 2.0
"""Senders give up after 3 s."""


def signal_price_check(source: SignalSource, canonical: CanonicalSignal) -> None:
    """Entries of a source that sets a deviation, against the last price of its venue.

    Raises SignalRefusedError: `price_off_market`, or `price_unavailable` (503) when the venue does
    not tell. Network, for at most PRICE_SECONDS and mostly from memory; exits are never checked.
    """
    limit = source.max_price_deviation_percent
    prices = [
        price
        for price in (canonical.price, canonical.entry_low, canonical.entry_high)
        if price is not None
    ]
    if limit is None or not prices or canonical.action in EXIT_ACTIONS:
        return
    try:
        market = markets.last_price(source.venue, canonical.symbol, timeout_seconds=PRICE_SECONDS)
    except UnknownVenueError:
        market = None
    if market is None or market <= 0:
        raise SignalRefusedError(
            "price_unavailable",
            f"{source.venue} does not tell a price of {canonical.symbol} now; send it again.",
            status=503,
        )
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

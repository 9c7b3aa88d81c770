"""Whether what a venue shows can be of our order. Pure; each names the field that says no.

A row may be well-formed and still be nonsense: another order's, or of a size or price that this
one cannot have had. Books are not moved by it; the venue is asked again.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from venues.domain.types import FillSnapshot, Instrument, InstrumentKind, OrderSnapshot

PRICE_RANGE = 2
"""One order's fills differ by less than this from their average, in either direction."""
MOST_FEE = Decimal("0.05")
"""Of the value; what venues charge is a fiftieth of it."""


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """Of our order, as it was sent. `quantity` in native units, unsigned."""

    client_order_id: str
    symbol: str
    side: str
    quantity: Decimal


def snapshot_doubt(order: OrderFacts, shown: OrderSnapshot) -> str:
    """Empty when this can be what the venue shows of the order.

    It may have shrunk it, never enlarged.
    """
    if shown.client_order_id != order.client_order_id:
        return "clOrdId"
    if shown.symbol != order.symbol:
        return "instId"
    if shown.side not in (None, order.side):
        return "side"
    return "sz" if shown.quantity > order.quantity else ""


def fill_doubt(
    order: OrderFacts, shown: OrderSnapshot, fill: FillSnapshot, instrument: Instrument | None
) -> str:
    """Empty when the fill can be one of the order that is shown. Fees are compared with
    `instrument`, if it is known."""
    average = shown.average_price
    named = fill.client_order_id in ("", order.client_order_id)
    checks = (
        (fill.venue_order_id == shown.venue_order_id, "ordId"),
        (named, "clOrdId"),
        (fill.symbol == order.symbol, "instId"),
        (fill.side == order.side, "side"),
        (fill.quantity <= order.quantity, "fillSz"),
        (
            average is None or average / PRICE_RANGE <= fill.price <= average * PRICE_RANGE,
            "fillPx",
        ),
    )
    for holds, field in checks:
        if not holds:
            return field
    return "" if instrument is None else _fee_doubt(fill, instrument)


def _fee_doubt(fill: FillSnapshot, instrument: Instrument) -> str:
    if not fill.fee:
        return ""
    value = instrument.notional(fill.quantity, fill.price)
    if instrument.kind is InstrumentKind.SPOT:
        known = {instrument.base: fill.quantity, instrument.quote: value}
    elif instrument.kind is InstrumentKind.LINEAR:
        known = {instrument.settle: value}
    else:
        known = {instrument.settle: instrument.coins(fill.quantity, fill.price)}
    if fill.fee_currency not in known:
        return "feeCcy"
    return "fee" if abs(fill.fee) > known[fill.fee_currency] * MOST_FEE else ""

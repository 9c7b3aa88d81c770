"""The average entry price of a leader's position between two readings of the venue's. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal

from signals_app.domain.canonical import MAX_DECIMALS
from signals_app.domain.leaders.book import signed_quantity, trade_order
from signals_app.domain.symbols import is_inverse
from venues.domain.types import FillSnapshot

ZERO = Decimal(0)
_SMALLEST = Decimal(1).scaleb(-MAX_DECIMALS)


def average_after(
    quantity: Decimal, average: Decimal | None, fills: Iterable[FillSnapshot]
) -> Decimal | None:
    """Of one symbol and side after these fills, each once; `quantity` signed, before them.

    A reduction leaves it, a turn begins anew. None when nothing is held, or when what was held
    before had no known price. Contracts settled in coins average by coins, as venues do. Rounded
    to 18 decimals, halves to even.
    """
    for fill in sorted(fills, key=trade_order):
        moved = signed_quantity(fill)
        after = quantity + moved
        if not after:
            average = None
        elif not quantity or quantity * after < 0:
            average = fill.price
        elif abs(after) > abs(quantity) and average is not None:
            average = _joined(abs(quantity), average, fill)
        quantity = after
    return None if average is None else average.quantize(_SMALLEST, ROUND_HALF_EVEN)


def _joined(held: Decimal, average: Decimal, fill: FillSnapshot) -> Decimal:
    together = held + fill.quantity
    if is_inverse(fill.symbol):
        return together / (held / average + fill.quantity / fill.price)
    return (held * average + fill.quantity * fill.price) / together

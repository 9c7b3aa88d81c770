"""A leader's added margin as a follower's own, and whether it is there already. Pure.

All amounts are in settle currency.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from enum import StrEnum

from venues.domain.types import Instrument, InstrumentKind

ONE = Decimal(1)
LEAST_SHARE = Decimal("0.01")
"""Of a leader's margin: funding that it gets moves it by less, and is nobody's top-up."""
_CENT, _SATOSHI = Decimal("0.01"), Decimal("0.00000001")
_NEAR = Decimal("0.1")
"""Of what was added: funding and fees may move a position's margin by less meanwhile."""


class Seen(StrEnum):
    ADDED = "added"
    ABSENT = "absent"
    UNCLEAR = "unclear"
    """It has moved by something else as well."""


def margin_down(instrument: Instrument, amount: Decimal) -> Decimal:
    """Cents of a dollar, or the smallest part of a coin; never up, and never below 0."""
    smallest = _SATOSHI if instrument.kind is InstrumentKind.INVERSE else _CENT
    return max(amount, Decimal(0)).quantize(smallest, ROUND_DOWN)


def own_margin(margin: Decimal, shown: Decimal, copied: Decimal) -> Decimal:
    """Of a position's margin, what is of the copy's part of it. Quantities are signed."""
    return margin * min(ONE, abs(copied / shown))


def seen(*, before: Decimal, after: Decimal, margin: Decimal) -> Seen:
    """Which of two margins a position of unchanged size has."""
    near = (after - before) * _NEAR
    if abs(margin - after) <= near:
        return Seen.ADDED
    return Seen.ABSENT if abs(margin - before) <= near else Seen.UNCLEAR

"""When an entry leaves the order book, and in which order it goes on. Pure.

An entry is never sent again. It goes on only when the venue has shown its order cancelled, with all
that it filled: the next order is for the rest, so both together never fill more than was decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

SENT_WITHIN = timedelta(seconds=30)
"""The next order is not sent later than this after the end of the one before."""


@dataclass(frozen=True, slots=True)
class WaitingEntry:
    """An entry's order as far as its time on the book goes. Quantities unsigned, native unit."""

    quantity: Decimal
    filled: Decimal
    rests_until: datetime | None = None
    chase_price: Decimal | None = None
    is_overtaken: bool = False
    """An exit, an end of the copy or the leader does not want it any more."""

    def has_rested(self, now: datetime) -> bool:
        return self.rests_until is not None and self.rests_until <= now

    def is_to_leave(self, now: datetime) -> bool:
        """Whether the venue is to be asked to cancel it."""
        return self.is_overtaken or self.has_rested(now)


@dataclass(frozen=True, slots=True)
class NextOrder:
    order_type: str
    quantity: Decimal
    price: Decimal
    rests_until: datetime | None = None
    chase_price: Decimal | None = None


def next_order(entry: WaitingEntry, *, now: datetime, smallest: Decimal) -> NextOrder | None:
    """What follows an entry that was cancelled; None when it is over. `smallest` is the venue's
    smallest order: a rest below it is given up."""
    if entry.is_overtaken or not entry.has_rested(now) or entry.chase_price is None:
        return None
    rest = entry.quantity - entry.filled
    if rest <= 0 or rest < smallest:
        return None
    return NextOrder("ioc", rest, entry.chase_price)

"""When an entry leaves the order book, and in which order it goes on. Pure.

An entry is never sent again. It goes on only when the venue has shown its order cancelled, with all
that it filled: the next order is for the rest, so both together never fill more than was decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from strategies.domain.settings import DEFAULTS
from trading.domain.order_sizes import smallest_entry
from venues.domain.types import Instrument

SENT_WITHIN = timedelta(seconds=30)
"""The next order, or the next slice, is not sent later than this after its time has come."""


@dataclass(frozen=True, slots=True)
class WaitingEntry:
    """An entry's order as far as its time on the book goes. Quantities unsigned, native unit."""

    quantity: Decimal
    filled: Decimal
    rests_until: datetime | None = None
    chase_price: Decimal | None = None
    is_overtaken: bool = False
    """An exit, an end of the copy or the leader does not want it any more."""
    is_withdrawn: bool = False
    """A person does not want it any more, or not like this; what it fills until its end stays."""
    amended_price: Decimal | None = None
    amended_quantity: Decimal | None = None
    """What that person wants instead: all of the entry, with what is filled of it."""

    def has_rested(self, now: datetime) -> bool:
        return self.rests_until is not None and self.rests_until <= now

    def is_to_leave(self, now: datetime) -> bool:
        """Whether the venue is to be asked to cancel it."""
        return self.is_overtaken or self.is_withdrawn or self.has_rested(now)


@dataclass(frozen=True, slots=True)
class NextOrder:
    order_type: str
    quantity: Decimal
    price: Decimal
    rests_until: datetime | None = None
    chase_price: Decimal | None = None


def next_order(entry: WaitingEntry, *, now: datetime, smallest: Decimal) -> NextOrder | None:
    """What follows an entry that was cancelled at `now`; None when it is over. `smallest` is the
    venue's smallest order: a rest below it is given up."""
    amended = entry.amended_price is not None
    if entry.is_overtaken or (entry.is_withdrawn and not amended):
        return None
    wanted = entry.quantity if entry.amended_quantity is None else entry.amended_quantity
    rest = wanted - entry.filled
    if rest <= 0 or rest < smallest:
        return None
    if entry.has_rested(now):
        return None if entry.chase_price is None else NextOrder("ioc", rest, entry.chase_price)
    if entry.amended_price is None:
        return None
    return NextOrder("limit", rest, entry.amended_price, entry.rests_until, entry.chase_price)


MOST_CHANGE = Decimal("0.2")
"""Of its price: what is further away was mistyped."""


class Unchangeable(StrEnum):
    """Why a person's change of a waiting entry is not taken."""

    PRICE_NOT_POSITIVE = "price_not_positive"
    PRICE_FAR_OFF = "price_far_off"
    NOT_LARGER = "not_larger"
    ABOVE_LOT = "above_lot"
    ALREADY_FILLED = "already_filled"
    BELOW_MINIMUM = "below_minimum"
    ABOVE_LARGEST = "above_largest"
    PRICE_BEYOND_MARKET = "price_beyond_market"
    NOT_COPIED = "not_copied"
    NOT_POSITIVE = "not_positive"
    NOTHING_CHANGES = "nothing_changes"


def amendment_problem(
    entry: WaitingEntry,
    *,
    at: Decimal,
    price: Decimal,
    quantity: Decimal,
    instrument: Instrument,
) -> Unchangeable | None:
    """What is wrong with a new price (at its tick), and a new size of the whole entry; `at` is its
    price now. What it costs is judged beside this.

    A size only shrinks: rules have judged what it was planned at, and nothing else.
    """
    if price <= 0:
        return Unchangeable.PRICE_NOT_POSITIVE
    if abs(price - at) > at * MOST_CHANGE:
        return Unchangeable.PRICE_FAR_OFF
    if quantity <= 0:
        return Unchangeable.NOT_POSITIVE
    if quantity > entry.quantity:
        return Unchangeable.NOT_LARGER
    if quantity != instrument.quantity_down(quantity):
        return Unchangeable.ABOVE_LOT
    if quantity <= entry.filled:
        return Unchangeable.ALREADY_FILLED
    if quantity - entry.filled < smallest_entry(instrument, price, DEFAULTS):
        return Unchangeable.BELOW_MINIMUM
    if (price, quantity) == (at, entry.quantity):
        return Unchangeable.NOTHING_CHANGES
    return None

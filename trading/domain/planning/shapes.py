"""What planning is told, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Literal, Protocol

from strategies.domain.settings import CopySettings
from strategies.domain.sizing import FollowerTerms, LeaderSize, SizeBasis
from trading.domain.planning.styles import AT_MARKET, NO_TIME, Style
from trading.domain.reasons import Reason
from trading.domain.risk import Controls, EntryFacts, HeldTerms
from venues.domain.types import Instrument

Action = Literal["open", "increase", "reduce", "close", "flip", "set_target"]
ZERO = Decimal(0)

MAIN_LEG = 0
CLOSE_LEG = 1
FIRST_EXTRA_LEG = 2
"""Legs from here on are further parts of what is larger than one order may be."""


@dataclass(frozen=True, slots=True)
class Book:
    """The follower's sub-ledger in the signal's symbol, and what else the account holds there.

    `working_entries` and `working_exits` are signed sums of the unfilled rest of live orders;
    orders of unknown outcome count as working, entries that an exit overtook do not. `own_long` and
    `own_short`, unsigned, are what is held or may come to be held on each side, overtaken entries
    included; `others_long` and `others_short` are the same of the account's other subscriptions.
    Neither is less what is being exited, because an exit may turn out not to have happened.
    """

    target: Decimal = ZERO
    filled: Decimal = ZERO
    working_entries: Decimal = ZERO
    working_exits: Decimal = ZERO
    own_long: Decimal = ZERO
    own_short: Decimal = ZERO
    others_long: Decimal = ZERO
    others_short: Decimal = ZERO
    others_terms: tuple[HeldTerms, ...] = ()
    """Of the account's other copies that hold something in the symbol, or may come to."""

    @property
    def exposure(self) -> Decimal:
        return self.filled + self.working_entries + self.working_exits

    def is_against(self, direction: int) -> bool:
        """Something of the other side is held or being entered, though it may be on its way out:
        an entry waits until that is proven."""
        against = self.own_short if direction > 0 else self.own_long
        return bool(against) or min(self.filled * direction, self.working_entries * direction) < 0

    @property
    def holds(self) -> bool:
        """Something of its own is held, or may come to be."""
        return bool(self.own_long or self.own_short)

    def others_against(self, direction: int) -> Decimal:
        return self.others_short if direction > 0 else self.others_long


@dataclass(frozen=True, slots=True)
class Instruction:
    """The signal, as far as planning needs it. `direction` is +1 long, −1 short, 0 none given."""

    action: Action
    direction: int
    leader: LeaderSize
    reduce_fraction: Decimal | None
    """For `reduce`: the share of the position, in (0, 1], where it is known."""

    @property
    def reduces_by_amount(self) -> bool:
        """Whether the signal says how much, and not which share."""
        return self.leader.basis not in (None, SizeBasis.POSITION_FRACTION)


@dataclass(frozen=True, slots=True)
class Follower:
    """One subscription's facts. `entry` carries the risk facts; its quantity is filled in here.

    `price` is None when the venue does not tell: exits need none, unless they are by an amount.
    """

    book: Book
    terms: FollowerTerms
    instrument: Instrument
    price: Decimal | None
    controls: Controls
    entry: EntryFacts
    account_closed: bool = False
    already_entered: Decimal = ZERO
    """What the orders that this entry replaces have filled, unsigned: it is a part of its size."""
    own_size: Decimal | Reason | None = None
    """Of a chase: the entry's size by the order that it replaces, or why there is none."""
    carries: bool = True
    """What is below the minimum is carried over; not of an order that its leader may cancel."""
    is_reversed: bool = False
    """It trades the other side of the leader's."""
    chooses_style: bool = False
    """The signal leaves it to the copy's settings how it is entered."""
    style: Style = AT_MARKET

    @property
    def entry_price(self) -> Decimal | None:
        """What an entry will cost when it fills."""
        return self.style.price if self.style.rests else self.price

    @property
    def settings(self) -> CopySettings:
        return self.entry.settings


class Exiting(Protocol):
    """What an exit is planned by: a follower of a signal, or whoever is closed without one."""

    @property
    def book(self) -> Book: ...
    @property
    def instrument(self) -> Instrument: ...
    @property
    def price(self) -> Decimal | None: ...
    @property
    def controls(self) -> Controls: ...
    @property
    def account_closed(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Holder:
    """A copied position that is closed without a signal."""

    book: Book
    instrument: Instrument
    price: Decimal | None
    controls: Controls
    account_closed: bool = False


@dataclass(frozen=True, slots=True)
class Leg:
    """One decision: an order (`reason` None) or a skip. `quantity` unsigned, native, rounded."""

    leg: int
    is_entry: bool
    direction: int
    quantity: Decimal
    reason: Reason | None = None
    wave: int = 0
    style: Style = AT_MARKET
    delay: timedelta = NO_TIME
    """Not sent before so much time has passed."""

    @property
    def is_order(self) -> bool:
        return self.reason is None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do for one follower; the new target already counts on the orders in it.

    `cancel_entries`: working entries must be cancelled before the exit is complete.
    """

    legs: tuple[Leg, ...]
    target: Decimal
    cancel_entries: bool = False


def sign(value: Decimal) -> int:
    return (value > 0) - (value < 0)


def skip(follower: Exiting, reason: Reason, *, is_entry: bool, target: Decimal) -> Plan:
    leg = Leg(MAIN_LEG, is_entry, 0, ZERO, reason)
    return Plan((leg,), target)

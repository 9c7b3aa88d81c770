"""From a signal to one follower's orders: target → delta → size → risk. Pure.

A signal changes the target of a subscription in a symbol; an order is what is missing to it:
`target − (held + working)`. So running a step twice orders nothing new, partial closes are exact,
and what is below the minimum is carried in the target instead of being dropped or forced up.
Signed quantities: long positive, short negative. See docs/flow.md for worked examples.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Context, Decimal
from typing import Literal

from strategies.domain.sizing import (
    FollowerTerms,
    LeaderSize,
    MissingFact,
    SizingError,
    entry_quantity,
)
from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk import Controls, Deny, EntryFacts, Reduce, control_denial, judge_entry
from venues.domain.types import Instrument, InstrumentKind

Action = Literal["open", "increase", "reduce", "close", "flip", "set_target"]
ZERO = Decimal(0)

_MISSING = {
    MissingFact.LEADER_SIZE: ReasonCode.LEADER_SIZE_UNKNOWN,
    MissingFact.LEADER_EQUITY: ReasonCode.LEADER_EQUITY_UNKNOWN,
    MissingFact.FOLLOWER_EQUITY: ReasonCode.BALANCE_UNKNOWN,
}

MAIN_LEG = 0
CLOSE_LEG = 1
FIRST_EXTRA_LEG = 2
"""Legs from here on are further parts of an exit that is larger than one order may be."""

_SAME_AMOUNT = Decimal("1e-12")
"""Relative. Fractions are said with 16 to 18 decimals: a third of 9 lots comes out as 3 − 1e-17."""
_READABLE = Context(prec=8, rounding=ROUND_DOWN)


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

    @property
    def exposure(self) -> Decimal:
        return self.filled + self.working_entries + self.working_exits

    def is_against(self, direction: int) -> bool:
        """Something of the other side is held or being entered, though it may be on its way out:
        an entry waits until that is proven."""
        against = self.own_short if direction > 0 else self.own_long
        return bool(against) or min(self.filled * direction, self.working_entries * direction) < 0

    def others_against(self, direction: int) -> Decimal:
        return self.others_short if direction > 0 else self.others_long


@dataclass(frozen=True, slots=True)
class Instruction:
    """The signal, as far as planning needs it. `direction` is +1 long, −1 short, 0 none given."""

    action: Action
    direction: int
    leader: LeaderSize
    reduce_fraction: Decimal | None
    """For `reduce` when given as a fraction of the position, in (0, 1]."""


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


@dataclass(frozen=True, slots=True)
class Leg:
    """One decision: an order (`reason` None) or a skip. `quantity` unsigned, native, rounded."""

    leg: int
    is_entry: bool
    direction: int
    quantity: Decimal
    reason: Reason | None = None
    wave: int = 0

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


def plan_follower(instruction: Instruction, follower: Follower) -> Plan:
    """Decide for one follower. Never raises for a follower's circumstances: they are reasons."""
    action = instruction.action
    if action in ("open", "increase"):
        return _plan_entry(instruction, follower)
    if action in ("reduce", "close") and _is_other_side(follower.book, instruction.direction):
        # The leader's exit is from the other side: "close short" never closes a long.
        reason = Reason(ReasonCode.NOTHING_TO_REDUCE)
        return _skip(follower, reason, is_entry=False, target=follower.book.target)
    if action == "reduce":
        return _plan_reduce(instruction, follower)
    if action == "close":
        return _plan_exit(follower, ZERO)
    if action == "flip":
        return _plan_flip(instruction, follower)
    return _plan_set_target(instruction, follower)


def _is_other_side(book: Book, direction: int) -> bool:
    """What is held, or without it what is worked, is on the side that the signal does not mean."""
    return (book.filled or book.exposure) * direction < 0


def _sign(value: Decimal) -> int:
    return (value > 0) - (value < 0)


def _skip(follower: Follower, reason: Reason, *, is_entry: bool, target: Decimal) -> Plan:
    leg = Leg(MAIN_LEG, is_entry, 0, ZERO, reason)
    return Plan((leg,), target)


def _market_denial(follower: Follower) -> Reason | None:
    """Why the market itself takes no entry. An exit is sent all the same: the venue may know
    better than a list that could not be read."""
    symbol = follower.instrument.symbol
    if not follower.instrument.is_live:
        params = {"symbol": symbol, "venue": follower.entry.venue}
        return Reason(ReasonCode.SYMBOL_NOT_LISTED, params)
    if follower.price is None:
        return Reason(ReasonCode.PRICE_UNKNOWN, {"symbol": symbol})
    return None


def _sized(instruction: Instruction, follower: Follower) -> Decimal | Reason:
    if follower.price is None:
        return Reason(ReasonCode.PRICE_UNKNOWN, {"symbol": follower.instrument.symbol})
    try:
        return entry_quantity(
            instruction.leader, follower.terms, follower.instrument, follower.price
        )
    except SizingError as error:
        return Reason(_MISSING[error.missing])


def _below_minimum(quantity: Decimal, instrument: Instrument) -> Reason:
    return Reason(
        ReasonCode.BELOW_MINIMUM_SIZE,
        {
            "size": format(_READABLE.plus(quantity).normalize(), "f"),
            "minimum": format(instrument.min_size, "f"),
            "unit": "contracts" if instrument.kind != "spot" else instrument.base,
        },
    )


# --- entries ------------------------------------------------------------------------------------


def _plan_entry(instruction: Instruction, follower: Follower) -> Plan:
    size = _market_denial(follower) or _sized(instruction, follower)
    book = follower.book
    if isinstance(size, Reason):
        return _skip(follower, size, is_entry=True, target=book.target)
    if book.exposure * instruction.direction < 0:
        reason = Reason(ReasonCode.OPPOSITE_POSITION, {"symbol": follower.instrument.symbol})
        return _skip(follower, reason, is_entry=True, target=book.target)
    wanted = book.target + size * instruction.direction
    return _enter(follower, instruction.direction, wanted, book)


def _enter(
    follower: Follower, direction: int, wanted: Decimal, book: Book, *, wave: int = 0
) -> Plan:
    """Order what is missing from the book's exposure to `wanted`, in `direction`."""
    missing = (wanted - book.exposure) * direction
    if missing <= 0:
        return _skip(follower, Reason(ReasonCode.ALREADY_AT_TARGET), is_entry=True, target=wanted)
    denial = _entry_denial(follower, direction, missing)
    if isinstance(denial, Reason):
        return _skip(follower, denial, is_entry=True, target=book.target)
    quantity = follower.instrument.quantity_down(denial)
    if quantity < follower.instrument.min_size:
        reason = _below_minimum(missing, follower.instrument)
        return _skip(follower, reason, is_entry=True, target=wanted)
    # A cap forgets what is above it; rounding carries the rest over to the next signal.
    if denial < missing:
        wanted = book.exposure + quantity * direction
    wave = wave or int(book.is_against(direction))
    return Plan((Leg(MAIN_LEG, True, direction, quantity, wave=wave),), wanted)


def _entry_denial(follower: Follower, direction: int, missing: Decimal) -> Decimal | Reason:
    """The allowed quantity before rounding, or why nothing is allowed."""
    if follower.account_closed:
        return Reason(ReasonCode.ACCOUNT_NOT_ACTIVE)
    market = _market_denial(follower)
    if market is not None:
        return market
    if follower.book.others_against(direction):
        return Reason(ReasonCode.OPPOSITE_POSITION, {"symbol": follower.instrument.symbol})
    if direction < 0 and follower.instrument.kind is InstrumentKind.SPOT:
        # The venue would sell whatever coins the client has.
        return Reason(ReasonCode.SPOT_SHORT, {"symbol": follower.instrument.symbol})
    verdict = judge_entry(replace(follower.entry, quantity=missing), follower.controls)
    if isinstance(verdict, Deny):
        return verdict.reason
    if isinstance(verdict, Reduce):
        return min(missing, verdict.quantity)
    return missing


# --- exits --------------------------------------------------------------------------------------


def _plan_reduce(instruction: Instruction, follower: Follower) -> Plan:
    book = follower.book
    if instruction.reduce_fraction is not None:
        left = book.target * (1 - instruction.reduce_fraction)
        return _plan_exit(follower, _at_lot(left, follower))
    size = _sized(instruction, follower)
    if isinstance(size, Reason):
        return _skip(follower, size, is_entry=False, target=book.target)
    left = max(abs(book.target) - size, ZERO) * _sign(book.target)
    return _plan_exit(follower, left)


def _at_lot(wanted: Decimal, follower: Follower) -> Decimal:
    """The multiple of the lot that was meant, if only the last digits of a fraction are off."""
    lot = follower.instrument.lot
    nearest = (wanted / lot).to_integral_value() * lot
    off = abs(nearest - wanted)
    return nearest if off <= abs(follower.book.target) * _SAME_AMOUNT else wanted


def _plan_exit(follower: Follower, wanted: Decimal, *, leg: int = MAIN_LEG) -> Plan:
    """Shrink towards `wanted`; never beyond flat, never more than is not yet being exited."""
    book = follower.book
    cancel = book.working_entries != 0
    holding = book.filled + book.working_exits
    side = _sign(book.filled)
    if side == 0 or holding * side <= 0:
        target = wanted if cancel else ZERO
        reason = Reason(ReasonCode.NOTHING_TO_REDUCE)
        return replace(
            _skip(follower, reason, is_entry=False, target=target), cancel_entries=cancel
        )
    denial = control_denial(follower.controls, is_entry=False)
    if follower.account_closed:
        denial = Reason(ReasonCode.ACCOUNT_NOT_ACTIVE)
    if denial is not None:
        return _skip(follower, denial, is_entry=False, target=book.target)
    if wanted * side < 0:
        wanted = ZERO
    excess = (holding - wanted) * side
    if excess <= 0:
        reason = Reason(ReasonCode.ALREADY_AT_TARGET)
        return replace(
            _skip(follower, reason, is_entry=False, target=wanted), cancel_entries=cancel
        )
    quantity = follower.instrument.quantity_down(min(excess, abs(holding)))
    if quantity < follower.instrument.min_size:
        reason = _below_minimum(excess, follower.instrument)
        return replace(
            _skip(follower, reason, is_entry=False, target=wanted), cancel_entries=cancel
        )
    return Plan(_exit_legs(quantity, -side, follower.instrument, leg), wanted, cancel)


def _exit_legs(
    quantity: Decimal, direction: int, instrument: Instrument, leg: int
) -> tuple[Leg, ...]:
    """One order, or as many as the venue's largest market order asks for, evenly cut."""
    lots = int(quantity / instrument.lot)
    limit = instrument.max_market_size
    most = lots if limit is None else int(limit / instrument.lot)
    parts = -(-lots // most) if most > 0 else 1
    each, more = divmod(lots, parts)
    numbers = [leg, *range(FIRST_EXTRA_LEG, FIRST_EXTRA_LEG + parts - 1)]
    return tuple(
        Leg(number, False, direction, (each + (place < more)) * instrument.lot)
        for place, number in enumerate(numbers)
    )


# --- both ---------------------------------------------------------------------------------------


def _plan_flip(instruction: Instruction, follower: Follower) -> Plan:
    direction = instruction.direction
    book = follower.book
    if instruction.leader.size is None:
        size: Decimal | Reason = abs(book.filled)
    else:
        size = _sized(instruction, follower)
    return _turn(follower, direction, size)


def _plan_set_target(instruction: Instruction, follower: Follower) -> Plan:
    book = follower.book
    if instruction.leader.size == 0:
        return _plan_exit(follower, ZERO)
    size = _sized(instruction, follower)
    if isinstance(size, Reason):
        return _skip(follower, size, is_entry=True, target=book.target)
    wanted = size * instruction.direction
    if book.exposure * wanted < 0:
        return _turn(follower, instruction.direction, size)
    if abs(wanted) < abs(book.exposure):
        return _plan_exit(follower, wanted)
    return _enter(follower, instruction.direction, wanted, book)


def _turn(follower: Follower, direction: int, size: Decimal | Reason) -> Plan:
    """Close what is on the other side, then open: the entry waits for the end of all that is
    held, entered or exited there (wave 1)."""
    book = follower.book
    if book.exposure * direction > 0:
        reason = Reason(ReasonCode.ALREADY_AT_TARGET)
        return _skip(follower, reason, is_entry=True, target=book.target)
    closing: tuple[Leg, ...] = ()
    cancel = False
    after_close = book
    if book.exposure != 0:
        close_plan = _plan_exit(follower, ZERO, leg=CLOSE_LEG)
        cancel = close_plan.cancel_entries
        close_leg = close_plan.legs[0]
        if close_leg.is_order:
            closing = close_plan.legs
            after_close = Book(others_long=book.others_long, others_short=book.others_short)
        elif book.filled != 0:
            # What cannot be closed blocks the other side; the close's own reason is shown.
            return close_plan
        else:
            after_close = Book(others_long=book.others_long, others_short=book.others_short)
    if isinstance(size, Reason):
        entry = _skip(follower, size, is_entry=True, target=ZERO)
    else:
        entry = _enter(
            replace(follower, book=after_close),
            direction,
            size * direction,
            after_close,
            wave=1 if closing or book.is_against(direction) else 0,
        )
    return Plan((*closing, *entry.legs), entry.target, cancel)

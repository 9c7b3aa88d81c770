"""Orders that add to a position."""

from __future__ import annotations

from decimal import Decimal

from strategies.domain.settings import DEFAULTS, OnMinimum
from trading.domain.following import is_copied
from trading.domain.order_sizes import (
    in_parts,
    in_slices,
    largest_entry,
    largest_order,
    smallest_entry,
)
from trading.domain.planning.shapes import (
    FIRST_EXTRA_LEG,
    MAIN_LEG,
    Book,
    Follower,
    Instruction,
    Leg,
    Plan,
    skip,
)
from trading.domain.planning.sized import below_minimum, entry_size, market_denial
from trading.domain.planning.styles import NO_TIME
from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk import Deny, Reduce, judge_entry
from venues.domain.types import InstrumentKind

ZERO = Decimal(0)


def plan_entry(instruction: Instruction, follower: Follower) -> Plan:
    uncopied = not_copied(instruction.direction, follower)
    size = uncopied or market_denial(follower) or follower.own_size
    if size is None:
        size = entry_size(instruction, follower)
    book = follower.book
    if isinstance(size, Reason):
        return skip(follower, size, is_entry=True, target=book.target)
    if book.exposure * instruction.direction < 0:
        reason = Reason(ReasonCode.OPPOSITE_POSITION, {"symbol": follower.instrument.symbol})
        return skip(follower, reason, is_entry=True, target=book.target)
    size = max(size - follower.already_entered, ZERO)
    if follower.own_size is not None and not size:
        reason = Reason(ReasonCode.ALREADY_AT_TARGET)
        return skip(follower, reason, is_entry=True, target=book.target)
    wanted = book.target + size * instruction.direction
    return enter(follower, instruction.direction, wanted, book)


def not_copied(direction: int, follower: Follower) -> Reason | None:
    if is_copied(direction, follower.settings.direction):
        return None
    return Reason(ReasonCode.DIRECTION_NOT_COPIED, {"symbol": follower.instrument.symbol})


def enter(
    follower: Follower,
    direction: int,
    wanted: Decimal,
    book: Book,
    *,
    wave: int = 0,
    extra_leg: int = FIRST_EXTRA_LEG,
) -> Plan:
    """Order what is missing from the book's exposure to `wanted`, in `direction`."""
    missing = (wanted - book.exposure) * direction
    if missing <= 0:
        return skip(follower, Reason(ReasonCode.ALREADY_AT_TARGET), is_entry=True, target=wanted)
    denial = _standing_denial(follower, direction)
    if denial is not None:
        return skip(follower, denial, is_entry=True, target=book.target)
    price = follower.entry_price
    assert price is not None  # or the market would be the denial
    size = _Size(follower, price, missing)
    allowed = _judged(follower, direction, size.asked)
    if isinstance(allowed, Reason):
        return skip(follower, allowed, is_entry=True, target=book.target)
    parts = size.parts(allowed)
    if not parts:
        return _too_small(follower, size, allowed, book.exposure, wanted, direction)
    quantity = sum(parts, ZERO)
    if _is_sliced(follower, quantity, price):
        parts = in_slices(
            quantity,
            parts,
            follower.instrument,
            most=follower.style.slices,
            smallest=smallest_entry(follower.instrument, price, DEFAULTS),
        )
    # A cap forgets what is above it; rounding carries the rest over to the next signal.
    if allowed != missing:
        wanted = book.exposure + quantity * direction
    wave = wave or int(book.is_against(direction))
    numbers = [MAIN_LEG, *range(extra_leg, extra_leg + len(parts) - 1)]
    style = follower.style
    interval = style.interval if _is_sliced(follower, quantity, price) else NO_TIME
    legs = (
        Leg(number, True, direction, part, wave=wave, style=style, delay=interval * place)
        for place, (number, part) in enumerate(zip(numbers, parts, strict=True))
    )
    return Plan(tuple(legs), wanted)


def _is_sliced(follower: Follower, quantity: Decimal, price: Decimal) -> bool:
    style = follower.style
    worth = follower.instrument.notional(quantity, price)
    return style.slices > 1 and worth > style.sliced_above


class _Size:
    """How much of what is missing one entry asks for, by the venue's filters and the caps."""

    def __init__(self, follower: Follower, price: Decimal, missing: Decimal) -> None:
        self.missing = missing
        settings, self._instrument = follower.settings, follower.instrument
        is_limit = follower.entry.is_limit or follower.style.price is not None
        self.smallest = smallest_entry(self._instrument, price, settings)
        self._largest = largest_order(self._instrument, price, is_limit=is_limit)
        limit = largest_entry(
            self._instrument, price, follower.terms.leverage, settings, is_limit=is_limit
        )
        self.asked = missing if limit is None else min(missing, limit)
        is_forced = settings.below_minimum is OnMinimum.FORCE and self.asked < self.smallest
        if is_forced and (limit is None or self.smallest <= limit):
            self.asked = self.smallest

    def parts(self, allowed: Decimal) -> tuple[Decimal, ...]:
        """The orders; none when there is not enough for one."""
        quantity = self._instrument.quantity_down(allowed)
        if quantity < self.smallest:
            return ()
        return in_parts(quantity, self._instrument, self._largest, self._instrument.min_size)


def _too_small(
    follower: Follower,
    size: _Size,
    allowed: Decimal,
    exposure: Decimal,
    wanted: Decimal,
    direction: int,
) -> Plan:
    """Carried to the next signal, or dropped. What a cap cut off is never carried: it would pile
    up."""
    carries = follower.settings.below_minimum is OnMinimum.CARRY
    code = ReasonCode.BELOW_MINIMUM_SIZE if carries else ReasonCode.BELOW_MINIMUM_DROPPED
    if not follower.carries:
        code = ReasonCode.RESTING_BELOW_MINIMUM
    reason = below_minimum(allowed, size.smallest, follower.instrument, code)
    target = follower.book.target
    if carries and follower.carries:
        target = wanted if allowed == size.missing else exposure + allowed * direction
    return skip(follower, reason, is_entry=True, target=target)


def _standing_denial(follower: Follower, direction: int) -> Reason | None:
    """Why nothing at all is entered, whatever its size."""
    if follower.account_closed:
        return Reason(ReasonCode.ACCOUNT_NOT_ACTIVE)
    market = market_denial(follower)
    if market is not None:
        return market
    if follower.book.others_against(direction):
        return Reason(ReasonCode.OPPOSITE_POSITION, {"symbol": follower.instrument.symbol})
    if direction < 0 and follower.instrument.kind is InstrumentKind.SPOT:
        # The venue would sell whatever coins the client has.
        return Reason(ReasonCode.SPOT_SHORT, {"symbol": follower.instrument.symbol})
    return None


def _judged(follower: Follower, direction: int, asked: Decimal) -> Decimal | Reason:
    """The quantity that the rules allow before rounding, or why nothing is allowed."""
    entry = follower.entry.sized(asked, direction)
    verdict = judge_entry(entry, follower.controls)
    if isinstance(verdict, Deny):
        return verdict.reason
    if isinstance(verdict, Reduce):
        return min(asked, verdict.quantity)
    return asked

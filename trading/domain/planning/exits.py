"""Orders that take off a position."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal

from strategies.domain.sizing import SizingMode
from trading.domain.order_sizes import in_parts, largest_order, smallest_exit
from trading.domain.planning.shapes import (
    FIRST_EXTRA_LEG,
    MAIN_LEG,
    Exiting,
    Follower,
    Instruction,
    Leg,
    Plan,
    sign,
    skip,
)
from trading.domain.planning.sized import below_minimum, reduction_size
from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk import control_denial

ZERO = Decimal(0)
_SAME_AMOUNT = Decimal("1e-12")
"""Relative. Fractions are said with 16 to 18 decimals: a third of 9 lots comes out as 3 − 1e-17."""


def plan_reduce(instruction: Instruction, follower: Follower) -> Plan:
    book = follower.book
    by_ratio = follower.terms.mode is SizingMode.LEADER_RATIO
    fraction = instruction.reduce_fraction
    size: Decimal | Reason | None = None
    # Only a copy of the leader's size holds amounts like the leader's.
    if fraction is None or (by_ratio and instruction.reduces_by_amount):
        size = reduction_size(instruction, follower, sign(book.target) or 1)
    if isinstance(size, Decimal):
        left = max(abs(book.target) - size, ZERO) * sign(book.target)
        return plan_exit(follower, left)
    if fraction is not None:
        left = book.target * (1 - fraction)
        return plan_exit(follower, _at_lot(left, follower))
    assert size is not None
    return skip(follower, size, is_entry=False, target=book.target)


def _at_lot(wanted: Decimal, follower: Follower) -> Decimal:
    """The multiple of the lot that was meant, if only the last digits of a fraction are off."""
    lot = follower.instrument.lot
    nearest = (wanted / lot).to_integral_value(ROUND_HALF_EVEN) * lot
    off = abs(nearest - wanted)
    return nearest if off <= abs(follower.book.target) * _SAME_AMOUNT else wanted


def plan_exit(follower: Exiting, wanted: Decimal, *, leg: int = MAIN_LEG) -> Plan:
    """Shrink towards `wanted`; never beyond flat, never more than is not yet being exited."""
    book = follower.book
    cancel = book.working_entries != 0
    holding = book.filled + book.working_exits
    side = sign(book.filled)
    if side == 0 or holding * side <= 0:
        target = wanted if cancel else ZERO
        reason = Reason(ReasonCode.NOTHING_TO_REDUCE)
        return replace(skip(follower, reason, is_entry=False, target=target), cancel_entries=cancel)
    denial = control_denial(follower.controls, is_entry=False)
    if follower.account_closed:
        denial = Reason(ReasonCode.ACCOUNT_NOT_ACTIVE)
    if denial is not None:
        return skip(follower, denial, is_entry=False, target=book.target)
    if wanted * side < 0:
        wanted = ZERO
    excess = (holding - wanted) * side
    if excess <= 0:
        reason = Reason(ReasonCode.ALREADY_AT_TARGET)
        return replace(skip(follower, reason, is_entry=False, target=wanted), cancel_entries=cancel)
    instrument = follower.instrument
    quantity = instrument.quantity_down(min(excess, abs(holding)))
    smallest = smallest_exit(instrument, follower.price)
    if quantity < smallest:
        reason = below_minimum(excess, smallest, instrument)
        return replace(skip(follower, reason, is_entry=False, target=wanted), cancel_entries=cancel)
    largest = largest_order(instrument, follower.price, is_limit=False)
    parts = in_parts(quantity, instrument, largest, smallest)
    numbers = [leg, *range(FIRST_EXTRA_LEG, FIRST_EXTRA_LEG + len(parts) - 1)]
    legs = (Leg(number, False, -side, part) for number, part in zip(numbers, parts, strict=True))
    return Plan(tuple(legs), wanted, cancel)

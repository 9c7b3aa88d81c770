"""What to do for one follower: enter, exit, or turn round."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from trading.domain.following import is_copied
from trading.domain.planning.entries import enter, not_copied, plan_entry
from trading.domain.planning.exits import plan_exit, plan_reduce
from trading.domain.planning.shapes import (
    CLOSE_LEG,
    FIRST_EXTRA_LEG,
    MAIN_LEG,
    Book,
    Follower,
    Instruction,
    Leg,
    Plan,
    skip,
)
from trading.domain.planning.sized import entry_size, readable
from trading.domain.planning.styles import in_style
from trading.domain.reasons import Reason, ReasonCode

ZERO = Decimal(0)


def plan_follower(instruction: Instruction, follower: Follower) -> Plan:
    """Decide for one follower. Never raises for a follower's circumstances: they are reasons."""
    if follower.is_reversed:
        instruction = replace(instruction, direction=-instruction.direction)
    if instruction.action not in ("reduce", "close"):
        follower = in_style(follower, instruction.direction)
    plan = _plan(instruction, follower)
    return _watched(plan, follower) if follower.settings.monitor_only else plan


def _plan(instruction: Instruction, follower: Follower) -> Plan:
    action = instruction.action
    if action in ("open", "increase"):
        return plan_entry(instruction, follower)
    if action in ("reduce", "close") and _is_other_side(follower.book, instruction.direction):
        # The leader's exit is from the other side: "close short" never closes a long.
        reason = Reason(ReasonCode.NOTHING_TO_REDUCE)
        return skip(follower, reason, is_entry=False, target=follower.book.target)
    if action == "reduce":
        return plan_reduce(instruction, follower)
    if action == "close":
        return plan_exit(follower, ZERO)
    if action == "flip":
        return _plan_flip(instruction, follower)
    return _plan_set_target(instruction, follower)


def _watched(plan: Plan, follower: Follower) -> Plan:
    """What would have been entered, as a reason. What is held is exited all the same."""
    entries = [leg for leg in plan.legs if leg.is_entry]
    exits = tuple(leg for leg in plan.legs if not leg.is_entry)
    if not entries:
        return plan
    first = entries[0]
    if first.is_order:
        size = sum((leg.quantity for leg in entries), ZERO)
        params = {"size": readable(size), "symbol": follower.instrument.symbol}
        reason = Reason(ReasonCode.MONITOR_ONLY, params)
        first = Leg(MAIN_LEG, True, first.direction, ZERO, reason)
    left = ZERO if exits else follower.book.target
    return Plan((*exits, first), left, plan.cancel_entries)


def _is_other_side(book: Book, direction: int) -> bool:
    """What is held, or without it what is worked, is on the side that the signal does not mean."""
    return (book.filled or book.exposure) * direction < 0


def _plan_flip(instruction: Instruction, follower: Follower) -> Plan:
    direction = instruction.direction
    book = follower.book
    size: Decimal | Reason
    if not is_copied(direction, follower.settings.direction):
        size = Reason(ReasonCode.DIRECTION_NOT_COPIED, {"symbol": follower.instrument.symbol})
    elif instruction.leader.size is None:
        size = abs(book.filled)
    else:
        size = entry_size(instruction, follower)
    return _turn(follower, direction, size)


def _plan_set_target(instruction: Instruction, follower: Follower) -> Plan:
    book = follower.book
    if instruction.leader.size == 0:
        return plan_exit(follower, ZERO)
    size = not_copied(instruction.direction, follower) or entry_size(instruction, follower)
    if book.exposure * instruction.direction < 0:
        # What is held on the other side ends, however much of this one there can be.
        return _turn(follower, instruction.direction, size)
    if isinstance(size, Reason):
        return skip(follower, size, is_entry=True, target=book.target)
    wanted = size * instruction.direction
    if abs(wanted) < abs(book.exposure):
        return plan_exit(follower, wanted)
    return enter(follower, instruction.direction, wanted, book)


def _turn(follower: Follower, direction: int, size: Decimal | Reason) -> Plan:
    """Close what is on the other side, then open: the entry waits for the end of all that is
    held, entered or exited there (wave 1)."""
    book = follower.book
    if book.exposure * direction > 0:
        reason = Reason(ReasonCode.ALREADY_AT_TARGET)
        return skip(follower, reason, is_entry=True, target=book.target)
    closing: tuple[Leg, ...] = ()
    cancel = False
    after_close, facts = book, follower.entry
    if book.exposure != 0:
        close_plan = plan_exit(follower, ZERO, leg=CLOSE_LEG)
        cancel = close_plan.cancel_entries
        close_leg = close_plan.legs[0]
        if close_leg.is_order:
            closing = close_plan.legs
            facts = facts.after_close(book.filled)
            after_close = Book(others_long=book.others_long, others_short=book.others_short)
        elif book.filled != 0:
            # What cannot be closed blocks the other side; the close's own reason is shown.
            return close_plan
        else:
            after_close = Book(others_long=book.others_long, others_short=book.others_short)
    if isinstance(size, Reason):
        entry = skip(follower, size, is_entry=True, target=ZERO)
    else:
        entry = enter(
            replace(follower, book=after_close, entry=facts),
            direction,
            size * direction,
            after_close,
            wave=1 if closing or book.is_against(direction) else 0,
            extra_leg=FIRST_EXTRA_LEG + max(len(closing) - 1, 0),
        )
    return Plan((*closing, *entry.legs), entry.target, cancel)

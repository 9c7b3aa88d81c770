"""How an observation of the venue moves an order. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from trading.domain.order_states import LIVE_STATES, OrderState, OrderTrigger, advance
from venues.domain.types import VenueOrderState


@dataclass(frozen=True, slots=True)
class Step:
    trigger: OrderTrigger
    from_state: OrderState
    to_state: OrderState


@dataclass(frozen=True, slots=True)
class Progress:
    """The steps in order, the state they lead to, and whether fills are still missing."""

    steps: tuple[Step, ...]
    state: OrderState
    fills_missing: bool


def counted_quantity(state: OrderState, quantity: Decimal, filled: Decimal) -> Decimal:
    """The part of an order that its position's target counts on.

    All of a live order, only what was filled of an ended one: so when an order ends unfilled the
    target falls back to held + working, and a late twin raises it again.
    """
    return quantity if state in LIVE_STATES else filled


def overtaken_target(target: Decimal, exposure: Decimal) -> Decimal:
    """The target when an entry that an exit overtook has ended. Signed, long positive.

    The exit's target left that entry out already, so its end takes nothing from it. But a
    reduction never increases: what did not fill is not wanted any more. `exposure`: what is held
    and worked now; where it is more than the target, a late fill is to be exited.
    """
    if target * exposure <= 0:
        return Decimal(0)
    return target if abs(target) <= abs(exposure) else exposure


def unwanted_holding(*, held: Decimal, wanted: Decimal, target: Decimal) -> Decimal:
    """What to exit once an overtaken entry has ended: what is too much for `target`. Signed.

    `held` leaves out what live exits take, but does not count on what they bring beyond flat.
    `wanted` is the unfilled rest of live entries that
    no exit overtook; overtaken ones are not counted on, since they may never fill: selling what
    only they would bring would sell somebody else's.
    """
    excess = held + wanted - target
    if excess * held <= 0:
        return Decimal(0)
    return excess if abs(excess) < abs(held) else held


def next_exit_quantity(
    *,
    sign: int,
    rest: Decimal,
    held: Decimal,
    working_exits: Decimal,
    at_venue: Decimal | None,
    held_by_others: Decimal,
    held_by_client: Decimal = Decimal(0),
    refused: bool = False,
) -> Decimal:
    """How much the next attempt of an exit may close: unsigned, native unit, not rounded.

    `sign` is the exit's: −1 sells. `rest`: what the last attempt left. `held`, `working_exits`,
    `at_venue`, `held_by_others` (of the account's other copies, on the side that is closed) and
    `held_by_client` (what no copy accounts for) are signed.

    `at_venue` None: the venue refused the last attempt itself, so nothing of it happened. Asked
    although it `refused`: what is missing there the client took by hand, out of all copies alike,
    so the attempt's share of what is left is closed. Otherwise, what the venue holds less than our
    books do was exited without our knowing; as far as anybody can tell by the last attempt, so it
    is not exited again.
    """
    closable = -sign * (held + working_exits)
    if at_venue is not None and refused:
        booked, there = -sign * (held + held_by_others), max(-sign * at_venue, Decimal(0))
        if there < booked:
            rest, closable = rest * there / booked, closable * there / booked
    elif at_venue is not None:
        share = -sign * (at_venue - held_by_others - held_by_client)
        rest -= max(-sign * held - share, Decimal(0))
        closable = min(closable, share)
    return max(min(rest, closable), Decimal(0))


def take_steps(
    state: OrderState, triggers: list[OrderTrigger]
) -> tuple[tuple[Step, ...], OrderState]:
    """Apply triggers in order. Raises InvalidTransitionError."""
    steps = []
    for trigger in triggers:
        following = advance(state, trigger)
        steps.append(Step(trigger, state, following))
        state = following
    return tuple(steps), state


def observe(
    *,
    state: OrderState,
    quantity: Decimal,
    filled_before: Decimal,
    filled_now: Decimal,
    venue_state: VenueOrderState,
    venue_filled: Decimal,
) -> Progress:
    """Steps for an order that the venue shows.

    `filled_now` sums the fills that we hold by trade id. Books follow fills, not the venue's
    running total: an order ends only when its fills are all here.
    """
    triggers: list[OrderTrigger] = []
    if state in (OrderState.SENDING, OrderState.UNKNOWN, OrderState.NOT_PLACED):
        triggers.append(OrderTrigger.ACCEPT)
    complete = filled_now >= venue_filled
    if filled_now >= quantity:
        if state is not OrderState.FILLED:
            triggers.append(OrderTrigger.FILL)
    elif filled_now > filled_before:
        triggers.append(OrderTrigger.PARTIAL_FILL)
    ended = venue_state in (VenueOrderState.CANCELLED, VenueOrderState.FILLED)
    if ended and complete and filled_now < quantity and state is not OrderState.CANCELLED:
        # FILLED below our quantity: the venue shrank the order (amended, reduce-only capped).
        triggers.append(OrderTrigger.CANCEL)
    steps, reached = take_steps(state, triggers)
    return Progress(steps, reached, fills_missing=not complete)

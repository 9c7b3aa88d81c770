"""One update moves one order: its steps, its fills, its schedule of look-ups."""

from __future__ import annotations

from datetime import datetime, timedelta

from customers.fields import plain
from trading.domain.order_progress import Step, counted_quantity, observe, take_steps
from trading.domain.order_states import LIVE_STATES, TERMINAL_STATES, OrderState, OrderTrigger
from trading.domain.reasons import Reason, ReasonCode
from trading.domain.resolution import exit_retry_delay, working_delay
from trading.models import Order
from trading.services.order_updates.going_on import entry_goes_on
from trading.services.order_updates.holdings import take_fill, target_moves
from trading.services.order_updates.work import OrderUpdate, Work
from trading.services.waiting import (
    is_to_be_cancelled,
    left_book_at,
    waiting_entry,
    withdrawal_reason,
)

CANCEL_DELAY = timedelta(seconds=2)
"""A cancellation is asked for again this soon, however long the order has been on the book."""


def apply_update(work: Work, order: Order, update: OrderUpdate) -> None:
    before = OrderState(order.state)
    counted_before = counted_quantity(before, order.quantity, order.filled_quantity)
    if update.snapshot is not None:
        steps, check_at = _observed(work, order, update)
    else:
        assert update.trigger is not None
        steps, _ = take_steps(before, [update.trigger])
        check_at = update.check_at
    after = steps[-1].to_state if steps else before
    order.state = after
    order.check_at = check_at
    if not order.checks:
        work.first_answers.add(order.pk)
    order.checks += 1
    order.version += 1
    if update.venue_order_id:
        order.venue_order_id = update.venue_order_id
    if update.misses is not None:
        order.misses = update.misses
    if update.watch_until is not None:
        order.watch_until = update.watch_until
    _take_reason(order, update, before, after)
    accepting = {OrderTrigger.ACCEPT, OrderTrigger.PARTIAL_FILL, OrderTrigger.FILL}
    if order.acknowledged_at is None and any(step.trigger in accepting for step in steps):
        order.acknowledged_at = work.now
    target_moves(work, order, counted_before, before, after)
    if after in TERMINAL_STATES and before not in TERMINAL_STATES:
        order.finished_at = work.now
        work.finished.append(order)
        if after is OrderState.CANCELLED and update.snapshot is not None:
            entry_goes_on(work, order, left_book_at(order, update.snapshot, work.now))
        _schedule_exit_retry(work, order, update)
    work.changed_orders.add(order.pk)
    _record_steps(work, order, steps, update)


def _take_reason(order: Order, update: OrderUpdate, before: OrderState, after: OrderState) -> None:
    if update.reason is not None:
        order.reason_code = update.reason.code
        order.reason_params = update.reason.params
    elif update.unreadable and after in LIVE_STATES:
        order.reason_code = ReasonCode.ORDER_UNREADABLE
        order.reason_params = {"field": update.unreadable}
    else:
        was_unknown = before is OrderState.UNKNOWN and after is not OrderState.UNKNOWN
        was_unreadable = order.reason_code == ReasonCode.ORDER_UNREADABLE
        if was_unknown or (was_unreadable and update.snapshot is not None):
            order.reason_code, order.reason_params = "", {}


def _observed(
    work: Work, order: Order, update: OrderUpdate
) -> tuple[tuple[Step, ...], datetime | None]:
    snapshot = update.snapshot
    assert snapshot is not None
    if snapshot.venue_order_id:
        order.venue_order_id = snapshot.venue_order_id
    order.seen_at = work.now
    order.misses = 0
    filled_before = order.filled_quantity
    for fill in update.fills:
        if not take_fill(work, order, fill):
            break
    progress = observe(
        state=OrderState(order.state),
        quantity=order.quantity,
        filled_before=filled_before,
        filled_now=order.filled_quantity,
        venue_state=snapshot.state,
        venue_filled=snapshot.filled_quantity,
    )
    told = order.reason_code not in ("", ReasonCode.ORDER_UNREADABLE)
    if progress.state is OrderState.CANCELLED and not told:
        left_at = left_book_at(order, snapshot, work.now)
        reason = _cancel_reason(order, snapshot.cancel_source, left_at)
        order.reason_code, order.reason_params = reason.code, reason.params
    done = progress.state in TERMINAL_STATES and not progress.fills_missing
    return progress.steps, None if done else _next_look(order, work.now)


def _next_look(order: Order, now: datetime) -> datetime:
    """Never after the moment at which it is to leave the book."""
    look_at = now + working_delay(order.checks)
    if is_to_be_cancelled(order, now):
        return min(look_at, now + CANCEL_DELAY)
    return look_at if order.rests_until is None else min(look_at, order.rests_until)


def _cancel_reason(order: Order, source: str, left_at: datetime) -> Reason:
    if order.withdrawn_for:
        return Reason(ReasonCode.WITHDRAWN)
    if order.is_entry and order.cancel_requested_at is not None:
        return Reason(ReasonCode.OVERTAKEN)
    if order.withdrawn_by:
        return withdrawal_reason(order.withdrawn_by, is_amended=order.amended_price is not None)
    if order.cancel_requested_at is None and waiting_entry(order).has_rested(left_at):
        return Reason(ReasonCode.RESTED_OUT)
    if order.order_type == "ioc" and order.price is not None:
        return Reason(ReasonCode.PRICE_RAN_AWAY, {"price": format(plain(order.price), "f")})
    return Reason(ReasonCode.CANCELLED_BY_VENUE, {"source": source})


def _schedule_exit_retry(work: Work, order: Order, update: OrderUpdate) -> None:
    """A refused exit whose refusal will pass is due again; a lost one, when it is proven lost."""
    if order.state == OrderState.REJECTED and update.details.get("retry") and not order.is_entry:
        told = timedelta(milliseconds=update.details.get("retry_after_ms", 0))
        order.check_at = work.now + max(exit_retry_delay(order.attempt), told)


def _record_steps(work: Work, order: Order, steps: tuple[Step, ...], update: OrderUpdate) -> None:
    details = dict(update.details)
    if update.reason is not None:
        details["reason"] = update.reason.code
        details.update(update.reason.params)
    for step in steps:
        if step.from_state is step.to_state and step.trigger is not OrderTrigger.PARTIAL_FILL:
            continue
        work.events.append(
            {
                "tenant_id": order.tenant_id,
                "order_id": order.pk,
                "kind": step.trigger,
                "from_state": step.from_state,
                "to_state": step.to_state,
                "details": details,
                "occurred_at": work.now,
            }
        )

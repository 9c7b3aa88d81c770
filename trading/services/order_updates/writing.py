"""What a call changed, written: rows, events for each audience, wake-ups for the next step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from customers.bulk_rows import rows_insert, rows_update
from customers.failpoints import failpoint
from customers.services.events import (
    EventDraft,
    customer_audience,
    events_record,
    staff_audience,
)
from customers.wakeup import wake_on_commit, wake_swept_on_commit
from trading.domain.order_states import LIVE_STATES, TERMINAL_STATES, OrderState
from trading.models import CopiedPosition, Fill, Intent, Order, OrderEvent, Trade
from trading.services.amending import withdrawn_wake
from trading.services.order_updates.work import Work
from trading.services.stops.marking import stops_mark

_ORDER_FIELDS = (
    "state",
    "reason_code",
    "reason_params",
    "venue_order_id",
    "filled_quantity",
    "average_price",
    "acknowledged_at",
    "finished_at",
    "check_at",
    "checks",
    "misses",
    "seen_at",
    "watch_until",
    "version",
)
COPIED_FIELDS = (
    "target",
    "filled",
    "average_entry_price",
    "leverage",
    "realised_pnl",
    "fees",
    "opened_at",
    "entered_quantity",
    "entered_value",
    "exited_quantity",
    "exited_value",
    "round_trip_pnl",
    "round_trip_fees",
    "version",
    "changed_at",
)
REFRESH_WITHIN_SECONDS = 20.0
"""After that another fill, the stream or the sweep has asked for a reading of the account."""
_INTENT_FIELDS = ("status", "reason_code", "reason_params", "finished_at")


def intent_status(state: str, filled: Decimal) -> str:
    """The intent's status for its latest order's state."""
    if state in LIVE_STATES:
        if state == OrderState.UNKNOWN:
            return Intent.Status.UNKNOWN
        return Intent.Status.PARTIAL if filled else Intent.Status.WORKING
    if state == OrderState.CANCELLED:
        return Intent.Status.PARTIAL if filled else Intent.Status.CANCELLED
    return {
        OrderState.FILLED: Intent.Status.FILLED,
        OrderState.REJECTED: Intent.Status.REJECTED,
        OrderState.NOT_PLACED: Intent.Status.NOT_PLACED,
        OrderState.EXPIRED: Intent.Status.EXPIRED,
    }[OrderState(state)]


def store(tenant_id: str, work: Work) -> None:
    orders = [work.orders[pk] for pk in sorted(work.changed_orders)]
    if work.found_strays:
        Fill.objects.for_tenant(tenant_id).filter(pk__in=work.found_strays).delete()
    rows_insert(Fill, work.fills)
    failpoint("updates.fills_written")
    rows_update(
        Order,
        {order.pk: {name: getattr(order, name) for name in _ORDER_FIELDS} for order in orders},
        _ORDER_FIELDS,
    )
    Order.objects.bulk_create(work.following.values())
    rows_insert(OrderEvent, work.events)
    for key in work.changed_positions:
        work.positions[key].version += 1
        work.positions[key].changed_at = work.now
    rows_update(
        CopiedPosition,
        {
            row.pk: {name: getattr(row, name) for name in COPIED_FIELDS}
            for row in (work.positions[key] for key in sorted(work.changed_positions))
        },
        COPIED_FIELDS,
    )
    Trade.objects.bulk_create(work.trades, batch_size=500)
    _mark_stops(tenant_id, work)
    changed = _store_intents(work, orders)
    events_record(_event_drafts(tenant_id, work, changed))
    _wake_what_follows(tenant_id, work)


def _mark_stops(tenant_id: str, work: Work) -> None:
    """Also of what ended without holding more: what a stop left unfilled is seen to."""
    moved = {(order.subscription_id, order.symbol) for order in work.finished}
    moved = {key for key in moved if key in work.positions} | work.moved_positions
    stops_mark(
        tenant_id=tenant_id,
        positions=[work.positions[key] for key in sorted(moved)],
        entered_by=work.entered_by,
        now=work.now,
    )


def _store_intents(work: Work, orders: Sequence[Order]) -> list[Order]:
    """Intents follow their latest order; returns the orders that there is news of to tell."""
    changes: dict[str, dict[str, Any]] = {}
    changed = []
    overtaken = _overtaken_attempts(work, orders)
    before = _filled_before(work, orders)
    for order in orders:
        if order.pk in overtaken:
            continue
        intent = order.intent
        latest = work.following.get(order.pk, order)
        status = _status_after(latest, order, before.get(order.intent_id, Decimal(0)))
        done = latest.state in TERMINAL_STATES
        values = {
            "status": status,
            "reason_code": latest.reason_code,
            "reason_params": latest.reason_params,
            "finished_at": (intent.finished_at or work.now) if done else None,
        }
        if any(getattr(intent, name) != value for name, value in values.items()):
            changes[intent.pk] = values
            changed.append(order)
        elif order.pk in work.first_answers:
            changed.append(order)  # planning left it to us to tell the client of it
    rows_update(Intent, changes, _INTENT_FIELDS)
    return changed


def _status_after(latest: Order, order: Order, before: Decimal) -> str:
    """Of an intent whose `order` changed; `before`: what its earlier orders filled."""
    filled = before + order.filled_quantity
    status = intent_status(latest.state, filled)
    if before and status not in (Intent.Status.FILLED, Intent.Status.UNKNOWN):
        return Intent.Status.PARTIAL
    return status


def _filled_before(work: Work, orders: Sequence[Order]) -> dict[str, Decimal]:
    """By intent: what its earlier orders filled, of entries that went on in another one."""
    later = {order.intent_id: order for order in orders if order.is_entry and order.attempt > 1}
    filled: dict[str, Decimal] = defaultdict(Decimal)
    if later:
        rows = Order.objects.for_tenant(next(iter(later.values())).tenant_id).filter(
            intent_id__id_in=list(later)
        )
        for intent_id, attempt, quantity in rows.values_list(
            "intent_id", "attempt", "filled_quantity"
        ):
            if attempt < later[intent_id].attempt:
                filled[intent_id] += quantity
    return filled


def _overtaken_attempts(work: Work, orders: Sequence[Order]) -> set[str]:
    """Exits that are still watched, and entries that went on, although a later attempt stands for
    their intent."""
    watched = [
        order
        for order in orders
        if order.finished_at and order.finished_at != work.now and _may_have_later(order)
    ]
    if not watched:
        return set()
    attempts = (
        Order.objects.for_tenant(watched[0].tenant_id)
        .filter(intent_id__id_in=[order.intent_id for order in watched])
        .order_by("attempt")
        .values_list("intent_id", "attempt")
    )
    latest = dict(attempts)
    return {order.pk for order in watched if order.attempt < latest[order.intent_id]}


def _may_have_later(order: Order) -> bool:
    return not order.is_entry or order.chase_price is not None or bool(order.withdrawn_by)


def _event_drafts(tenant_id: str, work: Work, orders: Sequence[Order]) -> list[EventDraft]:
    drafts = []
    rows_of_signal: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for order in orders:
        status = intent_status(order.state, order.filled_quantity)
        rows_of_signal[order.signal_id].append(
            {
                "intent": order.intent_id,
                "order": order.pk,
                "account": order.account_id,
                "status": status,
                "reason_code": order.reason_code,
            }
        )
        drafts.append(
            EventDraft(
                tenant_id,
                customer_audience(order.customer_id),
                "order.changed",
                {
                    "order": order.pk,
                    "intent": order.intent_id,
                    "account": order.account_id,
                    "symbol": order.symbol,
                    "side": order.side,
                    "status": status,
                    "quantity": format(order.quantity, "f"),
                    "filled": format(order.filled_quantity, "f"),
                    "average_price": (
                        None if order.average_price is None else format(order.average_price, "f")
                    ),
                    "reason_code": order.reason_code,
                    "reason_params": order.reason_params,
                },
            )
        )
    for signal_id, rows in rows_of_signal.items():
        drafts.append(
            EventDraft(
                tenant_id,
                staff_audience(tenant_id),
                "signal.rows",
                {"signal": signal_id, "rows": rows},
            )
        )
    return drafts


def _wake_what_follows(tenant_id: str, work: Work) -> None:
    """Hints only; sweepers find the same rows."""
    following = [order.pk for order in work.following.values()]
    if following:
        wake_on_commit("trading.tasks.orders_submit", order_ids=following, tenant_id=tenant_id)
    signal_ids = {order.signal_id for order in work.finished if order.signal_id}
    for signal_id in signal_ids:
        wake_on_commit("trading.tasks.signal_settle", signal_id=signal_id, tenant_id=tenant_id)
    withdrawn_wake(tenant_id, work.finished)
    closed = {
        (order.subscription_id, order.symbol)
        for order in work.finished
        if order.subscription_id and (not order.is_entry or order.cancel_requested_at)
    }
    if closed:
        waiting = list(
            Order.objects.for_tenant(tenant_id)
            .filter(
                subscription_id__in={pair[0] for pair in closed},
                symbol__in={pair[1] for pair in closed},
                wave=1,
                state=OrderState.READY,
            )
            .values_list("pk", flat=True)
        )
        if waiting:
            wake_on_commit("trading.tasks.orders_submit", order_ids=waiting, tenant_id=tenant_id)
    if work.filled_accounts:
        # With a lifetime: workers that are behind would have one message for each fill, and what
        # streams missed would wait after them.
        wake_swept_on_commit(
            "trading.tasks.accounts_refresh",
            lifetime_seconds=REFRESH_WITHIN_SECONDS,
            account_ids=sorted(work.filled_accounts),
            tenant_id=tenant_id,
            since=work.now.isoformat(),
        )

"""The one place where orders, fills and copied positions change.

Everything learnt about orders (answers, look-ups, streams) comes in as OrderUpdates and is
applied in one transaction: rows locked, the state table asked, fills deduplicated by trade id,
the copied position's target and holding moved, trades closed, events recorded.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from customers.bulk_rows import rows_insert, rows_update
from customers.deadlocks import retry_on_deadlock
from customers.fields import rounded
from customers.services.events import (
    EventDraft,
    customer_audience,
    events_record,
    staff_audience,
)
from customers.wakeup import wake_on_commit
from trading.domain.order_progress import (
    Step,
    counted_quantity,
    observe,
    overtaken_target,
    take_steps,
)
from trading.domain.order_states import (
    LIVE_STATES,
    TERMINAL_STATES,
    InvalidTransitionError,
    OrderState,
    OrderTrigger,
)
from trading.domain.positions import Holding, RoundTrip, apply_fill
from trading.domain.reasons import Reason, ReasonCode
from trading.domain.resolution import working_delay
from trading.models import CopiedPosition, Fill, Intent, Order, OrderEvent, Trade
from trading.services.repair import overtaken_fill_exit
from venues.domain.types import FillSnapshot, Instrument, InstrumentKind, OrderSnapshot

logger = logging.getLogger(__name__)

EXIT_RETRY_DELAY = timedelta(seconds=1)
CANCEL_DELAY = timedelta(seconds=2)
"""A cancellation is asked for again this soon, however long the order has been on the book."""

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
    "watch_until",
    "version",
)
_COPIED_FIELDS = (
    "target",
    "filled",
    "average_entry_price",
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
_INTENT_FIELDS = ("status", "reason_code", "reason_params", "finished_at")


@dataclass(frozen=True, slots=True)
class OrderUpdate:
    """What was learnt about one order.

    Either `trigger` (our own protocol step) or `snapshot` with `fills` (what the venue shows).
    `check_at` None stops looking; `keep_check` leaves the schedule alone.
    """

    order_id: str
    trigger: OrderTrigger | None = None
    venue_order_id: str = ""
    reason: Reason | None = None
    snapshot: OrderSnapshot | None = None
    fills: Sequence[FillSnapshot] = ()
    check_at: datetime | None = None
    misses: int | None = None
    watch_until: datetime | None = None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass
class _Work:
    """Rows of one call, in memory, and what they produced."""

    now: datetime
    instruments: dict[str, dict[str, Instrument]]
    orders: dict[str, Order]
    positions: dict[tuple[str, str], CopiedPosition]
    known_trades: set[tuple[str, str, str]]
    changed_orders: set[str] = field(default_factory=set)
    changed_positions: set[tuple[str, str]] = field(default_factory=set)
    events: list[dict[str, Any]] = field(default_factory=list)
    fills: list[dict[str, Any]] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    finished: list[Order] = field(default_factory=list)
    filled_accounts: set[str] = field(default_factory=set)


def order_updates_apply(
    *,
    tenant_id: str,
    updates: Sequence[OrderUpdate],
    instruments: dict[str, dict[str, Instrument]],
) -> None:
    """Apply what was learnt; `instruments[venue][symbol]` must know the symbols that filled.

    Repeating an update changes nothing. An update that contradicts the state table, or cannot be
    stored, is logged and left out; the others are applied. Runs in the tenant's scope.
    """
    if not updates:
        return
    try:
        retry_on_deadlock(lambda: _apply_all(tenant_id, updates, instruments))
    except (OperationalError, InterfaceError):
        raise  # the database, not an update
    except Exception:
        # What a venue reported of one order may be nonsense; its neighbours do not pay for it.
        if connection.in_atomic_block:
            raise
        logger.exception("not stored: what was learnt about %s", [u.order_id for u in updates])
        for update in updates if len(updates) > 1 else ():
            order_updates_apply(tenant_id=tenant_id, updates=[update], instruments=instruments)


@transaction.atomic
def _apply_all(
    tenant_id: str,
    updates: Sequence[OrderUpdate],
    instruments: dict[str, dict[str, Instrument]],
) -> None:
    work = _load(tenant_id, updates, instruments)
    for update in updates:
        order = work.orders.get(update.order_id)
        if order is None:
            logger.error("an update for an order that does not exist: %s", update.order_id)
            continue
        try:
            _apply(work, order, update)
        except InvalidTransitionError as error:
            logger.error("order %s: %s", order.pk, error)
    _store(tenant_id, work)


def _load(
    tenant_id: str,
    updates: Sequence[OrderUpdate],
    instruments: dict[str, dict[str, Instrument]],
) -> _Work:
    ids = sorted({update.order_id for update in updates})
    # Positions before orders, as planning locks them.
    pairs = set(
        Order.objects.for_tenant(tenant_id)
        .filter(pk__in=ids)
        .exclude(subscription_id="")
        .values_list("subscription_id", "symbol")
    )
    positions = _locked_positions(tenant_id, pairs)
    rows = (
        Order.objects.for_tenant(tenant_id)
        .filter(pk__in=ids)
        .order_by("pk")
        .select_for_update()
        # Prefetched, not joined: a joined row would be locked, too.
        .prefetch_related("intent", "account")
    )
    orders = {order.pk: order for order in rows}
    trade_ids = {fill.trade_id for update in updates for fill in update.fills}
    known: set[tuple[str, str, str]] = set()
    if trade_ids:
        known = set(
            Fill.objects.for_tenant(tenant_id)
            .filter(
                account_id__in={order.account_id for order in orders.values()},
                trade_id__in=trade_ids,
            )
            .values_list("account_id", "symbol", "trade_id")
        )
    return _Work(timezone.now(), instruments, orders, positions, known)


def _locked_positions(
    tenant_id: str, pairs: set[tuple[str, str]]
) -> dict[tuple[str, str], CopiedPosition]:
    if not pairs:
        return {}
    rows = (
        CopiedPosition.objects.for_tenant(tenant_id)
        .filter(
            subscription_id__in={pair[0] for pair in pairs},
            symbol__in={pair[1] for pair in pairs},
        )
        .order_by("pk")
        .select_for_update()
    )
    return {(row.subscription_id, row.symbol): row for row in rows}


# --- one order ----------------------------------------------------------------------------------


def _apply(work: _Work, order: Order, update: OrderUpdate) -> None:
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
    order.checks += 1
    order.version += 1
    if update.venue_order_id:
        order.venue_order_id = update.venue_order_id
    if update.misses is not None:
        order.misses = update.misses
    if update.watch_until is not None:
        order.watch_until = update.watch_until
    if update.reason is not None:
        order.reason_code = update.reason.code
        order.reason_params = update.reason.params
    elif before is OrderState.UNKNOWN and after is not OrderState.UNKNOWN:
        order.reason_code, order.reason_params = "", {}
    accepting = {OrderTrigger.ACCEPT, OrderTrigger.PARTIAL_FILL, OrderTrigger.FILL}
    if order.acknowledged_at is None and any(step.trigger in accepting for step in steps):
        order.acknowledged_at = work.now
    _target_moves(work, order, counted_before, after)
    if after in TERMINAL_STATES and before not in TERMINAL_STATES:
        order.finished_at = work.now
        work.finished.append(order)
        _schedule_exit_retry(work, order, update)
    work.changed_orders.add(order.pk)
    _record_steps(work, order, steps, update)


def _observed(
    work: _Work, order: Order, update: OrderUpdate
) -> tuple[tuple[Step, ...], datetime | None]:
    snapshot = update.snapshot
    assert snapshot is not None
    if snapshot.venue_order_id:
        order.venue_order_id = snapshot.venue_order_id
    filled_before = order.filled_quantity
    for fill in update.fills:
        _take_fill(work, order, fill)
    progress = observe(
        state=OrderState(order.state),
        quantity=order.quantity,
        filled_before=filled_before,
        filled_now=order.filled_quantity,
        venue_state=snapshot.state,
        venue_filled=snapshot.filled_quantity,
    )
    if progress.state is OrderState.CANCELLED and not order.reason_code:
        order.reason_code = ReasonCode.CANCELLED_BY_VENUE
        order.reason_params = {"source": snapshot.cancel_source}
    done = progress.state in TERMINAL_STATES and not progress.fills_missing
    delay = working_delay(order.checks)
    if order.cancel_requested_at is not None:
        delay = min(delay, CANCEL_DELAY)
    return progress.steps, None if done else work.now + delay


def _take_fill(work: _Work, order: Order, fill: FillSnapshot) -> None:
    key = (order.account_id, order.symbol, fill.trade_id)
    if key in work.known_trades:
        return
    work.known_trades.add(key)
    at = datetime.fromtimestamp(fill.filled_at_ms / 1000, tz=timezone.get_default_timezone())
    work.fills.append(
        {
            "tenant_id": order.tenant_id,
            "account_id": order.account_id,
            "order_id": order.pk,
            "symbol": order.symbol,
            "trade_id": fill.trade_id,
            "venue_order_id": fill.venue_order_id,
            "side": fill.side,
            "quantity": fill.quantity,
            "price": fill.price,
            "fee": fill.fee,
            "fee_currency": fill.fee_currency,
            "is_maker": fill.is_maker,
            "filled_at": at,
            "created_at": work.now,
        }
    )
    filled = order.filled_quantity + fill.quantity
    value = (order.average_price or Decimal(0)) * order.filled_quantity
    order.average_price = rounded((value + fill.quantity * fill.price) / filled)
    order.filled_quantity = filled
    work.filled_accounts.add(order.account_id)
    position = work.positions.get((order.subscription_id, order.symbol))
    if position is not None:
        instrument = work.instruments[order.account.venue][order.symbol]
        _move_holding(work, position, fill, instrument, at)


def _move_holding(
    work: _Work,
    position: CopiedPosition,
    fill: FillSnapshot,
    instrument: Instrument,
    at: datetime,
) -> None:
    sign = 1 if fill.side == "buy" else -1
    signed, fee = sign * fill.quantity, fill.fee
    if instrument.kind is InstrumentKind.SPOT and fill.fee_currency == instrument.base:
        # The fee of a spot purchase is taken from the coins: less is held than was bought.
        signed -= fill.fee
        fee = fill.fee * fill.price
    holding, trip = apply_fill(
        _holding_of(position),
        signed_quantity=signed,
        price=fill.price,
        fee=fee,
        at=at,
        instrument=instrument,
    )
    _write_holding(position, holding)
    work.changed_positions.add((position.subscription_id, position.symbol))
    if trip is not None:
        work.trades.append(_trade(position, trip))


def _holding_of(row: CopiedPosition) -> Holding:
    return Holding(
        filled=row.filled,
        average_entry_price=row.average_entry_price,
        realised_pnl=row.realised_pnl,
        fees=row.fees,
        opened_at=row.opened_at,
        entered_quantity=row.entered_quantity,
        entered_value=row.entered_value,
        exited_quantity=row.exited_quantity,
        exited_value=row.exited_value,
        round_trip_pnl=row.round_trip_pnl,
        round_trip_fees=row.round_trip_fees,
    )


def _write_holding(row: CopiedPosition, holding: Holding) -> None:
    average = holding.average_entry_price
    row.filled = holding.filled
    row.average_entry_price = None if average is None else rounded(average)
    row.realised_pnl = rounded(holding.realised_pnl)
    row.fees = rounded(holding.fees)
    row.opened_at = holding.opened_at
    row.entered_quantity = holding.entered_quantity
    row.entered_value = rounded(holding.entered_value)
    row.exited_quantity = holding.exited_quantity
    row.exited_value = rounded(holding.exited_value)
    row.round_trip_pnl = rounded(holding.round_trip_pnl)
    row.round_trip_fees = rounded(holding.round_trip_fees)


def _trade(position: CopiedPosition, trip: RoundTrip) -> Trade:
    return Trade(
        tenant_id=position.tenant_id,
        copied_position_id=position.pk,
        subscription_id=position.subscription_id,
        account_id=position.account_id,
        customer_id=position.customer_id,
        symbol=position.symbol,
        direction=trip.direction,
        quantity=trip.quantity,
        entry_price=rounded(trip.entry_price),
        exit_price=rounded(trip.exit_price),
        realised_pnl=rounded(trip.realised_pnl),
        fees=rounded(trip.fees),
        opened_at=trip.opened_at,
        closed_at=trip.closed_at,
    )


def _target_moves(work: _Work, order: Order, counted_before: Decimal, after: OrderState) -> None:
    position = work.positions.get((order.subscription_id, order.symbol))
    if position is None:
        return
    if order.is_entry and order.cancel_requested_at is not None:
        if after in TERMINAL_STATES:
            _settle_overtaken(work, order, position)
        return
    counted_after = counted_quantity(after, order.quantity, order.filled_quantity)
    if counted_after != counted_before:
        sign = 1 if order.side == "buy" else -1
        position.target += sign * (counted_after - counted_before)
        work.changed_positions.add((position.subscription_id, position.symbol))


def _settle_overtaken(work: _Work, entry: Order, position: CopiedPosition) -> None:
    """An entry that an exit overtook has ended: the target follows, what filled late goes."""
    exposure = _exposure(work, entry, position)
    target = overtaken_target(position.target, exposure)
    if target != position.target:
        position.target = target
        work.changed_positions.add((position.subscription_id, position.symbol))
    excess = exposure - target
    if entry.filled_quantity and excess * exposure > 0:
        instrument = work.instruments[entry.account.venue][entry.symbol]
        overtaken_fill_exit(entry=entry, excess=excess, instrument=instrument, now=work.now)


def _exposure(work: _Work, ended: Order, position: CopiedPosition) -> Decimal:
    """What the position holds and its other live orders still work, signed."""
    siblings = Order.objects.for_tenant(ended.tenant_id).filter(
        subscription_id=ended.subscription_id,
        symbol=ended.symbol,
        state__in=[str(state) for state in LIVE_STATES],
    )
    exposure = position.filled
    for stored in siblings.exclude(pk=ended.pk):
        order = work.orders.get(stored.pk, stored)
        if order.state in LIVE_STATES:
            rest = order.quantity - order.filled_quantity
            exposure += rest if order.side == "buy" else -rest
    return exposure


def _schedule_exit_retry(work: _Work, order: Order, update: OrderUpdate) -> None:
    """A refused exit whose refusal will pass is due again; a lost one, when it is proven lost."""
    if order.state == OrderState.REJECTED and update.details.get("retry") and not order.is_entry:
        order.check_at = work.now + EXIT_RETRY_DELAY * order.attempt


def _record_steps(work: _Work, order: Order, steps: tuple[Step, ...], update: OrderUpdate) -> None:
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


# --- writing ------------------------------------------------------------------------------------


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


def _store(tenant_id: str, work: _Work) -> None:
    orders = [work.orders[pk] for pk in sorted(work.changed_orders)]
    rows_insert(Fill, work.fills)
    rows_update(
        Order,
        {order.pk: {name: getattr(order, name) for name in _ORDER_FIELDS} for order in orders},
        _ORDER_FIELDS,
    )
    rows_insert(OrderEvent, work.events)
    for key in work.changed_positions:
        work.positions[key].version += 1
        work.positions[key].changed_at = work.now
    rows_update(
        CopiedPosition,
        {
            row.pk: {name: getattr(row, name) for name in _COPIED_FIELDS}
            for row in (work.positions[key] for key in sorted(work.changed_positions))
        },
        _COPIED_FIELDS,
    )
    Trade.objects.bulk_create(work.trades, batch_size=500)
    changed = _store_intents(work, orders)
    events_record(_event_drafts(tenant_id, work, changed))
    _wake_what_follows(tenant_id, work)


def _store_intents(work: _Work, orders: Sequence[Order]) -> list[Order]:
    """Intents follow their latest order; returns the orders whose intents changed."""
    changes: dict[str, dict[str, Any]] = {}
    changed = []
    for order in orders:
        intent = order.intent
        status = intent_status(order.state, order.filled_quantity)
        done = order.state in TERMINAL_STATES
        values = {
            "status": status,
            "reason_code": order.reason_code,
            "reason_params": order.reason_params,
            "finished_at": (intent.finished_at or work.now) if done else None,
        }
        if any(getattr(intent, name) != value for name, value in values.items()):
            changes[intent.pk] = values
            changed.append(order)
    rows_update(Intent, changes, _INTENT_FIELDS)
    return changed


def _event_drafts(tenant_id: str, work: _Work, orders: Sequence[Order]) -> list[EventDraft]:
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


def _wake_what_follows(tenant_id: str, work: _Work) -> None:
    """Hints only; sweepers find the same rows."""
    signal_ids = {order.signal_id for order in work.finished if order.signal_id}
    for signal_id in signal_ids:
        wake_on_commit("trading.tasks.signal_settle", signal_id=signal_id, tenant_id=tenant_id)
    closed = {
        (order.signal_id, order.subscription_id)
        for order in work.finished
        if not order.is_entry and order.signal_id and order.subscription_id
    }
    if closed:
        waiting = list(
            Order.objects.for_tenant(tenant_id)
            .filter(
                signal_id__in={pair[0] for pair in closed},
                subscription_id__in={pair[1] for pair in closed},
                wave=1,
                state=OrderState.READY,
            )
            .values_list("pk", flat=True)
        )
        if waiting:
            wake_on_commit("trading.tasks.orders_submit", order_ids=waiting, tenant_id=tenant_id)
    if work.filled_accounts:
        wake_on_commit(
            "trading.tasks.accounts_refresh",
            account_ids=sorted(work.filled_accounts),
            tenant_id=tenant_id,
        )

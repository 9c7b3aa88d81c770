"""Following a leader's resting orders: placed, amended, cancelled and, once it is filled, chased
along with the leader's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from customers.deadlocks import retry_on_deadlock
from signals_app.domain.canonical import Action, CanonicalSignal
from signals_app.domain.leaders.account_changes import margin_mode_of
from signals_app.domain.leaders.instructions import canonical_of_move, moment
from signals_app.domain.leaders.moves import Move
from signals_app.domain.leaders.working_orders import (
    Ending,
    KnownOrder,
    OrderStep,
    direction_of,
    ending,
    order_step,
    worst_price,
)
from signals_app.models import Leader, LeaderOrder, LeaderTrade, Signal
from signals_app.services.leaders.taking import (
    Terms,
    canonical_hand_on,
    is_heard,
    leader_book,
    leader_facts,
    leader_locked,
)
from venues.domain.types import OrderSnapshot


def leader_order_take(
    *, tenant_id: str, leader_id: str, order: OrderSnapshot, places: bool = True
) -> Signal | None:
    """Hand on what became of one of the leader's orders, if it is followed while it rests. Without
    `places` a new one is left to the next reading."""

    def take() -> Signal | None:
        with transaction.atomic():
            leader = leader_locked(tenant_id=tenant_id, leader_id=leader_id)
            if leader is None or not follows_working(leader):
                return None
            return order_into(leader, order, timezone.now(), places=places)

    return retry_on_deadlock(take)


def follows_working(leader: Leader) -> bool:
    return leader.started_at is not None and leader.follow_orders == Leader.Follow.WORKING


def order_into(
    leader: Leader, order: OrderSnapshot, now: datetime, *, places: bool = True
) -> Signal | None:
    """`leader_order_take` for a caller that has the leader locked, in its transaction."""
    if not is_heard(leader, order.symbol):
        return None
    rows = LeaderOrder.objects.for_tenant(leader.tenant_id).filter(
        leader=leader, venue_order_id=order.venue_order_id
    )
    row = rows.select_related("signal").first()
    if row is not None and (row.signal is None or row.ended_at is not None):
        return None  # not followed so, or over
    exposure = leader_book(leader).exposure(order.symbol)
    known = KnownOrder(row.price, row.quantity) if row is not None else None
    step = order_step(order, known, exposure)
    if step is OrderStep.PLACE:
        return _place(leader, order, exposure, now) if places else None
    if row is None or step is None:
        return None
    if step is OrderStep.AMEND:
        return _amend(leader, row, order, now)
    told_ms = order.updated_at_ms or _epoch_ms(now)
    return _end(leader, row, filled=order.filled_quantity, ended_ms=told_ms, now=now)


def orders_into(
    leader: Leader, orders: Sequence[OrderSnapshot], now: datetime, *, asked_at: datetime
) -> list[Signal]:
    """All that rested when they were asked for, as the venue lists them: what is not among them had
    ended. What the stream told meanwhile is younger than the list and stays."""
    mine = LeaderOrder.objects.for_tenant(leader.tenant_id).filter(leader=leader)
    younger = set(mine.filter(changed_at__gte=asked_at).values_list("venue_order_id", flat=True))
    signals = [
        order_into(leader, order, now) for order in orders if order.venue_order_id not in younger
    ]
    listed = {order.venue_order_id for order in orders} | younger
    rows = mine.filter(ended_at__isnull=True, signal__isnull=False)
    for row in rows.select_related("signal"):
        if row.venue_order_id in listed:
            continue
        trades = _trades(leader, row.venue_order_id)
        last = max((trade.filled_at for trade in trades), default=now)
        filled = sum((trade.quantity for trade in trades), Decimal(0))
        signals.append(_end(leader, row, filled=filled, ended_ms=_epoch_ms(last), now=now))
    return [signal for signal in signals if signal is not None]


def _place(leader: Leader, order: OrderSnapshot, exposure: Decimal, now: datetime) -> Signal | None:
    row = LeaderOrder(
        tenant_id=leader.tenant_id,
        leader=leader,
        venue_order_id=order.venue_order_id,
        symbol=order.symbol,
        side=order.side or "",
        price=order.price or Decimal(0),
        quantity=order.quantity,
        exposure_before=exposure,
        changed_at=now,
    )
    if not _trades(leader, order.venue_order_id).exists():
        row.signal = _announce(leader, row, order, now)
    # Of an order whose fills were followed already, the rest is followed in the same way.
    row.save(force_insert=True)
    return row.signal


def _amend(leader: Leader, row: LeaderOrder, order: OrderSnapshot, now: datetime) -> Signal | None:
    row.price, row.quantity, row.changed_at = order.price or row.price, order.quantity, now
    signal = _announce(leader, row, order, now)
    if signal is not None:
        row.signal = signal
    row.save(update_fields=["price", "quantity", "changed_at", "signal"])
    return signal


def _announce(
    leader: Leader, row: LeaderOrder, order: OrderSnapshot, now: datetime
) -> Signal | None:
    """The whole order at its price; followers count in what they have of it already."""
    before = row.exposure_before
    move = Move(before, before + direction_of(row.side) * row.quantity)
    told_ms = order.updated_at_ms or _epoch_ms(now)
    terms = Terms(order.leverage or None, margin_mode_of(order.margin_mode))
    canonical = canonical_of_move(
        move,
        symbol=row.symbol,
        happened_ms=told_ms,
        price=row.price,
        facts=leader_facts(leader, row.symbol, terms, row.price),
        limit_price=row.price,
    )
    return canonical_hand_on(
        leader,
        canonical,
        external_id=f"order:{row.venue_order_id}:{told_ms}:{row.price}:{row.quantity}"[:128],
        raw={"order": row.venue_order_id, "price": row.price, "quantity": row.quantity},
        now=now,
        amends=row.signal,
    )


def _end(
    leader: Leader, row: LeaderOrder, *, filled: Decimal, ended_ms: int, now: datetime
) -> Signal | None:
    row.ended_at = now
    row.save(update_fields=["ended_at"])
    filled = min(filled, row.quantity)
    step = ending(leader.after_fill, filled=filled, quantity=row.quantity)
    if step is Ending.CHASE:
        return _chase(leader, row, filled, ended_ms, now)
    return _cancel(leader, row, now) if step is Ending.CANCEL else None


def _chase(
    leader: Leader, row: LeaderOrder, filled: Decimal, filled_ms: int, now: datetime
) -> Signal | None:
    """What was filled, at once: followers count in what they have of it already."""
    direction = direction_of(row.side)
    canonical = canonical_of_move(
        Move(row.exposure_before, row.exposure_before + direction * filled),
        symbol=row.symbol,
        happened_ms=filled_ms,
        price=row.price,
        facts=leader_facts(leader, row.symbol, None, row.price),
    )
    return canonical_hand_on(
        leader,
        canonical,
        external_id=f"order:{row.venue_order_id}:filled",
        raw={"order": row.venue_order_id, "filled": filled, "quantity": row.quantity},
        now=now,
        amends=row.signal,
        worst_price=worst_price(row.price, direction, leader.chase_slippage_bps),
    )


def _cancel(leader: Leader, row: LeaderOrder, now: datetime) -> Signal | None:
    return canonical_hand_on(
        leader,
        CanonicalSignal(action=Action.CANCEL, symbol=row.symbol, emitted_at=moment(_epoch_ms(now))),
        external_id=f"order:{row.venue_order_id}:cancelled",
        raw={"order": row.venue_order_id},
        now=now,
        amends=row.signal,
    )


def _epoch_ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _trades(leader: Leader, venue_order_id: str) -> QuerySet[LeaderTrade]:
    return LeaderTrade.objects.for_tenant(leader.tenant_id).filter(
        leader=leader, venue_order_id=venue_order_id
    )

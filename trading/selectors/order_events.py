"""What happened to orders: their events, and what their rows tell themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from trading.domain.order_states import OrderState, OrderTrigger
from trading.models import Order, OrderEvent


def events_of(tenant_id: str, orders: Sequence[Order]) -> dict[str, list[OrderEvent]]:
    """By order, the oldest first; one query.

    Nearly every order is sent and accepted at once. Its row has the times of both, and no events:
    they are made here, not stored.
    """
    found: dict[str, list[OrderEvent]] = defaultdict(list)
    rows = OrderEvent.objects.for_tenant(tenant_id).filter(order__in=orders)
    for event in rows.order_by("id"):
        found[event.order_id].append(event)
    return {
        order.pk: sorted(
            [*_told_by_row(order, found[order.pk]), *found[order.pk]],
            key=lambda event: event.occurred_at,
        )
        for order in orders
    }


def _told_by_row(order: Order, stored: Sequence[OrderEvent]) -> list[OrderEvent]:
    """Only what is sent by us has a deadline: an order that a stop became has none."""
    told: list[OrderEvent] = []
    if order.sent_at is None or order.deadline_at is None:
        return told
    if all(event.to_state != OrderState.SENDING for event in stored):
        told.append(_event(order, OrderTrigger.SEND, order.sent_at))
    left = any(event.from_state == OrderState.SENDING for event in stored)
    if order.acknowledged_at is not None and not left:
        told.append(_event(order, OrderTrigger.ACCEPT, order.acknowledged_at))
    return told


def _event(order: Order, kind: OrderTrigger, at: datetime) -> OrderEvent:
    is_send = kind is OrderTrigger.SEND
    return OrderEvent(
        tenant_id=order.tenant_id,
        order=order,
        kind=kind,
        from_state=OrderState.CLAIMED if is_send else OrderState.SENDING,
        to_state=OrderState.SENDING if is_send else OrderState.ACCEPTED,
        occurred_at=at,
    )

"""Claims that their holder prolongs, or gives back before they lapse."""

from __future__ import annotations

from collections.abc import Collection

from django.utils import timezone

from customers.bulk_rows import rows_update
from customers.wakeup import wake
from trading.domain.order_states import OrderState
from trading.models import Order
from trading.services.outgoing import CLAIM_LIFETIME


def claims_renew(*, tenant_id: str, order_ids: Collection[str], claimed_by: str) -> None:
    """Still being prepared by us. By their keys, or on MariaDB it waits for others' claims."""
    rows_update(
        Order,
        {order_id: {} for order_id in order_ids},
        (),
        same={"claimed_until": timezone.now() + CLAIM_LIFETIME},
        only_if={"tenant_id": tenant_id, "state": OrderState.CLAIMED, "claimed_by": claimed_by},
    )


def claims_release(*, tenant_id: str, order_ids: Collection[str], claimed_by: str) -> None:
    """Never sent: ready again, for another worker that is asked at once."""
    rows = Order.objects.for_tenant(tenant_id).filter(
        pk__in=order_ids, state=OrderState.CLAIMED, claimed_by=claimed_by
    )
    if rows.update(state=OrderState.READY, claimed_by="", claimed_until=None):
        wake("trading.tasks.orders_submit", order_ids=list(order_ids), tenant_id=tenant_id)

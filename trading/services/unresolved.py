"""Orders whose outcome stays unknown: staff are told after two minutes, and when it is over."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Count, Min
from django.utils import timezone

from customers.tenancy import system_scope, tenant_scope
from trading.domain.alerts import AlertCode
from trading.domain.order_states import OrderState
from trading.models import Alert, Order
from trading.services.alerts import alert_raise, alert_resolve

PATIENCE = timedelta(minutes=2)


def unresolved_alert() -> int:
    """Raise or end the alert of each tenant and venue; returns how many have one."""
    with system_scope("alert: orders of unknown outcome"):
        # By state, not by time alone: what a dead sender left as SENDING is no better known.
        found = list(
            Order.objects.filter(
                state__in=[OrderState.UNKNOWN, OrderState.SENDING],
                sent_at__lt=timezone.now() - PATIENCE,
            )
            .values_list("tenant_id", "account__venue")
            .annotate(orders=Count("pk"), since=Min("sent_at"))
        )
        alerted = set(
            Alert.objects.filter(
                code=AlertCode.OUTCOMES_UNKNOWN, open_key__isnull=False
            ).values_list("tenant_id", "subject")
        )
    for tenant_id, venue, orders, since in found:
        with tenant_scope(tenant_id):
            alert_raise(
                tenant_id=tenant_id,
                code=AlertCode.OUTCOMES_UNKNOWN,
                subject=venue,
                params={
                    "venue": venue,
                    "orders": str(orders),
                    "minutes": f"{PATIENCE.total_seconds() / 60:.0f}",
                    "since": f"{since:%Y-%m-%d %H:%M:%S}",
                },
            )
    for tenant_id, venue in alerted - {(tenant_id, venue) for tenant_id, venue, *_ in found}:
        with tenant_scope(tenant_id):
            alert_resolve(tenant_id=tenant_id, code=AlertCode.OUTCOMES_UNKNOWN, subject=venue)
    return len(found)

"""Queue `notify`: the trading path never waits for any of this."""

from celery import shared_task
from django.utils import timezone

from customers.tenancy import system_scope
from customers.wakeup import wake_swept
from notifications.models import Delivery
from notifications.schedule import DELIVERIES_SECONDS
from notifications.services import alert_notices, deliveries, fanout_summaries

SWEPT_AT_ONCE = 200


@shared_task(name="notifications.tasks.fanout_summarise")
def fanout_summarise(*, signal_id: str, tenant_id: str) -> None:
    fanout_summaries.fanout_summarise(signal_id=signal_id, tenant_id=tenant_id)


@shared_task(name="notifications.tasks.alert_notify")
def alert_notify(*, alert_id: str, tenant_id: str) -> None:
    alert_notices.alert_notify(alert_id=alert_id, tenant_id=tenant_id)


@shared_task(name=deliveries.SEND_TASK)
def delivery_send(*, delivery_id: str, tenant_id: str) -> None:
    deliveries.delivery_send(delivery_id=delivery_id, tenant_id=tenant_id)


@shared_task(name="notifications.tasks.deliveries_sweep")
def deliveries_sweep() -> int:
    """Wake what is due: retries, lost wake-ups, claims of processes that died."""
    with system_scope("deliveries of all tenants that are due"):
        due = list(
            Delivery.objects.filter(status__in=deliveries.OPEN, due_at__lte=timezone.now())
            .order_by("due_at")
            .values_list("pk", "tenant_id")[:SWEPT_AT_ONCE]
        )
    for pk, tenant_id in due:
        wake_swept(
            deliveries.SEND_TASK,
            lifetime_seconds=DELIVERIES_SECONDS,
            delivery_id=pk,
            tenant_id=tenant_id,
        )
    return len(due)


@shared_task(name="notifications.tasks.summaries_sweep")
def summaries_sweep() -> int:
    """Make the summaries whose wake-up was lost."""
    with system_scope("settled signals of all tenants without a summary"):
        missing = fanout_summaries.settled_without_summary()
    for signal_id, tenant_id in missing:
        fanout_summaries.fanout_summarise(signal_id=signal_id, tenant_id=tenant_id)
    return len(missing)


@shared_task(name="notifications.tasks.alerts_sweep")
def alerts_sweep() -> int:
    """Tell of the alerts whose wake-up was lost."""
    with system_scope("alerts of all tenants that no channel was told of"):
        untold = alert_notices.alerts_untold()
    for alert_id, tenant_id in untold:
        alert_notices.alert_notify(alert_id=alert_id, tenant_id=tenant_id)
    return len(untold)

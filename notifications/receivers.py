"""What this app does when something happened upstream: it wakes its own tasks, no more."""

from typing import Any

from django.dispatch import receiver

from customers.wakeup import wake_on_commit
from signals_app.models import Signal
from trading.models import Alert
from trading.signals import alert_raised, fanout_settled


@receiver(fanout_settled, dispatch_uid="notifications.fanout_settled")
def _summarise(*, trading_signal: Signal, **_: Any) -> None:
    wake_on_commit(
        "notifications.tasks.fanout_summarise",
        signal_id=trading_signal.pk,
        tenant_id=trading_signal.tenant_id,
    )


@receiver(alert_raised, dispatch_uid="notifications.alert_raised")
def _tell(*, alert: Alert, **_: Any) -> None:
    wake_on_commit("notifications.tasks.alert_notify", alert_id=alert.pk, tenant_id=alert.tenant_id)

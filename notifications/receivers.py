"""What this app does when something happened upstream: it wakes its own tasks, no more."""

from typing import Any

from django.dispatch import receiver

from customers.wakeup import wake_on_commit
from signals_app.models import Signal
from trading.signals import fanout_settled


@receiver(fanout_settled, dispatch_uid="notifications.fanout_settled")
def _summarise(*, trading_signal: Signal, **_: Any) -> None:
    wake_on_commit(
        "notifications.tasks.fanout_summarise",
        signal_id=trading_signal.pk,
        tenant_id=trading_signal.tenant_id,
    )

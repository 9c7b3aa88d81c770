"""What trading does when upstream apps tell that something happened."""

from typing import Any

from django.dispatch import receiver

from customers.wakeup import wake_on_commit
from signals_app.models import Signal
from signals_app.signals import signal_accepted


@receiver(signal_accepted, dispatch_uid="trading-dispatch")
def dispatch_on_accept(sender: Any, trading_signal: Signal, **_: Any) -> None:
    wake_on_commit(
        "trading.tasks.signal_dispatch",
        signal_id=trading_signal.pk,
        tenant_id=trading_signal.tenant_id,
    )

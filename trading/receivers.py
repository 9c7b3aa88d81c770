"""What trading does when upstream apps tell that something happened."""

from typing import Any

from django.dispatch import receiver
from django.utils import timezone

from customers.wakeup import wake_on_commit
from signals_app.models import Signal
from signals_app.signals import signal_accepted
from strategies.models import Subscription
from strategies.signals import subscription_changed
from trading.services.cancelling import entries_cancel


@receiver(signal_accepted, dispatch_uid="trading-dispatch")
def dispatch_on_accept(sender: Any, trading_signal: Signal, **_: Any) -> None:
    wake_on_commit(
        "trading.tasks.signal_dispatch",
        signal_id=trading_signal.pk,
        tenant_id=trading_signal.tenant_id,
    )


@receiver(subscription_changed, dispatch_uid="trading-copy-changed")
def cancel_entries_of_a_resting_copy(sender: Any, subscription: Subscription, **_: Any) -> None:
    """Who pauses or stops a copy does not want what is still waiting on the book to fill."""
    if subscription.status != Subscription.Status.ACTIVE:
        entries_cancel(
            tenant_id=subscription.tenant_id,
            subscription_ids=[subscription.pk],
            now=timezone.now(),
        )

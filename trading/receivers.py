"""What trading does when upstream apps tell that something happened."""

from collections.abc import Mapping
from typing import Any

from django.dispatch import receiver
from django.utils import timezone

from customers.services.events import EventDraft, events_record, staff_audience
from customers.wakeup import wake_on_commit
from signals_app.models import Signal, SignalSource
from signals_app.signals import (
    leader_changed,
    sequence_gap_found,
    signal_accepted,
    source_status_changed,
)
from strategies.models import Subscription
from strategies.signals import subscription_changed
from trading.domain.alerts import AlertCode
from trading.models import CopiedPosition
from trading.services.alerts import alert_note, alert_raise, alert_resolve
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
        # Whatever goes on in another order just now does so before this, and is seen.
        positions = CopiedPosition.objects.for_tenant(subscription.tenant_id)
        list(positions.filter(subscription=subscription).order_by("pk").select_for_update())
        entries_cancel(
            tenant_id=subscription.tenant_id,
            subscription_ids=[subscription.pk],
            now=timezone.now(),
        )
    if subscription.status == Subscription.Status.ENDING:
        wake_on_commit(
            "trading.tasks.copy_end",
            subscription_id=subscription.pk,
            tenant_id=subscription.tenant_id,
        )


@receiver(source_status_changed, dispatch_uid="trading-source-paused")
def tell_of_a_paused_source(
    sender: Any, source: SignalSource, is_paused: bool, code: str, params: Any, **_: Any
) -> None:
    """Staff who paused it themselves know."""
    subject = f"source:{source.pk}"
    if is_paused and code:
        alert_raise(
            tenant_id=source.tenant_id,
            code=AlertCode.SOURCE_PAUSED,
            subject=subject,
            params={"name": source.name, **params},
        )
    elif not is_paused:
        alert_resolve(tenant_id=source.tenant_id, code=AlertCode.SOURCE_PAUSED, subject=subject)
        alert_resolve(tenant_id=source.tenant_id, code=AlertCode.SEQUENCE_GAP, subject=subject)


@receiver(sequence_gap_found, dispatch_uid="trading-sequence-gap")
def tell_of_missing_signals(
    sender: Any, source: SignalSource, gap: tuple[int, int], **_: Any
) -> None:
    params = {"name": source.name, "first": str(gap[0]), "last": str(gap[1])}
    alert_raise(
        tenant_id=source.tenant_id,
        code=AlertCode.SEQUENCE_GAP,
        subject=f"source:{source.pk}",
        params=params,
    )


@receiver(leader_changed, dispatch_uid="trading-leader-stops")
def follow_the_leaders_stops(sender: Any, trading_signal: Signal, **_: Any) -> None:
    if trading_signal.action == Signal.Action.STOPS:
        wake_on_commit(
            "trading.tasks.stops_follow",
            signal_id=trading_signal.pk,
            tenant_id=trading_signal.tenant_id,
        )


@receiver(leader_changed, dispatch_uid="trading-leader-changed")
def tell_of_a_leaders_event(
    sender: Any, trading_signal: Signal, facts: Mapping[str, str], **_: Any
) -> None:
    """Each as an event; messages to people not every second."""
    source = trading_signal.source
    payload = {"signal": trading_signal.pk, "source": source.pk, "facts": dict(facts)}
    audience = staff_audience(trading_signal.tenant_id)
    events_record([EventDraft(trading_signal.tenant_id, audience, "leader.changed", payload)])
    alert_note(
        tenant_id=trading_signal.tenant_id,
        code=AlertCode.LEADER_CHANGED,
        subject=f"leader:{source.pk}:{trading_signal.action}:{trading_signal.symbol}",
        params={"name": source.name, **facts},
    )

"""What trading does when upstream apps tell that something happened."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.db.models import Q
from django.dispatch import receiver
from django.utils import timezone

from customers.models import ExchangeAccount
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
from strategies.signals import (
    account_worth_asked,
    subscription_changed,
    subscription_started,
)
from trading.domain.alerts import AlertCode
from trading.models import CopiedPosition
from trading.selectors.account_worth import account_worth
from trading.services.alerts import alert_note, alert_raise, alert_resolve
from trading.services.cancelling import entries_cancel, entries_stop, lost_entries_give_up
from trading.services.copy_starts import copy_start_note
from trading.services.leader_changes.deciding import CHANGES


@receiver(signal_accepted, dispatch_uid="trading-dispatch")
def dispatch_on_accept(sender: Any, trading_signal: Signal, **_: Any) -> None:
    wake_on_commit(
        "trading.tasks.signal_dispatch",
        signal_id=trading_signal.pk,
        tenant_id=trading_signal.tenant_id,
    )


@receiver(account_worth_asked, dispatch_uid="trading-account-worth")
def tell_what_an_account_is_worth(
    sender: Any, account: ExchangeAccount, **_: Any
) -> Decimal | None:
    return account_worth(account)


@receiver(subscription_started, dispatch_uid="trading-copy-started")
def note_a_copys_start(sender: Any, subscription: Subscription, **_: Any) -> None:
    copy_start_note(subscription)


@receiver(subscription_changed, dispatch_uid="trading-copy-changed")
def cancel_entries_of_a_resting_copy(sender: Any, subscription: Subscription, **_: Any) -> None:
    """Who pauses or stops a copy does not want what is still waiting on the book to fill."""
    if subscription.status != Subscription.Status.ACTIVE:
        # Whatever goes on in another order just now does so before this, and is seen.
        positions = CopiedPosition.objects.for_tenant(subscription.tenant_id)
        list(positions.filter(subscription=subscription).order_by("pk").select_for_update())
        tenant_id, copies = subscription.tenant_id, [subscription.pk]
        now = timezone.now()
        if subscription.status == Subscription.Status.PAUSED:
            # He may go on before their end is proven: until then they count.
            entries_stop(tenant_id=tenant_id, entries=Q(subscription_id__in=copies), now=now)
            lost_entries_give_up(tenant_id=tenant_id, subscription_ids=copies, now=now)
        else:
            entries_cancel(tenant_id=tenant_id, subscription_ids=copies, now=now)
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


@receiver(leader_changed, dispatch_uid="trading-leader-followed")
def follow_a_leaders_change(sender: Any, trading_signal: Signal, **_: Any) -> None:
    if trading_signal.action in CHANGES:
        wake_on_commit(
            "trading.tasks.leader_change_follow",
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

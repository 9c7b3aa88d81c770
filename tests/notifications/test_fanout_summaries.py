"""One summary per fan-out and channel, in the channel's language, sent once and retried."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import transaction
from django.utils import timezone

from customers.tenancy import system_scope, tenant_scope
from notifications import tasks
from notifications.domain.retries import ATTEMPTS
from notifications.models import Delivery, NotificationChannel
from notifications.services import deliveries
from notifications.services.deliveries import delivery_send
from notifications.services.fanout_summaries import fanout_summarise, settled_without_summary
from signals_app.models import Signal
from tests.factories import (
    DeliveryFactory,
    IntentFactory,
    NotificationChannelFactory,
    SignalFactory,
    StrategyFactory,
    SubscriptionFactory,
)
from trading.models import Intent
from trading.signals import fanout_settled

pytestmark = pytest.mark.django_db


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Wake-ups that would have gone to Celery."""
    calls: list[tuple[str, dict[str, Any]]] = []

    def remember(name: str, **ids: Any) -> None:
        ids.pop("lifetime_seconds", None)
        calls.append((name, ids))

    monkeypatch.setattr("customers.wakeup.wake", remember)
    monkeypatch.setattr(tasks, "wake_swept", remember)
    return calls


def settled_signal(**changes: Any) -> Signal:
    """Six followers: three filled, two skipped for one reason, one refused by the venue."""
    signal = SignalFactory(
        status=Signal.Status.DONE, done_at=timezone.now(), followers=6, **changes
    )
    strategy = StrategyFactory(source=signal.source)
    outcomes = [
        *[(Intent.Status.FILLED, "", {})] * 3,
        *[(Intent.Status.SKIPPED, "account_unhealthy", {})] * 2,
        (Intent.Status.REJECTED, "venue_rejected", {"message": "no margin", "code": "51008"}),
    ]
    for status, code, params in outcomes:
        IntentFactory(
            subscription=SubscriptionFactory(strategy=strategy),
            signal=signal,
            status=status,
            reason_code=code,
            reason_params=params,
        )
    return signal


def stored(channel: NotificationChannel) -> list[Delivery]:
    with tenant_scope(channel.tenant_id):
        return list(Delivery.objects.filter(channel=channel))


def test_the_summary_counts_followers_and_groups_the_reasons() -> None:
    signal = settled_signal()
    channel = NotificationChannelFactory(tenant=signal.tenant)

    assert fanout_summarise(signal_id=signal.pk, tenant_id=signal.tenant_id) == 1

    (delivery,) = stored(channel)
    assert delivery.subject.startswith("Signal open BTC/USDT:USDT")
    assert delivery.subject.endswith(": 3 filled, 2 skipped, 1 rejected")
    lines = delivery.body.splitlines()
    assert lines[0] == delivery.subject
    assert lines[2] == ("2 × The exchange account has a problem that must be solved first.")
    assert lines[3] == "1 × The exchange refused: no margin (51008)"


def test_a_repeated_summary_makes_nothing_new() -> None:
    signal = settled_signal()
    channel = NotificationChannelFactory(tenant=signal.tenant)
    fanout_summarise(signal_id=signal.pk, tenant_id=signal.tenant_id)
    assert fanout_summarise(signal_id=signal.pk, tenant_id=signal.tenant_id) == 0
    assert len(stored(channel)) == 1


def test_each_channel_is_told_in_its_language(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.utils import translation

    signal = settled_signal()
    asked: list[str] = []
    monkeypatch.setattr(
        "notifications.services.fanout_summaries._reasons",
        lambda signal: asked.append(translation.get_language()) or [],
    )
    NotificationChannelFactory(tenant=signal.tenant, language="en")
    NotificationChannelFactory(tenant=signal.tenant, language="zh-hans")
    fanout_summarise(signal_id=signal.pk, tenant_id=signal.tenant_id)
    assert sorted(asked) == ["en", "zh-hans"]


def test_other_tenants_and_switched_off_channels_hear_nothing() -> None:
    signal = settled_signal()
    off = NotificationChannelFactory(tenant=signal.tenant, is_active=False)
    stranger = NotificationChannelFactory()
    assert fanout_summarise(signal_id=signal.pk, tenant_id=signal.tenant_id) == 0
    assert stored(off) == stored(stranger) == []


def test_a_settled_fan_out_only_wakes_the_task_after_the_commit(
    woken: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    signal = settled_signal()
    NotificationChannelFactory(tenant=signal.tenant)
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        fanout_settled.send(sender=Signal, trading_signal=signal)
        assert woken == []
    assert woken == [
        (
            "notifications.tasks.fanout_summarise",
            {"signal_id": signal.pk, "tenant_id": signal.tenant_id},
        )
    ]
    with system_scope("test"):
        assert Delivery.objects.count() == 0


def test_a_lost_wake_up_is_found_by_the_sweeper(woken: list[Any]) -> None:
    old = settled_signal()
    with tenant_scope(old.tenant_id):
        Signal.objects.filter(pk=old.pk).update(done_at=timezone.now() - timedelta(minutes=5))
    channel = NotificationChannelFactory(tenant=old.tenant)  # comes after the old one
    lost = settled_signal(source=old.source)
    with system_scope("test"):
        assert settled_without_summary() == [(lost.pk, lost.tenant_id)]
    assert tasks.summaries_sweep() == 1
    assert [delivery.dedupe_key for delivery in stored(channel)] == [f"fanout:{lost.pk}"]
    assert tasks.summaries_sweep() == 0


def test_an_email_is_sent_once() -> None:
    delivery = DeliveryFactory(channel__addresses=["a@example.com", "b@example.com"])
    sent = [delivery_send(delivery_id=delivery.pk, tenant_id=delivery.tenant_id) for _ in range(3)]
    assert sent == [True, False, False]
    (message,) = mail.outbox
    assert (message.subject, message.to) == ("Signal done", ["a@example.com", "b@example.com"])
    (row,) = stored(delivery.channel)
    assert row.status == Delivery.Status.SENT and row.sent_at is not None


def test_a_failure_is_retried_later_and_given_up_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    delivery = DeliveryFactory()

    def refuse(delivery: Delivery) -> None:
        raise OSError("connection refused")

    monkeypatch.setattr(deliveries, "_send", refuse)
    for attempt in range(1, ATTEMPTS + 1):
        delivery_send(delivery_id=delivery.pk, tenant_id=delivery.tenant_id)
        delivery_send(delivery_id=delivery.pk, tenant_id=delivery.tenant_id)  # not due
        (row,) = stored(delivery.channel)
        assert row.attempts == attempt
        assert row.error == "connection refused"
        if attempt < ATTEMPTS:
            assert row.status == Delivery.Status.PENDING
            assert row.due_at > timezone.now() + timedelta(seconds=5)
        with tenant_scope(delivery.tenant_id):
            Delivery.objects.filter(pk=row.pk).update(due_at=timezone.now())
    assert row.status == Delivery.Status.FAILED


def test_the_sweeper_wakes_what_is_due_of_every_tenant(woken: list[Any]) -> None:
    now = timezone.now()
    due = DeliveryFactory(due_at=now - timedelta(seconds=1))
    died = DeliveryFactory(status=Delivery.Status.SENDING, due_at=now - timedelta(seconds=1))
    DeliveryFactory(due_at=now + timedelta(minutes=1))
    DeliveryFactory(status=Delivery.Status.SENT, due_at=now - timedelta(minutes=1))
    assert tasks.deliveries_sweep() == 2
    assert {ids["delivery_id"] for _, ids in woken} == {due.pk, died.pk}


def test_a_robots_secrets_are_opened_only_to_send(monkeypatch: pytest.MonkeyPatch) -> None:
    channel = NotificationChannelFactory(
        kind=NotificationChannel.Kind.DINGTALK,
        webhook_url="https://oapi.dingtalk.com/robot/send?access_token=t",
        signing_secret="SEC1",
    )
    delivery = DeliveryFactory(channel=channel)
    sent: list[dict[str, str]] = []
    monkeypatch.setattr(deliveries, "robot_send", lambda **request: sent.append(request))
    assert delivery_send(delivery_id=delivery.pk, tenant_id=delivery.tenant_id)
    assert sent == [
        {
            "url": "https://oapi.dingtalk.com/robot/send?access_token=t",
            "secret": "SEC1",
            "text": "57 filled",
        }
    ]

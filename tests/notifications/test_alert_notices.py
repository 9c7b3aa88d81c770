"""An alert reaches every channel of its tenant, once, in the channel's language."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from customers.tenancy import system_scope, tenant_scope
from notifications import tasks
from notifications.models import Delivery, NotificationChannel
from notifications.services.alert_notices import alerts_untold
from tests.factories import AlertFactory, NotificationChannelFactory, TenantFactory
from trading.domain.alerts import AlertCode
from trading.models import Alert
from trading.services.alerts import alert_raise, alert_resolve

pytestmark = pytest.mark.django_db

PARAMS = {"venue": "paper", "orders": "3", "minutes": "2", "since": "2026-01-01 00:00:00"}


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    calls: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr("customers.wakeup.wake", lambda name, **ids: calls.append((name, ids)))
    return calls


def stored(channel: NotificationChannel) -> list[Delivery]:
    with tenant_scope(channel.tenant_id):
        return list(Delivery.objects.filter(channel=channel))


def test_each_channel_is_told_once_in_its_language() -> None:
    tenant = TenantFactory()
    english = NotificationChannelFactory(tenant=tenant)
    chinese = NotificationChannelFactory(tenant=tenant, language="zh-hans")
    foreign, silent = (
        NotificationChannelFactory(),
        NotificationChannelFactory(tenant=tenant, is_active=False),
    )
    alert = AlertFactory(tenant=tenant)
    for _ in range(2):
        tasks.alert_notify(alert_id=alert.pk, tenant_id=tenant.pk)

    (delivery,) = stored(english)
    assert delivery.subject.startswith("Alert: The outcome of 3 orders on paper")
    (delivery,) = stored(chinese)
    assert "3" in delivery.subject
    assert "outcome" not in delivery.subject
    assert stored(foreign) == stored(silent) == []


@pytest.mark.django_db(transaction=True)
def test_raising_wakes_the_messenger_after_the_commit_and_only_for_the_first(
    woken: list[tuple[str, dict[str, Any]]],
) -> None:
    tenant = TenantFactory()
    with tenant_scope(tenant.pk):
        names = {"tenant_id": tenant.pk, "code": AlertCode.OUTCOMES_UNKNOWN, "subject": "paper"}
        with transaction.atomic():
            assert alert_raise(**names, params=PARAMS)
            assert woken == []
        assert not alert_raise(**names, params={**PARAMS, "orders": "4"})
        alert = Alert.objects.get()
        assert alert.params["orders"] == "4"
        assert alert_resolve(**names)
        assert not alert_resolve(**names)
        assert alert_raise(**names, params=PARAMS)
        assert Alert.objects.count() == 2
    assert woken[0][1]["alert_id"] == alert.pk
    assert len(woken) == 2


def test_the_sweeper_tells_what_a_lost_wake_up_did_not() -> None:
    tenant = TenantFactory()
    channel = NotificationChannelFactory(tenant=tenant)
    AlertFactory()  # a tenant without a channel
    before = timezone.now() - timedelta(minutes=1)
    AlertFactory(tenant=tenant, raised_at=before)  # older than the channel
    lost = AlertFactory(tenant=tenant)
    with system_scope("test"):
        assert alerts_untold() == [(lost.pk, tenant.pk)]
    assert tasks.alerts_sweep() == 1
    assert len(stored(channel)) == 1
    assert tasks.alerts_sweep() == 0

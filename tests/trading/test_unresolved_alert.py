"""Two minutes without a clear outcome are an alert, until the last of them is resolved."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from customers.models import Tenant
from customers.tenancy import tenant_scope
from tests.factories import AccountFactory, IntentFactory, OrderFactory, SubscriptionFactory
from trading import tasks
from trading.models import Alert, Order

pytestmark = pytest.mark.django_db


def _unknown(seconds: float, **changes: object) -> Order:
    values = {"state": "unknown", **changes}
    return OrderFactory(sent_at=timezone.now() - timedelta(seconds=seconds), **values)


def _of_same_tenant(order: Order, seconds: float, venue: str = "paper") -> Order:
    account = AccountFactory(customer=order.account.customer, venue=venue)
    subscription = SubscriptionFactory(strategy=order.intent.subscription.strategy, account=account)
    return _unknown(seconds, intent=IntentFactory(subscription=subscription))


def _alerts(tenant: Tenant) -> list[Alert]:
    with tenant_scope(tenant.pk):
        return list(Alert.objects.order_by("id"))


def test_one_alert_for_each_tenant_and_venue() -> None:
    first = _unknown(121)
    _of_same_tenant(first, 180)
    _of_same_tenant(first, 130, venue="okx")
    stranger = _unknown(200)
    for _ in range(2):
        tasks.alerts_sweep()
    alerts = {alert.subject: alert for alert in _alerts(first.tenant)}
    assert sorted(alerts) == ["okx", "paper"]
    assert alerts["paper"].params["orders"] == "2"
    assert len(_alerts(stranger.tenant)) == 1


def test_it_is_over_when_the_last_one_is_resolved() -> None:
    order = _unknown(121)
    tasks.alerts_sweep()
    with tenant_scope(order.tenant_id):
        Order.objects.filter(pk=order.pk).update(state="filled")
    tasks.alerts_sweep()
    (alert,) = _alerts(order.tenant)
    assert alert.resolved_at is not None
    assert alert.open_key is None


@pytest.mark.parametrize(
    ("state", "seconds"), [("unknown", 115), ("accepted", 500), ("not_placed", 500)]
)
def test_what_is_young_or_known_is_no_trouble(state: str, seconds: float) -> None:
    order = _unknown(seconds, state=state)
    tasks.alerts_sweep()
    assert _alerts(order.tenant) == []


def test_a_row_that_is_stuck_in_sending_is_no_better_known() -> None:
    order = _unknown(121, state="sending")
    tasks.alerts_sweep()
    assert len(_alerts(order.tenant)) == 1

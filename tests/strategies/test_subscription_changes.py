"""A copy can be paused, resumed and stopped, and everybody concerned hears of it."""

import pytest

from customers.models import AuditEntry, Event
from customers.services.audit import audit_verify
from customers.tenancy import ScopeError, tenant_scope
from strategies.models import Subscription
from strategies.services.subscriptions import (
    SubscriptionRefusedError,
    subscription_pause,
    subscription_resume,
    subscription_stop,
)
from strategies.signals import subscription_changed
from tests.factories import SubscriptionFactory, TenantFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def copy():
    subscription = SubscriptionFactory()
    with tenant_scope(subscription.tenant_id):
        yield subscription


@pytest.fixture
def client_user():
    return UserFactory()


def _events() -> list[tuple[str, dict]]:
    return [(event.audience, event.payload) for event in Event.objects.order_by("id")]


def test_pausing_is_stored_audited_and_told_to_client_and_staff(copy, client_user):
    changed = subscription_pause(subscription=copy, actor=client_user, ip_address="127.0.0.1")
    assert changed.status == Subscription.Status.PAUSED
    copy.refresh_from_db()
    assert copy.status == Subscription.Status.PAUSED
    payload = {"subscription": copy.pk, "status": "paused"}
    assert _events() == [
        (f"tenant:{copy.tenant_id}", payload),
        (f"customer:{copy.customer_id}", payload),
    ]
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor_id) == ("subscription.paused", client_user.pk)
    assert entry.target == f"strategies.subscription:{copy.pk}"
    assert entry.ip_address == "127.0.0.1"
    assert entry.details["from"] == "active"
    assert audit_verify().is_intact


def test_a_paused_copy_can_be_resumed(copy, client_user):
    subscription_pause(subscription=copy, actor=client_user)
    subscription_resume(subscription=copy, actor=client_user)
    copy.refresh_from_db()
    assert copy.status == Subscription.Status.ACTIVE


def test_asking_twice_does_nothing_the_second_time(copy, client_user):
    subscription_pause(subscription=copy, actor=client_user)
    subscription_pause(subscription=copy, actor=client_user)
    assert AuditEntry.objects.count() == 1
    assert Event.objects.count() == 2


def test_a_stopped_copy_stays_stopped_and_makes_room_for_a_new_one(copy, client_user):
    subscription_stop(subscription=copy, actor=client_user)
    for change in (subscription_pause, subscription_resume):
        with pytest.raises(SubscriptionRefusedError) as refused:
            change(subscription=copy, actor=client_user)
        assert refused.value.code == "stopped"
    again = Subscription(
        tenant_id=copy.tenant_id,
        strategy_id=copy.strategy_id,
        account_id=copy.account_id,
        customer_id=copy.customer_id,
    )
    again.save()
    assert again.live_key


def test_downstream_apps_hear_of_it_in_the_same_transaction(copy, client_user):
    heard = []

    def listen(subscription, **_):
        heard.append(subscription.status)

    subscription_changed.connect(listen)
    try:
        subscription_stop(subscription=copy, actor=client_user)
    finally:
        subscription_changed.disconnect(listen)
    assert heard == ["stopped"]


def test_another_tenants_copy_cannot_be_changed(client_user):
    copy, other = SubscriptionFactory(), TenantFactory()
    with (
        tenant_scope(other.pk),
        pytest.raises((Subscription.DoesNotExist, ScopeError)),
    ):
        subscription_stop(subscription=copy, actor=client_user)
    with tenant_scope(copy.tenant_id):
        copy.refresh_from_db()
    assert copy.status == Subscription.Status.ACTIVE

"""Events are numbered per audience: 1, 2, 3, … without gaps, once, at a fixed cost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from customers.domain.event_wire import NumberedEvent
from customers.models import AudienceCounter, Event, Lease
from customers.selectors.events import audience_sequence
from customers.services.event_numbering import events_number
from customers.services.events import EventDraft, events_record
from customers.services.leases import LeaseLostError, lease_acquire
from customers.signals import event_relayed
from customers.tenancy import system_scope, tenant_scope
from tests.factories import TenantFactory

pytestmark = pytest.mark.django_db

LEASE = {
    "lease_name": "relay",
    "lease_holder": "me",
    "lease_lifetime": timedelta(seconds=10),
}


@pytest.fixture(autouse=True)
def _held_lease(db: None) -> None:
    assert lease_acquire(name="relay", holder="me", lifetime=timedelta(seconds=10))


def record(tenant: Any, audience: str, count: int) -> None:
    with tenant_scope(tenant.pk):
        events_record(
            [EventDraft(tenant.pk, audience, "signal.accepted", {"n": n}) for n in range(count)]
        )


def number(**changes: Any) -> list[NumberedEvent]:
    with system_scope("test"):
        return events_number(**{**LEASE, **changes})


def sequences(audience: str) -> list[int]:
    with system_scope("test"):
        return list(
            Event.objects.filter(audience=audience)
            .order_by("id")
            .values_list("sequence", flat=True)
        )


def test_each_audience_counts_from_one_in_the_order_of_writing() -> None:
    one, other = TenantFactory(), TenantFactory()
    record(one, "tenant:1", 3)
    record(other, "tenant:2", 2)
    record(one, "tenant:1", 1)

    numbered = number()

    assert sequences("tenant:1") == [1, 2, 3, 4]
    assert sequences("tenant:2") == [1, 2]
    assert [(e.audience, e.sequence) for e in numbered if e.audience == "tenant:2"] == [
        ("tenant:2", 1),
        ("tenant:2", 2),
    ]
    assert audience_sequence("tenant:1") == 4
    assert number() == []


def test_numbers_go_on_over_batches_without_a_gap() -> None:
    tenant = TenantFactory()
    record(tenant, "tenant:1", 7)
    assert [len(number(limit=3)) for _ in range(4)] == [3, 3, 1, 0]
    record(tenant, "tenant:1", 2)
    number()
    assert sequences("tenant:1") == list(range(1, 10))


def test_a_batch_costs_the_same_statements_whatever_its_size() -> None:
    tenant = TenantFactory()

    def cost(count: int) -> int:
        for audience in range(count):
            record(tenant, f"customer:{audience}", 2)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert len(number()) == 2 * count
        return len([q for q in queries if "SAVEPOINT" not in q["sql"]])

    assert cost(1) == cost(60) == 5


def test_a_relay_that_was_overtaken_changes_nothing() -> None:
    record(TenantFactory(), "tenant:1", 2)
    Lease.objects.filter(name="relay").update(holder="another")
    with pytest.raises(LeaseLostError):
        number()
    assert sequences("tenant:1") == [None, None]
    assert not AudienceCounter.objects.exists()


def test_receivers_hear_of_each_event_once_and_a_broken_one_stops_nobody() -> None:
    tenant = TenantFactory()
    heard: list[int] = []

    def broken(**_: Any) -> None:
        raise ValueError("a bug downstream")

    def hears(events: list[NumberedEvent], **_: Any) -> None:
        heard.extend(event.sequence for event in events)

    event_relayed.connect(broken)
    event_relayed.connect(hears)
    try:
        record(tenant, "tenant:1", 2)
        number()
        record(tenant, "tenant:1", 1)
        number()
    finally:
        event_relayed.disconnect(broken)
        event_relayed.disconnect(hears)
    assert heard == [1, 2, 3]


def test_what_a_receiver_could_not_store_is_numbered_and_handed_on_again() -> None:
    heard: list[list[int]] = []

    def database_gone_once(events: list[NumberedEvent], **_: Any) -> None:
        heard.append([event.sequence for event in events])
        if len(heard) == 1:
            raise OperationalError("gone away")

    record(TenantFactory(), "tenant:1", 2)
    event_relayed.connect(database_gone_once)
    try:
        with pytest.raises(OperationalError):
            number()
        assert sequences("tenant:1") == [None, None]
        number()
    finally:
        event_relayed.disconnect(database_gone_once)
    assert heard == [[1, 2], [1, 2]]
    assert sequences("tenant:1") == [1, 2]

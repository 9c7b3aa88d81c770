"""The audit log notices when somebody touches it."""

import pytest

from customers.models import AuditEntry
from customers.services.audit import audit_record, audit_verify
from tests.factories import TenantFactory, UserFactory

pytestmark = pytest.mark.django_db


def _three_entries() -> list[AuditEntry]:
    tenant, user = TenantFactory(), UserFactory()
    return [
        audit_record(
            action=f"thing.done{n}",
            actor=user if n else None,
            tenant_id=tenant.pk if n else None,
            target=f"customers.tenant:{tenant.pk}",
            details={"n": n, "text": "跟单", "nested": {"b": "1", "a": None}},
            ip_address=("2001:DB8::0001", "127.0.0.1", None)[n],
        )
        for n in range(3)
    ]


def test_an_untouched_chain_is_intact_and_numbered_without_gaps():
    entries = _three_entries()
    assert [entry.sequence for entry in entries] == [1, 2, 3]
    assert entries[1].previous_hash == entries[0].entry_hash
    check = audit_verify()
    assert check.is_intact
    assert check.entries == 3


def test_the_actor_is_named_even_when_there_is_none():
    entries = _three_entries()
    assert entries[0].actor_label == "system"
    assert entries[1].actor_label == entries[1].actor.email


@pytest.mark.parametrize(
    "change",
    [
        {"action": "other"},
        {"details": {"n": 7}},
        {"ip_address": "10.0.0.1"},
        {"actor_label": "x"},
        {"actor": None},
        {"tenant": None},
        {"target": "elsewhere"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_changed_entry_shows(change):
    entries = _three_entries()
    AuditEntry.objects.filter(pk=entries[1].pk).update(**change)
    check = audit_verify()
    assert check.broken_at == 2
    assert check.problem == "changed"


def test_a_removed_entry_shows():
    entries = _three_entries()
    entries[1].delete()
    assert audit_verify().problem == "missing"


def test_a_cut_tail_shows():
    entries = _three_entries()
    entries[2].delete()
    check = audit_verify()
    assert check.broken_at == 3
    assert check.problem == "cut off"


def test_an_action_that_is_rolled_back_leaves_no_entry_and_no_gap():
    from django.db import transaction

    _three_entries()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        audit_record(action="never", actor=None, tenant_id=None)
        raise ZeroDivisionError
    assert audit_record(action="next", actor=None, tenant_id=None).sequence == 4
    assert audit_verify().is_intact

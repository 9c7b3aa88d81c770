"""Staff hear of books that go on differing, and of findings that wait."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from customers.models import AuditEntry
from customers.tenancy import tenant_scope
from tests.factories import AccountBooksFactory, AccountFactory, FindingFactory, UserFactory
from tests.trading.plans import BTC
from trading.models import Alert, Finding
from trading.services.instruments import forget_noted, instrument_note
from trading.services.reconciliation.alerting import books_alert
from trading.services.reconciliation.deciding import (
    FindingDecisionError,
    finding_repair,
    finding_settle,
)

pytestmark = pytest.mark.django_db


def open_alerts(tenant_id: str) -> set[str]:
    with tenant_scope(tenant_id):
        return set(Alert.objects.filter(resolved_at=None).values_list("code", flat=True))


def test_books_that_differ_for_minutes_are_an_alert_until_they_agree() -> None:
    account = AccountFactory()
    now = timezone.now()
    books = AccountBooksFactory(account=account, differs_since=now - timedelta(minutes=2))
    books_alert()
    assert open_alerts(account.tenant_id) == set()
    with tenant_scope(account.tenant_id):
        books.differs_since = now - timedelta(minutes=4)
        books.save()
    books_alert()
    books_alert()
    assert open_alerts(account.tenant_id) == {"books_differ"}
    with tenant_scope(account.tenant_id):
        books.differs_since = None
        books.save()
    books_alert()
    assert open_alerts(account.tenant_id) == set()


def test_a_decision_is_audited_made_once_and_ends_the_alert() -> None:
    account = AccountFactory()
    finding = FindingFactory(account=account)
    actor = UserFactory()
    books_alert()
    assert open_alerts(account.tenant_id) == {"findings_open"}
    chosen = {
        "tenant_id": account.tenant_id,
        "finding_id": finding.pk,
        "outcome": Finding.Outcome.DISMISSED,
        "actor": actor,
        "note": "agreed with the client",
    }
    with tenant_scope(account.tenant_id):
        finding_settle(**chosen)
        with pytest.raises(FindingDecisionError, match="closed"):
            finding_settle(**chosen)
        entry = AuditEntry.objects.get(action="finding.dismissed")
        assert (entry.actor_id, entry.target) == (actor.pk, finding.pk)
        assert entry.details["reason"] == "agreed with the client"
    books_alert()
    assert open_alerts(account.tenant_id) == set()


def test_what_is_gone_cannot_be_exited() -> None:
    account = AccountFactory()
    finding = FindingFactory(account=account)
    forget_noted()
    instrument_note("paper", BTC)
    with (
        tenant_scope(account.tenant_id),
        pytest.raises(FindingDecisionError, match="nothing_to_exit"),
    ):
        finding_repair(
            tenant_id=account.tenant_id, finding_id=finding.pk, actor=UserFactory(), note=""
        )

"""Circuit breakers and alerts in the console: who sees them, who resets them."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from customers.models import AuditEntry
from customers.tenancy import ScopeError, tenant_scope
from tests import factories as make
from tests.console.conftest import Enter, Firm, events_of
from tests.console.test_pages import page_url
from trading.models import Alert, Breaker
from trading.services.breaker.switching import breaker_reset

INDEX = "admin:index"


def reset_url(breaker: Breaker) -> str:
    return reverse("admin:trading_breaker_reset", args=[breaker.pk])


def shown(client: Client, url: str) -> str:
    return client.get(url).content.decode()


@pytest.fixture
def opened(firm: Firm) -> Breaker:
    Breaker.objects.filter(pk=firm.breaker.pk).update(
        is_open=True, params={"answers": "20", "refused": "13", "seconds": "60"}
    )
    return Breaker.objects.get(pk=firm.breaker.pk)


def test_an_open_breaker_is_on_every_page_of_its_firm_and_of_no_other(
    opened: Breaker, firm: Firm, other_firm: Firm, owner: Client, enter: Enter
) -> None:
    page = shown(owner, reverse("admin:customers_customer_changelist"))
    assert f"{firm.strategy.name} — Nothing is opened for this strategy for now" in page
    assert "13 of its last 20 orders" in page
    assert "console-banner" not in shown(enter("owner", other_firm.tenant), reverse(INDEX))


def test_the_strategys_page_shows_its_breaker_and_leads_to_the_reset(
    opened: Breaker, firm: Firm, owner: Client, enter: Enter
) -> None:
    assert reset_url(opened) in shown(owner, page_url(firm.strategy))
    assert reset_url(opened) not in shown(enter("auditor"), page_url(firm.strategy))


def test_an_operator_resets_it_with_his_reason_in_the_audit_log(
    opened: Breaker, firm: Firm, owner: Client
) -> None:
    with tenant_scope(firm.tenant.pk):
        Alert.objects.filter(pk=firm.alert.pk).update(
            code="strategy_stopped",
            subject=f"strategy:{firm.strategy.pk}",
            open_key=f"strategy_stopped:strategy:{firm.strategy.pk}",
        )
    response = owner.post(reset_url(opened), {"reason": "wrong tick size, corrected"})
    assert response.status_code == 302
    assert not Breaker.objects.get(pk=opened.pk).is_open
    entry = AuditEntry.objects.get(action="breaker.reset")
    assert entry.actor == owner.user  # type: ignore[attr-defined]
    assert entry.details["reason"] == "wrong tick size, corrected"
    assert [event.payload["is_open"] for event in events_of(firm, "breaker.changed")] == [False]
    assert len(events_of(firm, "alert.resolved")) == 1
    assert "console-banner" not in shown(owner, reverse(INDEX))


def test_a_venues_breaker_is_read_by_every_firm_and_reset_by_the_platform_only(
    firm: Firm, owner: Client, enter: Enter
) -> None:
    breaker = make.BreakerFactory(level="venue", subject_id="paper")
    assert "Nothing is opened on paper for now" in shown(owner, reverse(INDEX))
    assert owner.get(reset_url(breaker)).status_code == 403
    assert owner.post(reset_url(breaker)).status_code == 403
    root = enter(None)
    assert root.get(reset_url(breaker)).status_code == 200
    assert root.post(reset_url(breaker), {"reason": ""}).status_code == 302
    assert not Breaker.objects.get(pk=breaker.pk).is_open


def test_the_service_itself_refuses_a_foreign_firm(opened: Breaker, other_firm: Firm) -> None:
    with tenant_scope(other_firm.tenant.pk), pytest.raises(ScopeError):
        breaker_reset(breaker_id=opened.pk, actor=make.UserFactory())


def test_half_open_is_told_apart_from_open(opened: Breaker, owner: Client) -> None:
    assert "open: no entries" in shown(owner, page_url(opened))
    Breaker.objects.filter(pk=opened.pk).update(half_open_at=timezone.now())
    assert "half open: trying again" in shown(owner, page_url(opened))


def test_the_start_page_lists_what_lasts(firm: Firm, other_firm: Firm, owner: Client) -> None:
    sentence = "The outcome of 3 orders on paper has been unknown"
    assert shown(owner, reverse(INDEX)).count(sentence) == 1
    with tenant_scope(firm.tenant.pk):
        Alert.objects.update(open_key=None, resolved_at=timezone.now())
    assert sentence not in shown(owner, reverse(INDEX))

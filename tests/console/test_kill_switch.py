"""The kill switch: who sets it, what it leaves behind, who is told."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models.signals import pre_save
from django.test import Client
from django.urls import reverse

from customers.models import AuditEntry
from customers.tenancy import ScopeError, system_scope, tenant_scope
from customers.turns import is_ahead
from tests.console.conftest import Enter, Firm, events_of
from trading.models import TradingControl
from trading.services.controls import ControlError, control_set

LIST = "admin:trading_tradingcontrol_changelist"


def switch_url(level: str, subject: str = "") -> str:
    return reverse("admin:trading_tradingcontrol_set") + f"?level={level}&subject={subject}"


@pytest.mark.parametrize("level", ["tenant", "strategy", "customer"])
@pytest.mark.parametrize("mode", ["reducing", "halted"])
def test_staff_stop_their_own(level: str, mode: str, firm: Firm, owner: Client) -> None:
    subject = {"tenant": firm.tenant, "strategy": firm.strategy, "customer": firm.customer}[level]
    response = owner.post(switch_url(level, subject.pk), {"mode": mode, "reason": "odd fills"})
    assert response.status_code == 302
    control = TradingControl.objects.get(level=level, subject_id=subject.pk)
    assert (control.mode, control.reason) == (mode, "odd fills")
    assert control.tenant_id == firm.tenant.pk
    assert control.changed_by == owner.user  # type: ignore[attr-defined]
    entry = AuditEntry.objects.get(action="control.set")
    assert (entry.details["from"], entry.details["to"]) == ("active", mode)
    (event,) = events_of(firm, "control.changed")
    assert event.payload == {
        "level": level, "subject": subject.pk, "mode": mode, "reason": "odd fills",
    }  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_a_switch_is_written_ahead_of_orders(firm: Firm, owner: Client) -> None:
    turns = []

    def note(**_: Any) -> None:
        turns.append((is_ahead(), connection.savepoint_ids))

    pre_save.connect(note, sender=TradingControl)
    try:
        owner.post(switch_url("tenant", firm.tenant.pk), {"mode": "halted", "reason": "why"})
    finally:
        pre_save.disconnect(note, sender=TradingControl)
    assert turns == [(True, [])], "it waits for its turn in a transaction that began before"
    assert not is_ahead()


def test_stopping_needs_a_reason_and_going_on_does_not(firm: Firm, owner: Client) -> None:
    url = switch_url("tenant", firm.tenant.pk)
    assert owner.post(url, {"mode": "halted", "reason": " "}).status_code == 200
    assert not TradingControl.objects.filter(level="tenant").exists()
    assert owner.post(url, {"mode": "halted", "reason": "why"}).status_code == 302
    assert owner.post(url, {"mode": "active", "reason": ""}).status_code == 302
    assert TradingControl.objects.get(level="tenant").mode == "active"


def test_a_halt_is_on_every_page_of_those_it_stops_and_of_no_others(
    firm: Firm, other_firm: Firm, enter: Enter
) -> None:
    owner = enter("owner")
    stranger = enter("owner", other_firm.tenant)
    pages = [reverse("admin:index"), reverse("admin:customers_customer_changelist")]
    for page in pages:
        assert "console-banner" not in owner.get(page).content.decode()
    owner.post(switch_url("strategy", firm.strategy.pk), {"mode": "halted", "reason": "odd fills"})
    for page in pages:
        text = owner.get(page).content.decode()
        assert "console-banner" in text
        assert "odd fills" in text
        assert firm.strategy.name in text
        assert "odd fills" not in stranger.get(page).content.decode()


def test_the_platform_s_switch_stops_and_tells_every_tenant(
    firm: Firm, other_firm: Firm, enter: Enter
) -> None:
    root = enter(None, None)
    form = {"mode": "halted", "reason": "exchange incident"}
    assert root.post(switch_url("platform"), form).status_code == 302
    for hit in (firm, other_firm):
        assert len(events_of(hit, "control.changed")) == 1
        page = enter("auditor", hit.tenant).get(reverse("admin:index"))
        assert "exchange incident" in page.content.decode()


def test_a_tenant_cannot_touch_the_platform_or_a_neighbour(
    firm: Firm, other_firm: Firm, owner: Client
) -> None:
    form = {"mode": "halted", "reason": "mine"}
    assert owner.post(switch_url("platform"), form).status_code == 403
    for level, subject in (
        ("tenant", other_firm.tenant.pk),
        ("strategy", other_firm.strategy.pk),
        ("customer", other_firm.customer.pk),
        ("strategy", "nonsense"),
        ("galaxy", ""),
        ("platform", "x"),
    ):
        assert owner.post(switch_url(level, subject), form).status_code == 404, level
    assert not TradingControl.objects.exclude(mode="active").exists()


def test_the_service_checks_for_itself(firm: Firm, other_firm: Firm, owner: Client) -> None:
    actor = owner.user  # type: ignore[attr-defined]
    halted = {"mode": "halted", "reason": "x", "actor": actor}
    with tenant_scope(firm.tenant.pk):
        with pytest.raises(PermissionDenied):
            control_set(level="platform", **halted)
        with pytest.raises(ScopeError):
            control_set(level="tenant", subject_id=other_firm.tenant.pk, **halted)
        with pytest.raises(ControlError):
            control_set(level="tenant", subject_id=firm.tenant.pk, **{**halted, "mode": "off"})
        with pytest.raises(ControlError):
            control_set(level="tenant", subject_id=firm.tenant.pk, **{**halted, "reason": ""})
    with system_scope("the system stops itself"):
        control_set(level="platform", mode="reducing", reason="breaker", actor=None)
    assert TradingControl.objects.get(level="platform").mode == "reducing"


def test_the_list_shows_the_platform_s_switch_to_everybody(firm: Firm, enter: Enter) -> None:
    enter(None, None).post(switch_url("platform"), {"mode": "reducing", "reason": "maintenance"})
    assert "maintenance" in enter("support").get(reverse(LIST)).content.decode()

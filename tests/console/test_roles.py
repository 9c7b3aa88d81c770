"""Who may do what: the table, and the pages that ask it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from customers.admin_base import LedgerAdmin
from customers.domain.roles import Resource, Role, Verb, role_allows
from tests.console.conftest import Enter, Firm
from tests.console.test_pages import list_url, page_url, tenant_rows

V, A, C, D = Verb.VIEW, Verb.ADD, Verb.CHANGE, Verb.DELETE

ALLOWED: dict[tuple[Role, Resource], set[Verb]] = {
    (Role.OWNER, Resource.CUSTOMERS): {V, A, C, D},
    (Role.OWNER, Resource.TRADING): {V, A, C, D},
    (Role.OWNER, Resource.ACCESS): {V, A, C, D},
    (Role.OWNER, Resource.LEDGER): {V},
    (Role.TRADER, Resource.CUSTOMERS): {V, A, C},
    (Role.TRADER, Resource.TRADING): {V, A, C},
    (Role.TRADER, Resource.ACCESS): {V},
    (Role.TRADER, Resource.LEDGER): {V},
    (Role.SUPPORT, Resource.CUSTOMERS): {V, A, C},
    (Role.SUPPORT, Resource.TRADING): {V},
    (Role.SUPPORT, Resource.ACCESS): {V},
    (Role.SUPPORT, Resource.LEDGER): {V},
    (Role.AUDITOR, Resource.CUSTOMERS): {V},
    (Role.AUDITOR, Resource.TRADING): {V},
    (Role.AUDITOR, Resource.ACCESS): {V},
    (Role.AUDITOR, Resource.LEDGER): {V},
}


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("resource", list(Resource))
@pytest.mark.parametrize("verb", list(Verb))
def test_the_table(role: Role, resource: Resource, verb: Verb) -> None:
    assert role_allows(role, resource, verb) is (verb in ALLOWED.get((role, resource), set()))


@pytest.mark.parametrize("role", [None, "", "client", "OWNER"])
def test_an_unknown_role_may_nothing(role: str | None) -> None:
    assert not any(role_allows(role, resource, verb) for resource in Resource for verb in Verb)


# --- the pages, run both ways -------------------------------------------------------------------

OWNER, TRADER, SUPPORT, AUDITOR = (role.value for role in Role)


@dataclass(frozen=True)
class Deed:
    """Something that changes the world; `url` finds it, `roles` may do it and nobody else."""

    name: str
    url: Callable[[Firm], str]
    roles: set[str]
    form: dict[str, str] = field(default_factory=dict)


def action(name: str, row: str) -> Callable[[Firm], str]:
    return lambda firm: reverse(f"admin:{name}", args=[firm.rows[row].pk])


def add(label: str) -> Callable[[Firm], str]:
    return lambda firm: reverse(f"admin:{label}_add")


def delete(label: str, row: str) -> Callable[[Firm], str]:
    return lambda firm: reverse(f"admin:{label}_delete", args=[firm.rows[row].pk])


CUSTOMER_WORK = {OWNER, TRADER, SUPPORT}
TRADING_WORK = {OWNER, TRADER}
DEEDS = [
    Deed("add a customer", add("customers_customer"), CUSTOMER_WORK),
    Deed("add a login", action("customers_customer_add_login", "customer"), CUSTOMER_WORK),
    Deed("take a login", delete("customers_customeruser", "login"), CUSTOMER_WORK),
    Deed("delete a customer", delete("customers_customer", "customer"), {OWNER}),
    Deed("add an account", add("customers_exchangeaccount"), TRADING_WORK),
    Deed("keys", action("customers_exchangeaccount_set_keys", "account"), TRADING_WORK),
    Deed("pause account", action("customers_exchangeaccount_pause", "account"), TRADING_WORK),
    Deed("resume account", action("customers_exchangeaccount_resume", "account"), TRADING_WORK),
    Deed("check account", action("customers_exchangeaccount_check_now", "account"), TRADING_WORK),
    Deed("add a source", add("signals_app_signalsource"), TRADING_WORK),
    Deed("secret", action("signals_app_signalsource_rotate_secret", "source"), TRADING_WORK),
    Deed(
        "drop secret", action("signals_app_signalsource_drop_previous_secret", "source"),
        TRADING_WORK,
    ),
    Deed("pause source", action("signals_app_signalsource_pause", "source"), TRADING_WORK),
    Deed("resume source", action("signals_app_signalsource_resume", "source"), TRADING_WORK),
    Deed("add a strategy", add("strategies_strategy"), TRADING_WORK),
    Deed("invite a customer", add("strategies_strategyinvitation"), TRADING_WORK),
    Deed("add a copy", add("strategies_subscription"), TRADING_WORK),
    Deed("pause copy", action("strategies_subscription_pause", "subscription"), TRADING_WORK),
    Deed("resume copy", action("strategies_subscription_resume", "subscription"), TRADING_WORK),
    Deed("stop copy", action("strategies_subscription_stop", "subscription"), TRADING_WORK),
    Deed("add a channel", add("notifications_notificationchannel"), TRADING_WORK),
    Deed("send a signal", lambda firm: reverse("admin:send_signal"), TRADING_WORK),
    Deed("close positions", lambda firm: reverse("admin:mass_close"), TRADING_WORK),
    Deed(
        "halt the tenant",
        lambda firm: _switch("tenant", firm.tenant.pk), TRADING_WORK,
    ),
    Deed("halt a strategy", lambda firm: _switch("strategy", firm.strategy.pk), TRADING_WORK),
    Deed("halt a customer", lambda firm: _switch("customer", firm.customer.pk), TRADING_WORK),
    Deed("reset a breaker", action("trading_breaker_reset", "breaker"), TRADING_WORK),
    Deed("adopt a finding", action("trading_finding_adopt", "finding"), TRADING_WORK),
    Deed("dismiss a finding", action("trading_finding_dismiss", "finding"), TRADING_WORK),
    Deed("repair a finding", action("trading_finding_repair", "finding"), TRADING_WORK),
    Deed("cancel an order", action("trading_order_withdraw", "order"), TRADING_WORK),
    Deed("change an order", action("trading_order_amend", "order"), TRADING_WORK),
    Deed("a policy", add("trading_reconciliationpolicy"), TRADING_WORK),
    Deed("a risk threshold", add("trading_riskthreshold"), TRADING_WORK),
    Deed("a platform's risk threshold", add("trading_platformthreshold"), set()),
    Deed("halt the platform", lambda firm: _switch("platform", ""), set()),
    Deed("add a member", add("customers_membership"), {OWNER}),
    Deed("add an API key", add("customers_apikey"), {OWNER}),
    Deed("revoke an API key", action("customers_apikey_revoke", "api_key"), {OWNER}),
    Deed("add a tenant", add("customers_tenant"), set()),
    Deed("add a user", add("customers_user"), set()),
    Deed("add a periodic task", add("django_celery_beat_periodictask"), set()),
]  # fmt: skip


def _switch(level: str, subject: str) -> str:
    return reverse("admin:trading_tradingcontrol_set") + f"?level={level}&subject={subject}"


def test_each_deed_is_for_its_roles_and_for_no_other(firm: Firm, enter: Enter) -> None:
    people: dict[str, Client] = {role: enter(role) for role in (OWNER, TRADER, SUPPORT, AUDITOR)}
    for deed in DEEDS:
        for role, client in people.items():
            wanted = 200 if role in deed.roles else 403
            assert client.get(deed.url(firm)).status_code == wanted, (deed.name, role)
            if role not in deed.roles:
                assert client.post(deed.url(firm)).status_code == 403, (deed.name, role)


def test_a_superuser_may_do_all_of_it(firm: Firm, enter: Enter) -> None:
    root = enter(None)
    for deed in DEEDS:
        assert root.get(deed.url(firm)).status_code == 200, deed.name


def test_a_deed_on_a_foreign_row_is_404_for_every_role(
    firm: Firm, other_firm: Firm, enter: Enter
) -> None:
    deeds = [deed for deed in DEEDS if deed.url(firm) != deed.url(other_firm)]
    for role in (OWNER, TRADER, SUPPORT, AUDITOR):
        client = enter(role)
        for deed in deeds:
            assert client.post(deed.url(other_firm)).status_code == 404, (deed.name, role)


def test_every_role_may_read_what_belongs_to_the_tenant(firm: Firm, enter: Enter) -> None:
    for role in (TRADER, SUPPORT, AUDITOR):
        client = enter(role)
        for row in tenant_rows(firm):
            assert client.get(page_url(row)).status_code == 200, (role, row)


def test_an_auditor_has_nothing_to_save(firm: Firm, enter: Enter) -> None:
    auditor = enter(AUDITOR)
    for row in tenant_rows(firm):
        assert b'name="_save"' not in auditor.get(page_url(row)).content, row
        assert auditor.post(page_url(row), {"name": "changed"}).status_code in {403, 405}, row


def test_support_changes_a_customer_but_not_his_account(firm: Firm, enter: Enter) -> None:
    support = enter(SUPPORT)
    changed = support.post(
        page_url(firm.customer),
        {"name": "New name", "email": "", "status": "active", "external_reference": ""},
    )
    assert changed.status_code == 302
    assert "New name" in support.get(page_url(firm.customer)).content.decode()
    assert support.post(page_url(firm.account), {"label": "x"}).status_code == 403


def test_a_trader_cannot_make_himself_owner(firm: Firm, enter: Enter) -> None:
    trader = enter(TRADER)
    assert trader.post(page_url(firm.membership), {"role": "owner"}).status_code == 403


# --- ledgers ------------------------------------------------------------------------------------

LEDGERS = {
    "signals_app.leaderposition",
    "signals_app.leadertrade",
    "signals_app.intakestate",
    "signals_app.rawdelivery",
    "signals_app.signal", "signals_app.webhookrejection", "trading.intent", "trading.order",
    "trading.orderevent", "trading.fill", "trading.position", "trading.balance", "trading.trade",
    "trading.effectivesettings", "trading.signalshard", "trading.copiedposition",
    "trading.instrumentsetting", "customers.event", "customers.auditentry",
    "customers.streamstate", "notifications.delivery", "trading.alert",
    "trading.finding", "trading.accountbooks", "trading.stoporder",
    "trading.unattributedposition",
    "trading.accountbill", "trading.fundingshare", "trading.cashbook",
    "trading.copystart", "trading.followedchange",
    "trading.equityday", "trading.accountrisk", "trading.riskaction",
    "strategies.settingsversion",
}  # fmt: skip


def test_ledgers_are_ledgers() -> None:
    found = {
        model._meta.label_lower
        for model, page in admin.site._registry.items()
        if isinstance(page, LedgerAdmin)
    }
    assert found == LEDGERS


@pytest.mark.parametrize("role", [OWNER, None])
def test_nobody_writes_a_ledger_row_by_hand(role: str | None, firm: Firm, enter: Enter) -> None:
    client = enter(role)
    ledgers = [row for row in tenant_rows(firm) if row._meta.label_lower in LEDGERS]
    assert len(ledgers) == len(LEDGERS)
    for row in ledgers:
        label = row._meta.label_lower.replace(".", "_")
        assert client.get(reverse(f"admin:{label}_add")).status_code == 403, label
        assert client.post(page_url(row), {"status": "done"}).status_code in {403, 405}, label
        assert client.post(reverse(f"admin:{label}_delete", args=[row.pk])).status_code == 403
        listed = client.post(
            list_url(row._meta.label_lower),
            {"action": "delete_selected", "_selected_action": row.pk, "post": "yes"},
        )
        assert listed.status_code in {200, 302, 403}
        assert client.get(page_url(row)).status_code == 200, label

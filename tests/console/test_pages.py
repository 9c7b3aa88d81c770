"""Every list and every page opens, for the tenant's own rows only."""

from __future__ import annotations

from django.contrib import admin
from django.test import Client, RequestFactory
from django.urls import reverse

from customers.models import User
from customers.services.fingerprints import fingerprint_key_ensure
from customers.tenancy import system_scope
from tests import factories as make
from tests.console.conftest import Enter, Firm

OURS = {"customers", "signals_app", "strategies", "trading", "notifications"}
PLATFORM_MODELS = {
    "customers.user",
    "customers.encryptioncanary",
    "customers.idempotencyrecord",
    "customers.lease",
    "customers.loginfailure",
    "strategies.platformsettings",
    "trading.platformaction",
    "trading.platformthreshold",
    "django_celery_beat.periodictask",
    "django_celery_beat.intervalschedule",
    "django_celery_beat.crontabschedule",
    "django_celery_beat.solarschedule",
    "django_celery_beat.clockedschedule",
}
NO_PAGE = {
    "customers.credential",  # write-only, through its account
    "customers.audiencecounter",
    "signals_app.leadercredential",  # write-only, through its leader
    "signals_app.leaderorder",  # what followers were told of it is in its signals
    "signals_app.leaderstop",  # on its leader's page
    "trading.answercount",  # what circuit breakers add up
    "trading.fanouttally",
    "trading.leveragerefusal",  # that it is not asked for again; the refusal is on its order
    "trading.signalmarket",  # what a fan-out read of the market, for its risk rules
    "trading.positionstops",  # on its position's page
    "trading.stopevent",  # on its stop order's page
    "trading.tradedinstrument",  # what the venue says, kept
}


WITHOUT_PAGE = {"credential", "leader_key", "leader_stop"}


def registered() -> list[str]:
    return sorted(model._meta.label_lower for model in admin.site._registry)


def list_url(label: str) -> str:
    return reverse(f"admin:{label.replace('.', '_')}_changelist")


def page_url(row: object) -> str:
    label = row._meta.label_lower.replace(".", "_")
    return reverse(f"admin:{label}_change", args=[row.pk])


def tenant_rows(firm: Firm) -> list[object]:
    return [row for name, row in firm.rows.items() if name not in WITHOUT_PAGE]


def test_every_model_has_a_page_or_a_reason_not_to() -> None:
    from django.apps import apps

    ours = {model._meta.label_lower for model in apps.get_models() if model._meta.app_label in OURS}
    assert ours - set(registered()) <= NO_PAGE


def test_a_superuser_opens_every_list(firm: Firm, other_firm: Firm, enter: Enter) -> None:
    for tenant in (firm.tenant, None):
        root = enter(None, tenant)
        for label in registered():
            assert root.get(list_url(label)).status_code == 200, label


def test_an_owner_opens_every_list_and_finds_only_his_own(
    firm: Firm, other_firm: Firm, owner: Client
) -> None:
    for label in sorted(set(registered()) - PLATFORM_MODELS):
        response = owner.get(list_url(label))
        assert response.status_code == 200, label
        tenants = {getattr(row, "tenant_id", row.pk) for row in response.context["cl"].result_list}
        assert tenants <= {firm.tenant.pk, None}, label
        assert firm.tenant.pk in tenants, label


def test_platform_pages_are_for_superusers(firm: Firm, owner: Client) -> None:
    for label in sorted(PLATFORM_MODELS):
        assert owner.get(list_url(label)).status_code == 403, label


def test_what_the_platform_keeps_for_itself_is_read_only(
    firm: Firm, other_firm: Firm, enter: Enter, owner: Client
) -> None:
    record = make.IdempotencyRecordFactory(api_key=firm.api_key)
    lease = make.LeaseFactory()
    root = enter(None, firm.tenant)
    for row in (record, lease, make.LoginFailureFactory(), fingerprint_key_ensure()):
        label = row._meta.label_lower.replace(".", "_")
        assert root.get(page_url(row)).status_code == 200, label
        assert root.post(page_url(row), {"holder": "me"}).status_code == 403, label
        assert root.get(reverse(f"admin:{label}_add")).status_code == 403, label
        assert root.post(reverse(f"admin:{label}_delete", args=[row.pk])).status_code == 403, label
        assert owner.get(page_url(row)).status_code == 403, label
    assert enter(None, other_firm.tenant).get(page_url(record)).status_code == 404


def test_every_page_of_an_own_row_opens(firm: Firm, owner: Client) -> None:
    for row in tenant_rows(firm):
        response = owner.get(page_url(row))
        assert response.status_code == 200, row


def test_every_page_of_a_foreign_row_is_404(firm: Firm, other_firm: Firm, owner: Client) -> None:
    for row in tenant_rows(other_firm):
        for method in (owner.get, owner.post):
            assert method(page_url(row)).status_code == 404, row


def test_a_superuser_without_a_tenant_opens_all_rows(
    firm: Firm, other_firm: Firm, enter: Enter
) -> None:
    root = enter(None, None)
    for row in (*tenant_rows(firm), *tenant_rows(other_firm)):
        assert root.get(page_url(row)).status_code == 200, row


def test_a_superuser_who_chose_a_tenant_sees_only_it(
    firm: Firm, other_firm: Firm, enter: Enter
) -> None:
    root = enter(None, firm.tenant)
    assert root.get(page_url(firm.customer)).status_code == 200
    assert root.get(page_url(other_firm.customer)).status_code == 404


def test_nobody_enters_without_a_role(firm: Firm, client: Client, superuser: User) -> None:
    response = client.get(reverse("admin:index"))
    assert response.status_code == 302
    assert reverse("portal:login") in response["Location"]
    client.force_login(firm.login.user)
    assert client.get(reverse("admin:index")).status_code == 403
    assert client.get(page_url(firm.customer)).status_code == 403


def test_the_search_of_a_foreign_key_offers_own_rows_only(
    firm: Firm, other_firm: Firm, owner: Client
) -> None:
    response = owner.get(
        reverse("admin:autocomplete"),
        {"app_label": "strategies", "model_name": "subscription", "field_name": "account"},
    )
    assert {found["id"] for found in response.json()["results"]} == {firm.account.pk}


def test_every_list_asks_for_its_tenant_by_itself(
    firm: Firm, other_firm: Firm, rf: RequestFactory
) -> None:
    """The first wall, without the second: in a scope that would show all tenants."""
    request = rf.get("/")
    request.user, request.tenant, request.membership = firm.membership.user, firm.tenant, None
    with system_scope("the rows of a list"):
        request.membership = firm.membership
        for model, page in admin.site._registry.items():
            if model._meta.label_lower in PLATFORM_MODELS:
                continue
            tenants = {getattr(row, "tenant_id", row.pk) for row in page.get_queryset(request)}
            assert tenants == {firm.tenant.pk}, model


def test_a_login_changes_its_password_and_leaves(firm: Firm, owner: Client) -> None:
    assert owner.get(reverse("admin:password_change")).status_code == 200
    assert owner.get(reverse("admin:logout")).status_code == 405
    response = owner.post(reverse("admin:logout"))
    assert response["Location"] == reverse("portal:login")
    assert owner.get(reverse("admin:index")).status_code == 302

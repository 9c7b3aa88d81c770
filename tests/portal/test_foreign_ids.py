"""Nobody sees or touches what is not his: a foreign id answers as one that does not exist."""

import pytest
from django.test import Client

from customers.models import AuditEntry
from customers.tenancy import tenant_scope
from tests.portal.conftest import Persona

pytestmark = pytest.mark.django_db

PAGES = ["/", "/positions/", "/orders/", "/copies/", "/strategies/"]
PARTS = [f"/parts/{name}/" for name in ("numbers", "positions", "orders", "feed")]


def _object_pages(persona: Persona) -> list[str]:
    return [
        f"/accounts/{persona.account.pk}/",
        f"/orders/{persona.filled.pk}/",
        f"/orders/{persona.skipped.pk}/",
        f"/orders/{persona.filled.pk}/cancel/",
        f"/orders/{persona.filled.pk}/change/",
        f"/copies/{persona.copy.pk}/pause/",
        f"/copies/{persona.copy.pk}/resume/",
        f"/copies/{persona.copy.pk}/stop/",
    ]


@pytest.fixture(params=["colleague", "stranger"])
def other(request: pytest.FixtureRequest) -> Persona:
    return request.getfixturevalue(request.param)


def _marks(persona: Persona) -> list[str]:
    return [
        persona.customer.name,
        persona.account.label,
        persona.copy.strategy.name,
        persona.filled.pk,
        persona.skipped.pk,
        persona.copy.pk,
        persona.account.pk,
    ]


def test_the_owner_sees_his_own(owner: Persona, browser: Client):
    for page in _object_pages(owner):
        assert browser.get(page).status_code == 200


@pytest.mark.parametrize("page", [*PAGES, *PARTS])
def test_lists_show_nothing_of_anybody_else(owner: Persona, other: Persona, page: str):
    html = other.browser().get(page).content.decode()
    assert [mark for mark in _marks(owner) if mark in html] == []


def test_a_foreign_object_answers_as_one_that_does_not_exist(owner: Persona, other: Persona):
    browser = other.browser()
    for page in _object_pages(owner):
        missing = page.replace(page.split("/")[2], "0" * 26)
        for method in (browser.get, browser.post):
            answers = [method(address) for address in (page, missing)]
            assert answers[0].status_code == answers[1].status_code
            assert answers[0].status_code in (404, 405)


def test_a_foreign_copy_is_not_changed(owner: Persona, other: Persona):
    browser = other.browser()
    for action in ("pause", "resume", "stop"):
        assert browser.post(f"/copies/{owner.copy.pk}/{action}/").status_code == 404
    with tenant_scope(owner.tenant.pk):
        owner.copy.refresh_from_db()
    assert owner.copy.status == "active"
    assert not AuditEntry.objects.filter(action__startswith="subscription").exists()


def test_a_foreign_account_filters_nothing_and_a_foreign_page_mark_leads_nowhere(
    owner: Persona, other: Persona
):
    browser = other.browser()
    for query in (f"account={owner.account.pk}", f"before={owner.filled.pk}"):
        html = browser.get(f"/orders/?{query}").content.decode()
        assert f"/orders/{other.filled.pk}/" in html
        assert f"/orders/{owner.filled.pk}/" not in html


@pytest.mark.parametrize("page", [*PAGES, *PARTS])
def test_who_is_not_logged_in_sees_nothing(owner: Persona, page: str):
    response = Client().get(page)
    assert response.status_code == 302
    assert response["Location"].startswith("/login/")


def test_object_pages_need_a_login_too(owner: Persona):
    for page in _object_pages(owner):
        assert Client().get(page).status_code == 302
        assert Client().post(page).status_code in (302, 405)
    with tenant_scope(owner.tenant.pk):
        owner.copy.refresh_from_db()
    assert owner.copy.status == "active"

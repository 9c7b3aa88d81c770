"""Pausing, resuming and stopping a copy from the portal."""

import re

import pytest
from django.test import Client

from customers.models import AuditEntry, Event
from customers.tenancy import tenant_scope
from tests.factories import IntentFactory, OrderFactory
from tests.portal.conftest import Persona
from trading.models import CopiedPosition, Order

pytestmark = pytest.mark.django_db


def _status(persona: Persona) -> str:
    with tenant_scope(persona.tenant.pk):
        persona.copy.refresh_from_db()
    return persona.copy.status


def _words(response) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def test_asking_changes_nothing_and_says_what_would_happen(owner: Persona, browser: Client):
    expected = {
        "pause": "Exits are still followed",
        "resume": "entries are copied again",
        "stop": "Open positions are not closed",
    }
    for action, sentence in expected.items():
        response = browser.get(f"/copies/{owner.copy.pk}/{action}/")
        assert sentence in _words(response)
        assert "BTC/USDT Long 2 contracts" in _words(response)
    assert _status(owner) == "active"


@pytest.mark.parametrize(
    ("on_stop", "sentence", "status"),
    [
        ("close", "All open positions of this copy are closed at the market price now.", "ending"),
        ("keep_exits", "Exits are still followed until the strategy has closed", "ending"),
        ("leave", "Open positions are not closed.", "stopped"),
    ],
)
def test_stopping_says_which_of_the_three_will_happen(
    owner: Persona, browser: Client, on_stop: str, sentence: str, status: str
):
    with tenant_scope(owner.tenant.pk):
        owner.copy.settings = {"values": {"on_stop": on_stop}}
        owner.copy.save()
    assert sentence in _words(browser.get(f"/copies/{owner.copy.pk}/stop/"))
    page = _words(browser.post(f"/copies/{owner.copy.pk}/stop/", follow=True))
    assert _status(owner) == status
    assert "Ended by the client." in page


def test_the_dialog_is_the_same_question_without_the_frame(owner: Persona, browser: Client):
    response = browser.get(
        f"/copies/{owner.copy.pk}/stop/",
        headers={"HX-Request": "true", "HX-Target": "dialog-content"},
    )
    assert "Open positions are not closed" in _words(response)
    assert b"<html" not in response.content


def test_pause_and_resume(owner: Persona, browser: Client):
    response = browser.post(f"/copies/{owner.copy.pk}/pause/", follow=True)
    assert "Copying is paused." in _words(response)
    assert "Paused: exits only" in _words(response)
    assert _status(owner) == "paused"
    browser.post(f"/copies/{owner.copy.pk}/resume/")
    assert _status(owner) == "active"
    actions = list(
        AuditEntry.objects.filter(action__startswith="subscription")
        .order_by("sequence")
        .values_list("action", "actor_id", "ip_address")
    )
    assert actions == [
        ("subscription.paused", owner.user.pk, "127.0.0.1"),
        ("subscription.resumed", owner.user.pk, "127.0.0.1"),
    ]


@pytest.mark.parametrize("action", ["pause", "stop"])
def test_waiting_entries_are_cancelled_as_it_says_and_exits_and_positions_stay(
    owner: Persona, browser: Client, action: str
):
    with tenant_scope(owner.tenant.pk):
        positions = CopiedPosition.objects.filter(subscription=owner.copy)
        held = list(positions.values_list("symbol", "filled"))
    entry = OrderFactory(intent=IntentFactory(subscription=owner.copy), state="accepted")
    leaving = OrderFactory(
        intent=IntentFactory(subscription=owner.copy, is_entry=False),
        state="accepted",
        is_entry=False,
    )
    question = _words(browser.get(f"/copies/{owner.copy.pk}/{action}/"))
    assert "Entries that are still waiting are cancelled." in question
    answer = _words(browser.post(f"/copies/{owner.copy.pk}/{action}/", follow=True))
    assert "Entries that are still waiting are being cancelled. Open positions stay" in answer
    with tenant_scope(owner.tenant.pk):
        marked = Order.objects.get(pk=entry.pk)
        assert marked.withdrawn_by == "pause" or marked.cancel_requested_at is not None
        assert Order.objects.get(pk=leaving.pk).cancel_requested_at is None
        assert list(positions.values_list("symbol", "filled")) == held != []


def test_resuming_says_that_nothing_is_made_up_for(owner: Persona, browser: Client):
    browser.post(f"/copies/{owner.copy.pk}/pause/")
    answer = browser.post(f"/copies/{owner.copy.pk}/resume/", follow=True)
    assert "nothing that was missed or cancelled is made up for" in _words(answer)


def test_stop_is_for_good(owner: Persona, browser: Client):
    browser.post(f"/copies/{owner.copy.pk}/stop/")
    assert _status(owner) == "stopped"
    response = browser.post(f"/copies/{owner.copy.pk}/resume/", follow=True)
    assert "This copy was stopped" in _words(response)
    assert _status(owner) == "stopped"
    page = browser.get("/copies/").content.decode()
    assert f"/copies/{owner.copy.pk}/" not in page


def test_client_and_staff_are_told(owner: Persona, browser: Client):
    browser.post(f"/copies/{owner.copy.pk}/pause/")
    with tenant_scope(owner.tenant.pk):
        audiences = set(
            Event.objects.filter(kind="subscription.changed").values_list("audience", flat=True)
        )
    assert audiences == {f"customer:{owner.customer.pk}", f"tenant:{owner.tenant.pk}"}


def test_an_unknown_action_does_not_exist(owner: Persona, browser: Client):
    assert browser.post(f"/copies/{owner.copy.pk}/delete/").status_code == 404


def test_a_change_needs_the_forms_token(owner: Persona):
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner.user)
    assert client.post(f"/copies/{owner.copy.pk}/stop/").status_code == 403
    assert _status(owner) == "active"

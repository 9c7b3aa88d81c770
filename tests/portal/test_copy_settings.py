"""A client sees what is in force and from where, is told what a change does, and makes it."""

import re

import pytest
from django.test import Client

from customers.tenancy import tenant_scope
from tests.factories import TenantSettingsFactory
from tests.portal.conftest import Persona

pytestmark = pytest.mark.django_db

BASE = {"sizing_mode": "equity_proportional", "ratio": "1", "version": "0"}


def words(response) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def stored(persona: Persona):
    with tenant_scope(persona.tenant.pk):
        persona.copy.refresh_from_db()
    return persona.copy


def test_every_value_says_where_it_comes_from(owner: Persona, browser: Client):
    TenantSettingsFactory(
        tenant=owner.tenant, settings={"values": {"max_leverage": "4"}, "symbols": {}}
    )
    page = words(browser.get(f"/copies/{owner.copy.pk}/settings/"))
    assert "In force: 4 (firm)" in page
    assert "In force: carried over to the next signal (default)" in page


def test_a_change_is_said_in_words_before_it_is_made(owner: Persona, browser: Client):
    url = f"/copies/{owner.copy.pk}/settings/"
    asked = words(browser.post(url, {**BASE, "close_only": "true", "max_leverage": "3"}))
    assert "Max leverage – → 3" in asked
    assert "its exits are still followed" in asked
    assert stored(owner).settings_version == 0
    answer = browser.post(
        url, {**BASE, "close_only": "true", "max_leverage": "3", "confirmed": "1"}, follow=True
    )
    assert "The settings are stored." in words(answer)
    assert stored(owner).settings == {"values": {"close_only": True}, "symbols": {}}
    assert owner.copy.max_leverage == 3


@pytest.mark.parametrize(
    ("name", "typed", "sentence"),
    [
        ("ratio", "0", "Must be above 0."),
        ("stop_loss_percent", "100", "At most 75."),
        ("max_open_positions", "many", "Enter a whole number."),
        ("dynamic_sizing", "drawdown", "Needed because of the setting “Dynamic sizing”."),
        ("trading_hours", "always", "always is not a window like mon-fri 09:00-17:30."),
    ],
)
def test_what_is_wrong_is_said_at_the_field(owner, browser, name, typed, sentence):
    response = browser.post(
        f"/copies/{owner.copy.pk}/settings/", {**BASE, name: typed, "confirmed": "1"}
    )
    assert sentence in words(response)
    assert stored(owner).settings_version == 0


def test_an_exception_for_one_symbol(owner: Persona, browser: Client):
    url = f"/copies/{owner.copy.pk}/settings/?symbol=BTC/USDT:USDT"
    browser.post(url, {"version": "0", "ratio": "0.5", "confirmed": "1"})
    assert stored(owner).settings["symbols"] == {"BTC/USDT:USDT": {"ratio": "0.5"}}
    assert owner.copy.ratio == 1
    assert "In force: 0.5 (copy (BTC/USDT:USDT))" in words(browser.get(url))
    wrong = browser.get(f"/copies/{owner.copy.pk}/settings/?symbol=BTC")
    assert "BTC is not a symbol like BTC/USDT:USDT." in words(wrong)


def test_who_has_an_old_page_overwrites_nothing(owner: Persona, browser: Client):
    url = f"/copies/{owner.copy.pk}/settings/"
    browser.post(url, {**BASE, "max_leverage": "3", "confirmed": "1"})
    late = browser.post(url, {**BASE, "max_leverage": "9", "confirmed": "1"})
    assert "Somebody else changed these settings meanwhile" in words(late)
    assert stored(owner).max_leverage == 3

"""A client sees what is in force and from where, is told what a change does, and makes it."""

import re
from html import unescape

import pytest
from django.test import Client

from customers.tenancy import tenant_scope
from strategies.models import Strategy
from tests.factories import TenantSettingsFactory
from tests.portal.conftest import Persona
from tests.strategies.settings.confirming import store

pytestmark = pytest.mark.django_db

BASE = {"sizing_mode": "equity_proportional", "ratio": "1", "version": "0"}


def words(response) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", response.content.decode())).split())


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
    assert "Max leverage not limited → 3" in asked
    assert "its exits are still followed" in asked
    assert stored(owner).settings_version == 0
    answer = store(browser, url, {**BASE, "close_only": "true", "max_leverage": "3"})
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
    store(browser, url, {"version": "0", "ratio": "0.5"})
    assert stored(owner).settings["symbols"] == {"BTC/USDT:USDT": {"ratio": "0.5"}}
    assert owner.copy.ratio is None
    assert "In force: 0.5 (copy (BTC/USDT:USDT))" in words(browser.get(url))
    wrong = browser.get(f"/copies/{owner.copy.pk}/settings/?symbol=BTC")
    assert "BTC is not a symbol like BTC/USDT:USDT." in words(wrong)


def test_who_has_an_old_page_overwrites_nothing(owner: Persona, browser: Client):
    url = f"/copies/{owner.copy.pk}/settings/"
    store(browser, url, {**BASE, "max_leverage": "3"})
    late = store(browser, url, {**BASE, "max_leverage": "9"})
    assert "Somebody else changed these settings meanwhile" in words(late)
    assert stored(owner).max_leverage == 3


def test_what_was_typed_after_the_question_is_asked_for_anew(owner: Persona, browser: Client):
    url = f"/copies/{owner.copy.pk}/settings/"
    asked = browser.post(url, {**BASE, "max_leverage": "3"}).content.decode()
    shown = re.search(r'name="confirmed" value="(\w+)"', asked)[1]
    again = browser.post(url, {**BASE, "max_leverage": "90", "confirmed": shown})
    assert "Max leverage not limited → 90" in words(again)
    assert stored(owner).settings_version == 0


def test_what_a_change_does_is_said_of_each_setting(owner: Persona, browser: Client):
    typed = {**BASE, "on_stop": "close", "stop_loss_percent": "5", "total_cap": "900"}
    asked = words(browser.post(f"/copies/{owner.copy.pk}/settings/", typed))
    assert "Most invested at a time : Acts on new entries." in asked
    assert "Stop loss (%) : Open positions keep their stops" in asked
    assert "Positions when the copy is stopped : Counts for all that is open" in asked


def test_a_stop_loss_that_is_not_placed_is_no_surprise(owner: Persona, browser: Client):
    url = f"/copies/{owner.copy.pk}/settings/"
    warning = "No effect while “Stops” is: as the leader."
    asked = words(browser.post(url, {**BASE, "stop_loss_percent": "5"}))
    assert f"Stop loss (%): {warning}" in asked
    store(browser, url, {**BASE, "stop_loss_percent": "5"})
    assert warning in words(browser.get(url))
    own = {**BASE, "version": "1", "stop_loss_percent": "5", "stops_mode": "own"}
    assert warning not in words(store(browser, url, own))


def test_what_the_strategy_fixed_is_not_asked_for(owner: Persona, browser: Client):
    with tenant_scope(owner.tenant.pk):
        Strategy.objects.filter(pk=owner.copy.strategy_id).update(
            settings={"values": {"sizing_mode": "leader_ratio"}, "symbols": {}},
            binding_settings=["sizing_mode"],
        )
        owner.copy.sizing_mode = "fixed_amount"
        owner.copy.settings = {"symbols": {"BTC/USDT:USDT": {"sizing_mode": "fixed_amount"}}}
        owner.copy.save()
    url = f"/copies/{owner.copy.pk}/settings/"
    page = words(browser.get(url))
    assert "In force: ratio of the leader's size (strategy; fixed by the strategy)" in page
    answer = store(browser, url, {"version": "0", "ratio": "0.5"})
    assert "The settings are stored." in words(answer)
    assert (stored(owner).sizing_mode, owner.copy.ratio * 2) == ("", 1)


def test_a_value_of_another_level_that_is_none_is_named(owner: Persona, browser: Client):
    with tenant_scope(owner.tenant.pk):
        Strategy.objects.filter(pk=owner.copy.strategy_id).update(max_leverage="200")
    url = f"/copies/{owner.copy.pk}/settings/"
    sentence = "The setting “Max leverage”, as it is stored, is no value."
    assert sentence in words(browser.get(url))
    assert "The settings are stored." in words(store(browser, url, {**BASE, "close_only": "true"}))
    assert browser.get("/copies/").status_code == 200


def test_a_value_of_its_own_that_is_none_is_mended_there(owner: Persona, browser: Client):
    owner.copy.settings = {"values": {"direction": "up", "lucky": 7}, "symbols": {}}
    with tenant_scope(owner.tenant.pk):
        owner.copy.save()
    url = f"/copies/{owner.copy.pk}/settings/"
    assert "as it is stored, is no value." in words(browser.get(url))
    answer = words(store(browser, url, {**BASE, "direction": "long_only"}))
    assert "is no value" not in answer
    assert stored(owner).settings["values"] == {"direction": "long_only"}


def test_the_card_says_what_is_in_force(owner: Persona, browser: Client):
    TenantSettingsFactory(
        tenant=owner.tenant,
        settings={"values": {"sizing_mode": "leader_ratio", "ratio": "0.5", "max_leverage": "4"}},
    )
    page = words(browser.get("/copies/"))
    assert "0.5 × the leader's size" in page
    assert "Max leverage 4×" in page


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            "BTC/USDT:USDT = ETH/USDT:USDT\nSOL/USDT:USDT = ETH/USDT:USDT",
            "ETH/USDT:USDT stands twice",
        ),
        (
            "BTC/USDT:USDT = ETH/USDT:USDT\nBTC/USDT:USDT = BTC/USD:BTC",
            "BTC/USDT:USDT stands twice",
        ),
        ("BTC/USDT:USDT", "is not a symbol like"),
    ],
)
def test_a_map_of_symbols_is_refused_with_its_field(
    owner: Persona, browser: Client, lines: str, said: str
):
    url = f"/copies/{owner.copy.pk}/settings/"
    assert said in words(browser.post(url, {**BASE, "symbol_map": lines}))
    assert stored(owner).settings_version == 0


def test_a_map_of_symbols_is_stored_and_shown_again(owner: Persona, browser: Client):
    url = f"/copies/{owner.copy.pk}/settings/"
    typed = {**BASE, "symbol_map": "btc/usdt:usdt = eth/usdt:usdt"}
    assert "BTC/USDT:USDT → ETH/USDT:USDT" in words(browser.post(url, typed))
    store(browser, url, typed)
    expected = {"BTC/USDT:USDT": "ETH/USDT:USDT"}
    assert stored(owner).settings["values"] == {"symbol_map": expected}
    assert "BTC/USDT:USDT = ETH/USDT:USDT</textarea>" in browser.get(url).content.decode()


def test_a_symbol_that_the_venue_does_not_list_is_refused(owner: Persona, browser: Client):
    url = f"/copies/{owner.copy.pk}/settings/"
    asked = words(browser.post(url, {**BASE, "symbol_map": "BTC/USDT:USDT = NEVER/USDT:USDT"}))
    assert "paper does not list NEVER/USDT:USDT." in asked

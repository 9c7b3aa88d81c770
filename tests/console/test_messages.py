"""Sources of other formats in the console: settings, token, trying a message, history, re-play."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from customers.models import AuditEntry, Membership
from customers.tenancy import tenant_scope
from signals_app.domain.parsers.registry import parsers
from signals_app.models import RawDelivery, Signal, SignalSource
from signals_app.services import parsing, price_checks
from tests.console.conftest import Enter, Firm


@pytest.fixture(autouse=True)
def _listed(monkeypatch: Any) -> None:
    symbols = dict.fromkeys(["BTC/USDT:USDT", "ETH/USDT:USDT"])
    monkeypatch.setattr(parsing.markets, "instruments", lambda venue: symbols)
    price_checks.silence_forget()


def url(name: str, source: SignalSource) -> str:
    return reverse(f"admin:signals_app_signalsource_{name}", args=[source.pk])


def tried(owner: Client, firm: Firm, message: str) -> Any:
    response = owner.post(url("try_message", firm.message_source), {"message": message})
    assert response.status_code == 200
    return response


def test_a_tried_message_shows_the_signal_and_leaves_nothing_behind(
    firm: Firm, owner: Client
) -> None:
    response = tried(owner, firm, "LONG BTC 64000-64500 SL 62000 TP1 66000 TP2 68000 10x")
    page = response.content.decode()
    for part in ("entry_low", "64500", "66000", "leverage"):
        assert part in page
    with tenant_scope(firm.tenant.pk):
        assert not Signal.objects.filter(source=firm.message_source).exists()
        assert RawDelivery.objects.filter(source=firm.message_source).count() == 1  # the firm's


def test_a_tried_message_says_precisely_what_is_wrong(firm: Firm, owner: Client) -> None:
    page = tried(owner, firm, "LONG BTC and ETH").content.decode()
    assert "The message names several symbols: BTC/USDT:USDT, ETH/USDT:USDT." in page
    assert "symbol_several" in page
    owner.cookies["django_language"] = "zh-hans"
    assert "消息写了多个交易对" in tried(owner, firm, "LONG BTC and ETH").content.decode()


TRIALS: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "tradingview": (
        {},
        '{"ticker": "BTCUSDT.P", "action": "enter_long", "leverage": 7}',
        '{"ticker": "BTCUSDT.P", "action": "buy"}',
        "“buy” alone may open or close.",
    ),
    "three_commas": (
        {},
        '{"tv_instrument": "BTCUSDT.P", "action": "enter_long", "leverage": 7}',
        '{"tv_instrument": "NOPEUSDT", "action": "enter_long"}',
        "lists no symbol “NOPEUSDT”.",
    ),
    "mapped": (
        {"fields": {"symbol": "$.s", "action": "$.a", "side": "$.d"}},
        '{"s": "BTC", "a": "open", "d": "long"}',
        '{"s": "BTC", "d": "long"}',
        "The field action is missing.",
    ),
    "channel_text": (
        {},
        "LONG BTC 7x",
        "LONG BTC 64000 TP 63000",
        "is on the wrong side of the entry",
    ),
}


@pytest.mark.parametrize("name", sorted(parsers()))
def test_messages_of_every_format_can_be_tried(firm: Firm, owner: Client, name: str) -> None:
    config, good, bad, reason = TRIALS[name]
    with tenant_scope(firm.tenant.pk):
        SignalSource.objects.filter(pk=firm.message_source.pk).update(
            parser=name, parser_config=config
        )
    trial = tried(owner, firm, good).context["trial"]
    assert trial.reason == ""
    (signal,) = trial.signals
    assert "BTC/USDT:USDT" in str(signal)
    page = tried(owner, firm, bad)
    assert page.context["trial"].signals == []
    assert reason in page.context["trial"].reason
    for rubbish in ("", "\x00", "[" * 9000, "%s", "\ufffd"):
        answer = owner.post(url("try_message", firm.message_source), {"message": rubbish})
        assert answer.status_code == 200
        assert not answer.context["trial"] or answer.context["trial"].signals == []


def test_tandems_own_json_can_be_tried_too(firm: Firm, owner: Client) -> None:
    response = owner.post(url("try_message", firm.source), {"message": '{"action": "open"}'})
    assert "The field symbol is missing." in response.content.decode()
    assert owner.get(url("try_message", firm.manual_source)).status_code == 409


def test_tandems_own_json_is_tried_against_the_venue_too(
    firm: Firm, owner: Client, monkeypatch: Any
) -> None:
    listed = frozenset({"BTC/USDT:USDT"})
    monkeypatch.setattr("signals_app.services.signals.known_symbols", lambda venue: listed)
    monkeypatch.setattr(
        "signals_app.services.price_checks.markets.last_price", lambda *_, **__: Decimal(64000)
    )
    entry = {"action": "open", "side": "long", "emitted_at": timezone.now().isoformat()}

    def page(**fields: str) -> str:
        message = json.dumps({**entry, **fields})
        answer = owner.post(url("try_message", firm.source), {"message": message})
        return answer.content.decode()

    assert "lists no symbol “ETH/USDT:USDT”" in page(symbol="ETH/USDT:USDT")
    wrong_side = page(symbol="BTC/USDT:USDT", take_profit="60000")
    assert "take_profit at 60000 is on the wrong side" in wrong_side
    not_a_number = page(symbol="BTC/USDT:USDT", size="many", size_basis="base")
    assert "size is no usable number." in not_a_number
    assert "%(" not in not_a_number


def change_form(source: SignalSource, **fields: Any) -> dict[str, Any]:
    return {
        "name": source.name,
        "partner": "",
        "parser": source.parser,
        "parser_config": json.dumps(source.parser_config),
        "repeat_seconds": "60",
        "signal_lifetime_seconds": "60",
        **fields,
    }


def test_settings_are_checked_when_they_are_saved(firm: Firm, owner: Client) -> None:
    source = firm.message_source
    bad = {"parser": "mapped", "parser_config": '{"fields": {"symbol": "pair"}}'}
    response = owner.post(url("change", source), change_form(source, **bad))
    assert response.status_code == 200
    assert "no JSONPath like $.order.side" in response.content.decode()
    good = {"parser": "tradingview", "parser_config": '{"market": "spot"}'}
    response = owner.post(url("change", source), change_form(source, **good))
    assert response.status_code == 302
    with tenant_scope(firm.tenant.pk):
        source.refresh_from_db()
    assert (source.parser, source.parser_config) == ("tradingview", {"market": "spot"})


def test_the_token_is_shown_once_inside_its_address(firm: Firm, owner: Client) -> None:
    source = firm.message_source
    response = owner.post(url("rotate_secret", source))
    address = response.context["secret"]
    assert f"/hooks/{source.pk}/tdm_" in address
    assert "no-store" in response["Cache-Control"]
    token = address.rstrip("/").rsplit("/", 1)[-1]
    assert token not in owner.get(url("change", source)).content.decode()
    assert token not in repr(list(AuditEntry.objects.values()))
    assert Client().post(address, "LONG BTC 64000", "text/plain").status_code == 202


def test_the_history_shows_the_reason_and_reads_again(firm: Firm, owner: Client) -> None:
    page = reverse("admin:signals_app_rawdelivery_change", args=[firm.raw_delivery.pk])
    text = owner.get(page).content.decode()
    assert "The message names no symbol." in text
    assert "LONG 64000" in text
    replay = reverse("admin:signals_app_rawdelivery_replay", args=[firm.raw_delivery.pk])
    assert owner.post(replay, {"reason": "fixed"}).status_code == 302
    with tenant_scope(firm.tenant.pk):
        firm.raw_delivery.refresh_from_db()
    assert (firm.raw_delivery.state, firm.raw_delivery.replays) == ("pending", 1)
    owner.post(replay, {"reason": "again"})
    with tenant_scope(firm.tenant.pk):
        firm.raw_delivery.refresh_from_db()
    assert firm.raw_delivery.replays == 1


def test_only_who_trades_may_read_again(firm: Firm, other_firm: Firm, enter: Enter) -> None:
    replay = reverse("admin:signals_app_rawdelivery_replay", args=[firm.raw_delivery.pk])
    for role in (Membership.Role.SUPPORT, Membership.Role.AUDITOR):
        assert enter(role).post(replay, {"reason": ""}).status_code == 403
    stranger = enter(Membership.Role.OWNER, other_firm.tenant)
    assert stranger.post(replay, {"reason": ""}).status_code == 404
    with tenant_scope(firm.tenant.pk):
        firm.raw_delivery.refresh_from_db()
    assert firm.raw_delivery.state == "quarantined"


def test_script_in_a_message_stays_text(firm: Firm, owner: Client) -> None:
    with tenant_scope(firm.tenant.pk):
        RawDelivery.objects.filter(pk=firm.raw_delivery.pk).update(
            body=b"<script>alert(1)</script> LONG", reason_params={}
        )
    for page in (
        reverse("admin:signals_app_rawdelivery_change", args=[firm.raw_delivery.pk]),
        reverse("admin:signals_app_rawdelivery_changelist"),
    ):
        assert b"<script>alert(1)" not in owner.get(page).content


def test_the_page_of_a_delivery_names_its_state(firm: Firm, owner: Client) -> None:
    page = reverse("admin:signals_app_rawdelivery_change", args=[firm.raw_delivery.pk])
    assert "(&#x27;quarantined" not in owner.get(page).content.decode()

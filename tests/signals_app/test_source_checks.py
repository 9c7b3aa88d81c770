"""Sane prices, how often, what is missing, and sources that misbehave."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone, translation

from customers.models import AuditEntry, Event
from customers.tenancy import tenant_scope
from signals_app.models import IntakeState, SignalSource
from signals_app.problem_texts import problem_text
from signals_app.services import intake_limits, price_checks
from signals_app.services.sources import source_pause, source_resume
from tests.signals_app.conftest import signal_json
from tests.signals_app.deliveries import (
    BUY,
    deliveries_of,
    message_source,
    read,
    send,
    signals_of,
)
from trading.alert_texts import alert_text
from trading.models import Alert

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def market_price(monkeypatch: Any) -> dict[str, Decimal | None]:
    prices: dict[str, Decimal | None] = {"BTC/USDT:USDT": Decimal(64000)}
    monkeypatch.setattr(price_checks.markets, "last_price", lambda _, name, **__: prices.get(name))
    intake_limits.budgets_clear()
    price_checks.silence_forget()
    return prices


def change(source: SignalSource, **fields: Any) -> None:
    with tenant_scope(source.tenant_id):
        SignalSource.objects.filter(pk=source.pk).update(**fields)
        source.refresh_from_db()


def alerts(source: SignalSource) -> list[tuple[str, bool]]:
    with tenant_scope(source.tenant_id):
        rows = Alert.objects.order_by("pk").values_list("code", "resolved_at")
        return [(code, resolved is None) for code, resolved in rows]


# --- prices -------------------------------------------------------------------------------------


def test_a_price_far_from_the_market_is_quarantined_and_an_exit_is_not_asked() -> None:
    source, token = message_source("channel_text", max_price_deviation_percent=Decimal(5))
    for message in ("LONG BTC 6400", "LONG BTC 64000-68000", "LONG BTC 66000", "close BTC"):
        send(source, token, message)
    read(source)
    rows = deliveries_of(source)
    assert [(row.state, row.reason_code) for row in rows] == [
        ("quarantined", "price_off_market"), ("quarantined", "price_off_market"),
        ("parsed", ""), ("parsed", ""),
    ]  # fmt: skip
    with translation.override("zh-hans"):
        text = problem_text(rows[0].reason_code, rows[0].reason_params)
    assert "6400" in text
    assert "5 %" in text


def test_without_a_price_of_the_market_a_message_waits(market_price: dict[str, Any]) -> None:
    source, token = message_source("channel_text", max_price_deviation_percent=Decimal(5))
    market_price.clear()
    send(source, token, "LONG BTC 64000")
    assert read(source) == 0
    assert deliveries_of(source)[0].state == "pending"


def test_signed_signals_are_compared_before_they_are_taken(
    deliver: Any, source: SignalSource, market_price: dict[str, Any]
) -> None:
    change(source, max_price_deviation_percent=Decimal(5))
    answer = deliver(signal_json(price="70000"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "price_off_market")
    assert deliver(signal_json(price="65000"), delivery_id="b").status_code == 202
    market_price.clear()
    assert deliver(signal_json(price="65000"), delivery_id="c").status_code == 503
    assert deliver(signal_json(), delivery_id="d").status_code == 202


def test_a_price_of_another_market_is_quarantined_without_a_setting(
    market_price: dict[str, Any],
) -> None:
    """Somebody's coin that is not listed, and a remark about one that is."""
    source, token = message_source("channel_text")
    for message in (
        "SHORT XYZ entry 5 SL 6. BTC weak",
        "LONG BTC 640",
        "LONG BTC 60000",
        "close BTC",
    ):
        send(source, token, message)
    read(source)
    rows = deliveries_of(source)
    assert [(row.state, row.reason_code) for row in rows] == [
        ("quarantined", "price_off_market"), ("quarantined", "price_off_market"),
        ("parsed", ""), ("parsed", ""),
    ]  # fmt: skip
    market_price.clear()
    send(source, token, "LONG BTC 630")
    read(source)
    assert deliveries_of(source)[-1].state == "parsed"  # nobody asked for more than a try


@pytest.mark.parametrize(
    ("levels", "field"),
    [
        ({"take_profit": "60000"}, "take_profit"),
        ({"stop_loss": "65000"}, "stop_loss"),
        ({"targets": [{"price": "63000"}, {"price": "70000"}]}, "targets"),
        ({"side": "short", "take_profit": "64000"}, "take_profit"),
        ({"side": "short", "stop_loss": "63999"}, "stop_loss"),
    ],
)
def test_a_market_entry_that_its_own_stops_would_close_at_once_is_refused(
    deliver: Any, source: SignalSource, market_price: dict[str, Any],
    levels: dict[str, Any], field: str,
) -> None:  # fmt: skip
    answer = deliver(signal_json(**levels))
    assert answer.status_code == 422
    assert (answer.json()["error"]["code"], answer.json()["error"]["field"]) == (
        "wrong_side_of_market", field,
    )  # fmt: skip
    assert signals_of(source) == []
    market_price.clear()
    assert deliver(signal_json(**levels), delivery_id="b").status_code == 202


def test_a_target_on_the_wrong_side_of_the_market_is_quarantined_in_words() -> None:
    source, token = message_source("channel_text")
    for message in ("LONG BTC TP 60000", "LONG BTC TP 66000 SL 62000"):
        send(source, token, message)
    read(source)
    wrong, right = deliveries_of(source)
    assert (wrong.state, wrong.reason_code) == ("quarantined", "wrong_side_of_market")
    assert right.state == "parsed"
    assert "take_profit at 60000" in problem_text(wrong.reason_code, wrong.reason_params)
    with translation.override("zh-hans"):
        text = problem_text(wrong.reason_code, wrong.reason_params)
    assert "60000" in text
    assert "wrong side" not in text


# --- how often ----------------------------------------------------------------------------------


def test_entries_beyond_the_limit_are_refused_and_exits_go(
    deliver: Any, source: SignalSource
) -> None:
    change(source, entries_per_minute=2)
    entry = signal_json()
    statuses = [deliver(entry, delivery_id=f"m{number}").status_code for number in range(3)]
    assert statuses == [202, 202, 429]
    assert deliver(entry, delivery_id="m0").status_code == 202  # what was taken before
    close = {"action": "close", "symbol": "BTC/USDT:USDT", "emitted_at": timezone.now().isoformat()}
    assert deliver(close, delivery_id="exit").status_code == 202


def test_messages_beyond_the_limit_go_to_quarantine() -> None:
    source, token = message_source(entries_per_minute=1, repeat_seconds=0)
    for number in range(2):
        send(source, token, {**BUY, "n": number})
    read(source)
    assert [row.reason_code for row in deliveries_of(source)] == ["", "rate_limited"]


# --- missing numbers ----------------------------------------------------------------------------


def test_missing_numbers_are_noted_and_told(deliver: Any, source: SignalSource) -> None:
    for number in (1, 2, 5):
        assert deliver(signal_json(sequence=number), delivery_id=str(number)).status_code == 202
    assert deliver(signal_json(sequence=5), delivery_id="again").status_code == 202
    with tenant_scope(source.tenant_id):
        state = IntakeState.objects.get(source=source)
        event = Event.objects.get(kind="source.sequence_gap")
        alert = Alert.objects.get()
    assert (state.last_sequence, state.gaps) == (5, [[3, 4]])
    assert (event.payload["first"], event.payload["last"]) == (3, 4)
    assert "the numbers 3 to 4" in alert_text(alert.code, alert.params)


def test_an_equal_signal_twice_is_counted_once(deliver: Any, source: SignalSource) -> None:
    body = signal_json(sequence=1)
    for _ in range(2):
        deliver(body, delivery_id="same")
    with tenant_scope(source.tenant_id):
        assert IntakeState.objects.get(source=source).last_sequence == 1


# --- misbehaviour -------------------------------------------------------------------------------


def test_a_source_that_sends_rubbish_is_paused_and_told_of() -> None:
    source, token = message_source("channel_text", problems_to_pause=3, repeat_seconds=0)
    for number in range(4):
        send(source, token, f"LONG {64000 + number}")
    send(source, token, "hello")
    read(source)
    change(source)
    assert (source.status, source.paused_code) == ("paused", "too_many_problems")
    assert source.paused_params == {"problems": "3", "minutes": "10"}
    assert alerts(source) == [("source_paused", True)]
    entry = AuditEntry.objects.get(action="source.paused")
    assert (entry.actor_id, entry.details["problems"]) == (None, "3")

    # what comes now is kept, and good messages are not read either
    send(source, token, "LONG BTC 64000")
    read(source)
    assert deliveries_of(source)[-1].reason_code == "source_paused"
    assert signals_of(source) == []

    with tenant_scope(source.tenant_id):
        assert source_resume(source=source, actor=None)
    assert alerts(source) == [("source_paused", False)]
    send(source, token, "LONG 65000")  # the problems from before do not count again
    read(source)
    change(source)
    assert source.status == "active"


def test_exits_of_a_source_that_the_system_paused_are_followed_and_staff_can_stop_them(
    deliver: Any, source: SignalSource
) -> None:
    change(source, problems_to_pause=1)
    deliver(signal_json(size="-1"), delivery_id="rubbish")
    change(source)
    assert source.paused_code == "too_many_problems"
    now = timezone.now().isoformat()
    close = {"action": "close", "symbol": "BTC/USDT:USDT", "emitted_at": now}
    half = {**close, "action": "reduce", "size": "0.5", "size_basis": "position_fraction"}
    flip = signal_json(action="flip", side="short")
    for number, signal in enumerate((close, half, flip)):
        assert deliver(signal, delivery_id=f"m{number}").status_code == 202
    assert deliver(signal_json(), delivery_id="entry").status_code == 403
    assert [signal.action for signal in signals_of(source)] == ["close", "reduce", "close"]
    with tenant_scope(source.tenant_id):
        source_resume(source=source, actor=None)
        source_pause(source=source, reason="stop it all", actor=None)
    assert deliver(close, delivery_id="exit").status_code == 403


def test_signed_rubbish_counts_and_a_strangers_does_not(deliver: Any, source: SignalSource) -> None:
    change(source, problems_to_pause=3)
    for number in range(5):
        deliver(delivery_id=f"s{number}", secret="whsec_d3Jvbmc=")
    change(source)
    assert source.status == "active"
    for number in range(3):
        deliver(signal_json(size="-1"), delivery_id=f"r{number}")
    change(source)
    assert source.status == "paused"
    answer = deliver(delivery_id="fine")
    assert answer.status_code == 403
    assert "3 unusable messages within 10 minutes" in answer.json()["error"]["message"]


def test_nought_means_never(deliver: Any, source: SignalSource) -> None:
    change(source, problems_to_pause=0)
    for number in range(5):
        deliver(signal_json(size="-1"), delivery_id=f"r{number}")
    change(source)
    assert source.status == "active"


def test_staff_who_pause_a_source_get_no_alert_of_it(source: SignalSource) -> None:
    with tenant_scope(source.tenant_id):
        source_pause(source=source, reason="lunch", actor=None)
    assert alerts(source) == []

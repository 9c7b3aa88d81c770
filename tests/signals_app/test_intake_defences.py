"""What a stranger, a broken message or a defect of ours must not do to a source's next message."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from customers.tenancy import tenant_scope
from signals_app.domain.parsers.base import ConfigError
from signals_app.domain.parsers.registry import parser_named
from signals_app.services import intake_limits, parsing, rejections
from tests.conftest import PaperServer
from tests.factories import SourceFactory
from tests.signals_app.conftest import signal_json
from tests.signals_app.deliveries import (
    BUY,
    deliveries_of,
    message_source,
    read,
    send,
    signals_of,
)
from venues import markets, runtime

pytestmark = pytest.mark.django_db

EXIT = {**BUY, "action": "sell", "market_position": "flat", "prev_market_position": "long"}


@pytest.fixture(autouse=True)
def _fresh_budgets() -> None:
    intake_limits.budgets_clear()
    rejections.budget.clear()


def test_a_strangers_flood_leaves_the_sender_its_messages(monkeypatch: Any) -> None:
    monkeypatch.setattr(intake_limits, "DELIVERIES_PER_MINUTE", 2)
    source, token = message_source()
    for _ in range(5):
        assert send(source, "tdm_" + "x" * 32, BUY).status_code == 401
    assert [send(source, token, BUY).status_code for _ in range(3)] == [202, 202, 429]


def test_an_address_is_the_same_on_a_socket_for_both_kinds() -> None:
    source, token = message_source(parser_config={"only_published_addresses": True})
    mapped = send(source, token, BUY, REMOTE_ADDR="::ffff:52.89.214.238")
    assert mapped.status_code == 202
    assert send(source, token, BUY, REMOTE_ADDR="::ffff:52.89.214.1").status_code == 403
    assert send(source, token, BUY, REMOTE_ADDR="2001:db8::1").status_code == 403


# --- one message never stops those behind it ----------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        '{"text": "LONG BTC 64000", "message_id": "\\ud800"}',
        '{"text": "LONG \\udfff 64000 SL 62000", "message_id": 1}',
        '{"\\uD83D": 1, "text": "LONG BTC 64000"}',
    ],
)
def test_half_a_character_is_quarantined_and_what_follows_is_read(message: str) -> None:
    source, token = message_source("channel_text")
    send(source, token, message)
    send(source, token, '{"text": "close BTC \\ud83d\\ude80", "message_id": 2}')
    assert read(source) == 2
    assert [row.state for row in deliveries_of(source)] == ["quarantined", "parsed"]
    assert [signal.action for signal in signals_of(source)] == ["close"]


def test_half_a_character_is_no_json_at_the_signed_door(deliver: Any) -> None:
    body = json.dumps(signal_json()).replace('"open"', '"\\ud800"').encode()
    answer = deliver(body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")


@pytest.mark.parametrize("where", ["payload_parse", "signal_accept"])
def test_a_defect_of_ours_costs_one_message_and_not_the_source(
    where: str, monkeypatch: Any
) -> None:
    source, token = message_source(problems_to_pause=1)
    send(source, token, BUY)
    send(source, token, EXIT)
    real = getattr(parsing, where)
    calls: list[Any] = []

    def defect(**arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 1:
            raise ValueError("a defect")
        return real(**arguments)

    monkeypatch.setattr(parsing, where, defect)
    assert read(source) == 2
    rows = deliveries_of(source)
    assert [(row.state, row.reason_code) for row in rows] == [
        ("quarantined", "not_read"), ("parsed", ""),
    ]  # fmt: skip
    assert [signal.action for signal in signals_of(source)] == ["close"]
    with tenant_scope(source.tenant_id):
        source.refresh_from_db()
    assert source.status == "active"  # it is no problem of the sender's


# --- what is an exit goes -----------------------------------------------------------------------


def test_a_flip_beyond_the_limit_closes_and_opens_nothing(deliver: Any, source: Any) -> None:
    with tenant_scope(source.tenant_id):
        source.entries_per_minute = 1
        source.save()
    assert deliver(signal_json(), delivery_id="a").status_code == 202
    flip = signal_json(
        action="flip", side="short", leader_position_before="5", leader_position_after="-5",
        stop_loss="70000",
    )  # fmt: skip
    for _ in range(2):
        assert deliver(flip, delivery_id="b").status_code == 202
    _, taken = signals_of(source)
    assert (taken.action, taken.side, taken.size, taken.stop_loss) == ("close", "long", None, None)
    assert (taken.leader_position_before, taken.leader_position_after) == (5, 0)


# --- an answer in time --------------------------------------------------------------------------


def test_a_venue_that_is_slow_to_tell_a_price_is_not_waited_for(
    paper_exchange: PaperServer, deliver: Any
) -> None:
    """Senders give up after 3 s, and would not know what became of it."""
    runtime.close_gateways()
    markets.forget_markets()
    source = SourceFactory(venue="paper", max_price_deviation_percent=Decimal(5))
    paper_exchange.control.add_fault("delay", endpoint="market/ticker*", ms=4_000)
    try:
        answer = deliver(signal_json(price="64000"), to=source.pk)
    finally:
        paper_exchange.control.clear_faults()
        runtime.close_gateways()
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "price_unavailable")


# --- paths that would walk for hours ------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "$..*..*",
        "$..a..b",
        "$[*][*][*][*]",
        "$[?count($..*) > 1]",
        "$[?@.id == $.id]",
        "$[" + ",".join("*" * 14) + "]",
        "$[?@[?@[?@[?@.a]]]]",
        "$." + "a" * 200,
    ],
)
def test_a_path_that_may_take_for_ever_is_refused(path: str) -> None:
    fields = {"symbol": "$.s", "action": "$.a", "id": path}
    with pytest.raises(ConfigError) as refused:
        parser_named("mapped").config({"fields": fields})
    assert refused.value.code == "bad_path"


@pytest.mark.parametrize(
    "path",
    [
        "$.order.pair",
        "$['$type']['a..b,c*?']",
        "$..order",
        "$.orders[*].legs[*]",
        "$.legs[?@.kind == 'main' && @.size > 0].pair",
        "$['tp1','tp2','tp3','tp4']",
    ],
)
def test_paths_that_payloads_need_are_taken(path: str) -> None:
    parser_named("mapped").config({"fields": {"symbol": path, "action": "$.a"}})

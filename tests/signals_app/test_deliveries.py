"""Messages in other formats: stored first, answered, then read, into a signal or quarantine."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from customers.models import AuditEntry, Event
from customers.tenancy import tenant_scope
from signals_app.domain.canonical import FIELD_NAMES
from signals_app.domain.parsers.registry import parsers
from signals_app.models import RawDelivery, SignalSource, WebhookRejection
from signals_app.services import deliveries, intake_limits, parsing, rejections
from signals_app.services.sources import source_drop_previous_secret, source_rotate_token
from signals_app.tasks import deliveries_sweep
from tests.factories import RawDeliveryFactory, SourceFactory
from tests.signals_app.conftest import signed
from tests.signals_app.deliveries import (
    BUY,
    deliveries_of,
    message_source,
    read,
    send,
    signals_of,
)
from venues.domain.types import VenueError, VenueErrorKind

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_budgets() -> None:
    intake_limits.budgets_clear()


def change(source: SignalSource, **fields: Any) -> None:
    with tenant_scope(source.tenant_id):
        SignalSource.objects.filter(pk=source.pk).update(**fields)


def replay(delivery: RawDelivery) -> bool:
    return deliveries.delivery_replay(delivery=delivery, actor=None)


def test_a_message_is_stored_as_it_came_and_answered_before_it_is_read(
    wakes: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    source, token = message_source()
    with django_capture_on_commit_callbacks(execute=True):
        answer = send(source, token, BUY)
    (delivery,) = deliveries_of(source)
    assert (answer.status_code, answer.json()) == (202, {"id": delivery.pk})
    assert json.loads(delivery.body) == BUY
    assert (delivery.state, delivery.content_type) == ("pending", "application/json")
    assert signals_of(source) == []
    assert wakes == [
        (deliveries.PARSE_TASK, {"source_id": source.pk, "tenant_id": source.tenant_id})
    ]

    assert read(source) == 1
    (signal,) = signals_of(source)
    (delivery,) = deliveries_of(source)
    assert (signal.action, signal.symbol, signal.side) == ("open", "BTC/USDT:USDT", "long")
    assert (str(signal.size), signal.size_basis) == ("0.25", "base")
    assert signal.emitted_at == signal.received_at == delivery.received_at
    assert (delivery.state, delivery.signal_ids) == ("parsed", [signal.pk])
    assert (delivery.parser, delivery.parser_version) == ("tradingview", 1)


def test_targets_and_the_entry_range_are_kept_with_the_signal() -> None:
    source, token = message_source("channel_text")
    send(source, token, "LONG BTC 64000-64500 SL 62000 TP1 66000 TP2 68000 10x")
    read(source)
    (signal,) = signals_of(source)
    assert (signal.entry_low, signal.entry_high, signal.price) == (64000, 64500, 64500)
    assert [target["price"] for target in signal.targets] == ["66000", "68000"]


def test_a_delivery_costs_one_look_up_and_one_insert(django_assert_num_queries: Any) -> None:
    source, token = message_source()
    with django_assert_num_queries(4):  # and a savepoint around the insert
        assert send(source, token, BUY).status_code == 202


# --- who may send -------------------------------------------------------------------------------


def test_the_token_may_stand_in_the_message_and_is_masked_before_it_is_stored() -> None:
    source, token = message_source()
    for message in ({**BUY, "anything": token}, f"buy BTCUSDT key={token}"):
        assert send(source, "", message).status_code == 202
    for delivery in deliveries_of(source):
        assert token.encode() not in bytes(delivery.body)
        assert b"tdm_***" in bytes(delivery.body)


def test_nothing_is_stored_for_who_has_no_live_token() -> None:
    source, token = message_source()
    other, foreign = message_source()
    for wrong in ("", "x", token[:-1], token.lower(), foreign):
        answer = send(source, wrong, BUY)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "wrong_token")
    assert deliveries_of(source) == deliveries_of(other) == []
    assert set(WebhookRejection.objects.values_list("code", flat=True)) == {"wrong_token"}


def test_a_source_without_a_token_takes_nothing() -> None:
    source, token = message_source()
    change(source, token_hash="")
    assert send(source, token, BUY).json()["error"]["code"] == "source_without_token"


def test_two_tokens_are_live_while_one_is_changed() -> None:
    source, old = message_source()
    with tenant_scope(source.tenant_id):
        new = source_rotate_token(source=source, actor=None)
    assert send(source, old, BUY).status_code == send(source, new, BUY).status_code == 202
    with tenant_scope(source.tenant_id):
        source_drop_previous_secret(source=source, actor=None)
    assert (send(source, old, BUY).status_code, send(source, new, BUY).status_code) == (401, 202)


def test_only_a_hash_of_the_token_is_kept() -> None:
    source, token = message_source()
    row = SignalSource.objects.filter(pk=source.pk)
    with tenant_scope(source.tenant_id):
        values = row.values().get()
    assert token not in repr(values)
    assert token not in repr(list(AuditEntry.objects.values()))


def test_the_senders_addresses_are_checked_when_the_source_asks_for_it() -> None:
    source, token = message_source(parser_config={"only_published_addresses": True})
    assert send(source, token, BUY).json()["error"]["code"] == "address_not_allowed"
    assert send(source, token, BUY, REMOTE_ADDR="52.32.178.7").status_code == 202
    change(source, parser_config={"only_from": ["10.0.0.0/8"]})
    assert send(source, token, BUY, REMOTE_ADDR="10.1.2.3").status_code == 202
    assert send(source, token, BUY, REMOTE_ADDR="52.32.178.7").status_code == 403


def test_a_sender_that_can_sign_needs_no_token() -> None:
    source = SourceFactory(parser="mapped", parser_config=MAPPING)
    body = b'{"pair": "BTCUSDT", "do": "close"}'
    headers = signed(body, delivery_id="evt_1")
    for _ in range(2):
        answer = Client().post(f"/hooks/{source.pk}/", body, "application/json", headers=headers)
        assert answer.status_code == 202
    read(source)
    assert [delivery.state for delivery in deliveries_of(source)] == ["parsed", "duplicate"]


MAPPING = {"fields": {"symbol": "$.pair", "action": "$.do"}}


def test_a_flood_is_stopped_before_it_is_stored(monkeypatch: Any) -> None:
    monkeypatch.setattr(intake_limits, "DELIVERIES_PER_MINUTE", 3)
    source, token = message_source()
    statuses = [send(source, token, BUY).status_code for _ in range(5)]
    assert statuses == [202, 202, 202, 429, 429]
    assert len(deliveries_of(source)) == 3


def test_a_large_body_is_not_stored() -> None:
    source, token = message_source()
    answer = send(source, token, "x" * (deliveries.MAX_DELIVERY_BYTES + 1))
    assert answer.status_code == 413
    assert deliveries_of(source) == []


def test_tokens_appear_in_no_log_line(caplog: Any) -> None:
    caplog.set_level("DEBUG")
    source, token = message_source()
    send(source, token, BUY)
    Client().get(f"/hooks/{source.pk}/{token}/")
    send(source, token, {"x": token * 3})
    logging.getLogger("uvicorn.access").info('%s - "POST %s"', "127.0.0.1", f"/hooks/a/{token}/")
    read(source)
    assert "tdm_***" in caplog.text
    assert token not in caplog.text


# --- the same alert again -----------------------------------------------------------------------


def test_one_alert_in_four_deliveries_is_one_signal() -> None:
    source, token = message_source()
    for _ in range(4):
        send(source, token, BUY)
    read(source)
    assert [delivery.state for delivery in deliveries_of(source)] == [
        "parsed", "duplicate", "duplicate", "duplicate",
    ]  # fmt: skip
    assert len(signals_of(source)) == 1
    first, *others = deliveries_of(source)
    assert {other.reason_params["first"] for other in others} == {first.pk}


def test_without_a_time_of_its_own_an_equal_message_later_is_another_alert() -> None:
    source, token = message_source(repeat_seconds=30)
    for seconds_ago in (100, 75, 5):
        send(source, token, BUY)
        with tenant_scope(source.tenant_id):
            RawDelivery.objects.filter(pk=deliveries_of(source)[-1].pk).update(
                received_at=timezone.now() - timedelta(seconds=seconds_ago)
            )
    read(source)
    assert [row.state for row in deliveries_of(source)] == ["parsed", "duplicate", "parsed"]
    assert len(signals_of(source)) == 2


def test_with_a_time_an_equal_message_is_the_same_alert_whenever_it_comes() -> None:
    source, token = message_source(repeat_seconds=0)
    timed = {**BUY, "timenow": timezone.now().isoformat()}
    later = {**BUY, "timenow": (timezone.now() - timedelta(seconds=7)).isoformat()}
    for message in (timed, timed, later):
        send(source, token, message)
        read(source)
    assert [row.state for row in deliveries_of(source)] == ["parsed", "duplicate", "parsed"]
    assert len(signals_of(source)) == 2


def test_an_id_of_the_sender_is_good_for_one_text() -> None:
    config = {"fields": {**MAPPING["fields"], "id": "$.id"}}
    source, token = message_source("mapped", parser_config=config)
    for what in ("close", "close", "reduce"):
        extra = {"size": "1", "size_basis": "base"} if what == "reduce" else {}
        send(source, token, {"id": 7, "pair": "BTCUSDT", "do": what, **extra})
    change(source, parser_config={"fields": {**config["fields"], "size": "$.size",
                                             "size_basis": "$.size_basis"}})  # fmt: skip
    read(source)
    states = [(row.state, row.reason_code) for row in deliveries_of(source)]
    assert states == [
        ("parsed", ""), ("duplicate", ""), ("quarantined", "duplicate_id_different_body"),
    ]  # fmt: skip
    assert len(signals_of(source)) == 1


# --- quarantine and re-play ---------------------------------------------------------------------


def test_what_cannot_be_understood_waits_in_quarantine_with_its_reason() -> None:
    source, token = message_source("channel_text")
    for message in ("LONG 64000", "LONG BTC and ETH", "hello there"):
        send(source, token, message)
    read(source)
    assert [(row.state, row.reason_code) for row in deliveries_of(source)] == [
        ("quarantined", "symbol_missing"),
        ("quarantined", "symbol_several"),
        ("ignored", "chat"),
    ]
    assert signals_of(source) == []
    with tenant_scope(source.tenant_id):
        kinds = list(Event.objects.values_list("kind", flat=True))
    assert kinds == ["delivery.quarantined"] * 2


def test_a_replay_after_a_fix_makes_the_signal_once() -> None:
    source, token = message_source()
    send(source, token, {**BUY, "ticker": "GOLDEN"})
    read(source)
    (delivery,) = deliveries_of(source)
    assert delivery.reason_code == "symbol_unknown"
    change(source, parser_config={"symbols": {"GOLDEN": "ETH/USDT:USDT"}})
    assert replay(delivery)
    assert not replay(delivery)  # it waits to be read
    read(source)
    (signal,) = signals_of(source)
    assert signal.symbol == "ETH/USDT:USDT"
    assert signal.emitted_at == delivery.received_at  # as old as it is
    (delivery,) = deliveries_of(source)
    assert (delivery.state, delivery.replays, delivery.signal_ids) == ("parsed", 1, [signal.pk])
    assert not replay(delivery)
    assert read(source) == 0
    assert len(signals_of(source)) == 1
    assert AuditEntry.objects.filter(action="delivery.replayed").count() == 1


def test_a_repeat_of_a_quarantined_message_is_not_replayed() -> None:
    source, token = message_source()
    for _ in range(2):
        send(source, token, {**BUY, "ticker": "GOLDEN"})
    read(source)
    first, again = deliveries_of(source)
    assert (first.state, again.state) == ("quarantined", "duplicate")
    assert not replay(again)


def test_a_paused_source_keeps_what_comes() -> None:
    source, token = message_source()
    change(source, status="paused", paused_reason="lunch")
    assert send(source, token, BUY).status_code == 202
    read(source)
    (delivery,) = deliveries_of(source)
    assert (delivery.state, delivery.reason_code) == ("quarantined", "source_paused")
    change(source, status="active")
    assert replay(delivery)
    read(source)
    assert len(signals_of(source)) == 1


def test_settings_that_do_not_fit_send_to_quarantine_and_not_to_nowhere() -> None:
    source, token = message_source(parser_config={"no such": 1})
    assert send(source, token, BUY).status_code == 202
    read(source)
    assert deliveries_of(source)[0].reason_code == "format_unusable"


def test_one_bad_item_means_no_signal_of_the_delivery() -> None:
    source, token = message_source("mapped", parser_config={**MAPPING, "items": "$[*]"})
    body = [{"pair": "BTCUSDT", "do": "close"}, {"pair": "NOPE", "do": "close"}]
    send(source, token, json.dumps(body))
    read(source)
    assert signals_of(source) == []
    assert deliveries_of(source)[0].reason_code == "symbol_unknown"


# --- when things are down -----------------------------------------------------------------------


def test_without_the_venues_symbols_messages_wait_in_their_order(monkeypatch: Any) -> None:
    source, token = message_source()
    send(source, token, BUY)
    send(source, token, {**BUY, "market_position": "flat", "prev_market_position": "long",
                         "action": "sell"})  # fmt: skip

    def down(venue: str) -> Any:
        raise VenueError(VenueErrorKind.UNAVAILABLE, message="down")

    listed = parsing.markets.instruments
    monkeypatch.setattr(parsing.markets, "instruments", down)
    assert read(source) == 0
    assert [row.state for row in deliveries_of(source)] == ["pending", "pending"]
    monkeypatch.setattr(parsing.markets, "instruments", listed)
    with tenant_scope(source.tenant_id):
        RawDelivery.objects.update(due_at=timezone.now())
    assert read(source) == 2
    assert [signal.action for signal in signals_of(source)] == ["open", "close"]


def test_nobody_waits_for_ever(monkeypatch: Any) -> None:
    source, token = message_source()
    send(source, token, BUY)
    with tenant_scope(source.tenant_id):
        RawDelivery.objects.update(received_at=timezone.now() - parsing.PATIENCE)

    def down(venue: str) -> Any:
        raise TimeoutError

    monkeypatch.setattr(parsing.markets, "instruments", down)
    read(source)
    assert deliveries_of(source)[0].reason_code == "markets_unavailable"


def test_a_reader_whose_claim_was_taken_writes_nothing(monkeypatch: Any) -> None:
    source, token = message_source()
    send(source, token, BUY)
    real = parsing.payload_parse

    def slow(**arguments: Any) -> Any:
        with tenant_scope(source.tenant_id):
            parsing._claims(source.tenant_id, source.pk).update(claimed_by="another")
        return real(**arguments)

    monkeypatch.setattr(parsing, "payload_parse", slow)
    assert read(source) == 0
    assert signals_of(source) == []
    assert deliveries_of(source)[0].state == "pending"


def test_the_sweeper_asks_for_what_nobody_was_woken_for(wakes: list[Any], monkeypatch: Any) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(
        "signals_app.tasks.wake_swept", lambda name, **more: asked.append((name, more["source_id"]))
    )
    young = RawDeliveryFactory()
    old = RawDeliveryFactory(received_at=timezone.now() - timedelta(seconds=9))
    done = RawDeliveryFactory(
        received_at=timezone.now() - timedelta(seconds=9), state="parsed", due_at=None
    )
    deliveries_sweep()
    assert asked == [(deliveries.PARSE_TASK, old.source_id)]
    assert {young.source_id, done.source_id}.isdisjoint(name for _, name in asked)


def test_old_deliveries_are_deleted_unless_they_wait() -> None:
    old = timezone.now() - timedelta(days=31)
    RawDeliveryFactory(received_at=old, state="parsed")
    waiting = RawDeliveryFactory(received_at=old)
    recent = RawDeliveryFactory(state="quarantined")
    assert deliveries.deliveries_purge() == 1
    assert [row.pk for source in (waiting, recent) for row in deliveries_of(source.source)] == [
        waiting.pk, recent.pk,
    ]  # fmt: skip


class TestGarbage(TestCase):
    """Whatever is sent: an answer below 500, and no signal."""

    @settings(max_examples=25, deadline=None)
    @given(
        body=st.binary(max_size=200)
        | st.text(max_size=80).map(lambda text: text.encode("utf-8", "surrogatepass")),
        parser=st.sampled_from([*sorted(parsers()), "gone"]),
        content_type=st.sampled_from(["application/json", "text/plain", "", "x;charset=nope"]),
    )
    def test_garbage(self, body: bytes, parser: str, content_type: str) -> None:
        intake_limits.budgets_clear()
        rejections.budget.clear()
        config = MAPPING if parser == "mapped" else {}
        source, token = message_source(parser, parser_config=config)
        url = f"/hooks/{source.pk}/{token}/"
        answer = Client(raise_request_exception=False).post(url, body, content_type)
        assert answer.status_code == 202
        assert read(source) == 1
        assert signals_of(source) == []
        assert deliveries_of(source)[0].state in ("quarantined", "ignored")

    @settings(max_examples=40, deadline=None)
    @given(
        body=st.binary(max_size=200)
        | st.dictionaries(st.sampled_from(sorted(FIELD_NAMES)), st.text() | st.integers()).map(
            lambda document: json.dumps(document).encode()
        )
    )
    def test_signed_garbage_in_our_own_format(self, body: bytes) -> None:
        rejections.budget.clear()
        source = SourceFactory(problems_to_pause=0)
        answer = Client(raise_request_exception=False).post(
            f"/hooks/{source.pk}/", body, "application/json", headers=signed(body)
        )
        assert answer.status_code in (400, 422)
        assert signals_of(source) == []

"""Deliveries that are taken, and the same delivery again."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from standardwebhooks import Webhook

from customers.models import Event
from customers.tenancy import system_scope, tenant_scope
from signals_app.models import Signal, SignalSource, WebhookRejection
from signals_app.services.sources import source_drop_previous_secret, source_rotate_secret
from signals_app.signals import signal_accepted
from tests.factories import WEBHOOK_SECRET, SourceFactory
from tests.signals_app.conftest import signal_json, signed

pytestmark = pytest.mark.django_db


def stored_signals():
    with system_scope("test"):
        return list(Signal.objects.all())


def test_a_signed_signal_is_stored_and_answered_with_its_id(
    deliver, source, wakes, django_capture_on_commit_callbacks
):
    heard = []
    body = json.dumps(signal_json(price="64000.5", leverage="3")).encode()

    def listener(trading_signal, **_):
        heard.append(trading_signal.pk)

    signal_accepted.connect(listener)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            answer = deliver(body)
    finally:
        signal_accepted.disconnect(listener)

    assert answer.status_code == 202
    (signal,) = stored_signals()
    assert answer.json() == {"id": signal.pk}
    assert signal.source_id == source.pk
    assert signal.tenant_id == source.tenant_id
    assert signal.external_id == "msg_1"
    assert signal.raw_payload == body.decode()
    assert (signal.action, signal.symbol, signal.side) == ("open", "BTC/USDT:USDT", "long")
    assert (str(signal.size), str(signal.price), str(signal.leverage)) == ("0.1", "64000.5", "3")
    assert (signal.expires_at - signal.emitted_at).total_seconds() == 60
    assert heard == [signal.pk]
    assert wakes == [
        ("trading.tasks.signal_dispatch", {"signal_id": signal.pk, "tenant_id": source.tenant_id})
    ]
    with tenant_scope(source.tenant_id):
        (event,) = Event.objects.all()
    assert (event.audience, event.kind) == (f"tenant:{source.tenant_id}", "signal.accepted")
    assert event.payload == {
        "signal": signal.pk,
        "source": source.pk,
        "action": "open",
        "symbol": "BTC/USDT:USDT",
    }
    assert WebhookRejection.objects.count() == 0


def test_the_same_id_again_gives_the_same_answer_and_does_nothing(
    deliver, source, wakes, django_capture_on_commit_callbacks
):
    body = json.dumps(signal_json()).encode()
    with django_capture_on_commit_callbacks(execute=True):
        first = deliver(body)
        second = deliver(body)
        third = deliver(body, seconds_ago=200)
    assert first.status_code == second.status_code == third.status_code == 202
    assert first.content == second.content == third.content
    assert len(stored_signals()) == 1
    assert len(wakes) == 1
    with tenant_scope(source.tenant_id):
        assert Event.objects.count() == 1


def test_what_was_taken_before_a_pause_is_still_answered(deliver, source):
    body = json.dumps(signal_json()).encode()
    first = deliver(body)
    with tenant_scope(source.tenant_id):
        SignalSource.objects.update(status="paused")
    assert deliver(body).content == first.content
    assert deliver(delivery_id="msg_2").status_code == 403


def test_two_sources_may_use_the_same_id(deliver):
    other = SourceFactory()
    answers = {deliver().json()["id"], deliver(to=other.pk).json()["id"]}
    assert len(answers) == 2


def test_ids_differ_by_case(deliver):
    answers = {deliver(delivery_id=name).json()["id"] for name in ("Abc", "abc")}
    assert len(answers) == 2


def test_the_address_works_without_its_last_slash(source):
    raw = json.dumps(signal_json()).encode()
    answer = Client().post(
        f"/hooks/{source.pk}", data=raw, content_type="text/plain", headers=signed(raw)
    )
    assert answer.status_code == 202


def test_an_earlier_expiry_of_the_sender_counts_and_a_later_one_does_not(deliver):
    emitted = datetime.now(UTC)
    for delivery_id, asked_for, given in (("a", 10, 10), ("b", 600, 60)):
        times = {
            "emitted_at": emitted.isoformat(),
            "expires_at": (emitted + timedelta(seconds=asked_for)).isoformat(),
        }
        assert deliver(signal_json(**times), delivery_id=delivery_id).status_code == 202
        with system_scope("test"):
            signal = Signal.objects.get(external_id=delivery_id)
        assert signal.expires_at - signal.emitted_at == timedelta(seconds=given)


def test_a_symbol_is_taken_while_the_markets_are_not_loaded(deliver, monkeypatch):
    monkeypatch.setattr("signals_app.services.signals.known_symbols", lambda venue: None)
    assert deliver(signal_json(symbol="NEW/USDT:USDT")).status_code == 202


# --- secrets --------------------------------------------------------------------------------


def test_both_secrets_are_live_while_one_rotates(deliver, source):
    with tenant_scope(source.tenant_id):
        new_secret = source_rotate_secret(source=source, actor=None)
    assert deliver(delivery_id="old", secret=WEBHOOK_SECRET).status_code == 202
    assert deliver(delivery_id="new", secret=new_secret).status_code == 202

    with tenant_scope(source.tenant_id):
        source_drop_previous_secret(source=source, actor=None)
    assert deliver(delivery_id="late", secret=WEBHOOK_SECRET).status_code == 401
    assert deliver(delivery_id="fine", secret=new_secret).status_code == 202


def test_one_fitting_signature_among_several_is_enough(deliver):
    raw = json.dumps(signal_json()).encode()
    headers = signed(raw)
    wrong = Webhook("whsec_d3Jvbmc=").sign("msg_1", datetime.now(UTC), raw.decode())
    headers["webhook-signature"] = f"v1a,abc {wrong} v1,!! {headers['webhook-signature']}"
    assert deliver(raw, headers=headers).status_code == 202


def test_a_second_rotation_ends_the_first_secret(deliver, source):
    with tenant_scope(source.tenant_id):
        source_rotate_secret(source=source, actor=None)
        source_rotate_secret(source=source, actor=None)
    assert deliver().status_code == 401


# --- cost -----------------------------------------------------------------------------------


def test_a_delivery_costs_one_look_up_and_two_inserts(deliver, django_assert_num_queries):
    # The source; inside one transaction (a savepoint here) the signal and its event.
    with django_assert_num_queries(5):
        assert deliver().status_code == 202


def test_secrets_and_bodies_are_not_logged(deliver, caplog):
    caplog.set_level("DEBUG")
    deliver(signal_json(size="-1"))
    deliver(delivery_id="msg_2")
    assert WEBHOOK_SECRET not in caplog.text
    assert WEBHOOK_SECRET.removeprefix("whsec_") not in caplog.text

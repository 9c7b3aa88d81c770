"""Every refused delivery: a clear 4xx with a code, and nothing stored but the auditor's row."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from customers.models import Event
from customers.tenancy import system_scope, tenant_scope
from signals_app.domain.canonical import MAX_BODY_BYTES
from signals_app.models import Signal, SignalSource, WebhookRejection
from signals_app.services import rejections
from tests.factories import SourceFactory
from tests.signals_app.conftest import signal_json, signed

pytestmark = pytest.mark.django_db

MEGABYTE = 1024 * 1024


@pytest.fixture
def refused(wakes):
    """Assert the answer, and that one audit row is all that it left behind."""

    def check(answer, status: int, code: str, *, field: str | None = None, rows: int = 1):
        assert answer.status_code == status, answer.content
        error = answer.json()["error"]
        assert error["code"] == code
        assert error["message"]
        assert error.get("field") == field
        assert answer["Content-Type"] == "application/json"
        with system_scope("test"):
            assert Signal.objects.count() == 0
            assert Event.objects.count() == 0
        assert wakes == []
        assert WebhookRejection.objects.count() == rows
        return WebhookRejection.objects.first()

    return check


# --- who sends --------------------------------------------------------------------------------


def test_wrong_signature(deliver, refused, source):
    raw = json.dumps(signal_json()).encode()
    row = refused(deliver(raw, secret="whsec_bm90LXRoZS1zZWNyZXQ="), 401, "wrong_signature")
    assert row.source_reference == source.pk
    assert row.tenant_id == source.tenant_id
    assert row.code == "wrong_signature"
    assert row.delivery_id == "msg_1"
    assert row.ip_address == "127.0.0.1"
    assert row.body_sha256 == hashlib.sha256(raw).hexdigest()
    assert row.body_bytes == len(raw)


@pytest.mark.parametrize("part", ["body", "webhook-id", "webhook-timestamp"])
def test_a_signature_for_something_else(deliver, refused, part):
    raw = json.dumps(signal_json()).encode()
    headers = signed(raw)
    if part == "body":
        raw = raw.replace(b"0.1", b"9.9")
    elif part == "webhook-id":
        headers[part] = "msg_2"
    else:
        headers[part] = str(int(headers[part]) - 1)
    refused(deliver(raw, headers=headers), 401, "wrong_signature")


@pytest.mark.parametrize("signature", ["v1,", "v1", "v2,abc", "é", "v1,é", ",", "   ", "v1,a v1,b"])
def test_a_signature_that_is_none(deliver, refused, signature):
    raw = json.dumps(signal_json()).encode()
    answer = deliver(raw, headers={**signed(raw), "webhook-signature": signature})
    refused(answer, 401, "wrong_signature")


@pytest.mark.parametrize("seconds_ago", [301, 86_400, -301])
def test_a_timestamp_outside_of_five_minutes(deliver, refused, seconds_ago):
    refused(deliver(seconds_ago=seconds_ago), 401, "timestamp_out_of_window")


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header(deliver, refused, name):
    raw = json.dumps(signal_json()).encode()
    headers = signed(raw)
    del headers[name]
    refused(deliver(raw, headers=headers), 400, "missing_header")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook-id", "a b"),
        ("webhook-id", "x" * 129),
        ("webhook-id", "né"),
        ("webhook-timestamp", "soon"),
        ("webhook-timestamp", "-5"),
        ("webhook-timestamp", "1e9"),
        ("webhook-timestamp", "9" * 5000),
    ],
)
def test_a_malformed_header(deliver, refused, name, value):
    raw = json.dumps(signal_json()).encode()
    refused(deliver(raw, headers={**signed(raw), name: value}), 400, "bad_header")


def test_an_unknown_source(deliver, refused):
    row = refused(deliver(to="0" * 26), 404, "unknown_source")
    assert row.source_reference == rejections.UNKNOWN_SOURCE
    assert row.tenant_id is None


def test_a_source_that_is_no_webhook_is_unknown(deliver, refused):
    manual = SourceFactory(kind=SignalSource.Kind.MANUAL)
    refused(deliver(to=manual.pk), 404, "unknown_source")


def test_a_source_without_a_secret(deliver, refused):
    bare = SourceFactory(secret="")
    refused(deliver(to=bare.pk), 401, "source_without_secret")


def test_a_paused_source_says_why(deliver, refused, source):
    with tenant_scope(source.tenant_id):
        SignalSource.objects.update(status="paused", paused_reason="maintenance till noon")
    answer = deliver()
    refused(answer, 403, "source_paused")
    assert "maintenance till noon" in answer.json()["error"]["message"]


def test_a_suspended_operator(deliver, refused, source):
    source.tenant.status = "suspended"
    source.tenant.save()
    refused(deliver(), 403, "tenant_suspended")


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "head", "options"])
def test_only_post(method, source, refused):
    answer = getattr(Client(), method)(f"/hooks/{source.pk}/")
    assert answer["Allow"] == "POST"
    assert answer.status_code == 405
    assert WebhookRejection.objects.count() == 0


# --- what is sent -----------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"not json", b"{", b"action=open&symbol=BTC", b"[" * 50_000])
def test_not_json(deliver, refused, body):
    refused(deliver(body), 400, "invalid_json")


def test_an_empty_body(deliver, refused):
    refused(deliver(b" "), 400, "invalid_json")


@pytest.mark.parametrize("body", [b"[]", b"5", b'"open"', b"null", b"NaN"])
def test_json_that_is_no_object(deliver, refused, body):
    refused(deliver(body), 422, "not_an_object")


def test_an_unknown_symbol(deliver, refused):
    refused(deliver(signal_json(symbol="DOGE/USDT:USDT")), 422, "unknown_symbol", field="symbol")


@pytest.mark.parametrize("size", ["-0.1", -0.1, 0, "0"])
def test_a_negative_or_zero_size(deliver, refused, size):
    refused(deliver(signal_json(size=size)), 422, "not_positive", field="size")


@pytest.mark.parametrize("size", ["NaN", float("nan"), float("inf"), float("-inf")])
def test_a_nan_or_an_infinity(deliver, refused, size):
    refused(deliver(signal_json(size=size)), 422, "not_finite", field="size")


def test_a_field_that_is_there_twice(deliver, refused):
    raw = json.dumps(signal_json()).encode()[:-1] + b', "size": "9"}'
    refused(deliver(raw), 422, "duplicate_field", field="size")


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"side": "up"}, "bad_choice", "side"),
        ({"stop_los": "1"}, "unknown_field", "stop_los"),
        ({"order_type": "limit"}, "missing_field", "price"),
        ({"price": "100", "stop_loss": "101"}, "wrong_side_of_price", "stop_loss"),
        ({"emitted_at": "yesterday"}, "bad_time", "emitted_at"),
        (
            {"emitted_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat()},
            "in_the_future",
            "emitted_at",
        ),
    ],
)
def test_an_invalid_signal(deliver, refused, changes, code, field):
    refused(deliver(signal_json(**changes)), 422, code, field=field)


def test_the_same_id_for_another_signal(deliver, source):
    assert deliver(signal_json(size="0.1")).status_code == 202
    answer = deliver(signal_json(size="0.2"))
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "duplicate_id_different_body"
    with tenant_scope(source.tenant_id):
        assert str(Signal.objects.get().size) == "0.1"
    assert WebhookRejection.objects.get().code == "duplicate_id_different_body"


def test_a_body_of_ten_megabytes_is_not_read(source, refused):
    class Untouched:
        def read(self, *_):
            raise AssertionError("the body was read")

        readline = read

    answer = Client().generic(
        "POST",
        f"/hooks/{source.pk}/",
        headers=signed(b"{}"),
        **{"wsgi.input": Untouched(), "CONTENT_LENGTH": str(10 * MEGABYTE)},
    )
    row = refused(answer, 413, "body_too_large")
    assert row.body_bytes == 10 * MEGABYTE
    assert row.body_sha256 == ""


def test_a_body_just_above_the_limit(deliver, refused):
    refused(deliver(b" " * (MAX_BODY_BYTES + 1)), 413, "body_too_large")


def test_a_body_at_the_limit_is_read(deliver):
    raw = json.dumps(signal_json()).encode()
    assert deliver(raw + b" " * (MAX_BODY_BYTES - len(raw))).status_code == 202


@pytest.mark.parametrize("length", ["ten", "-1", "0x10", ""])
def test_a_nonsense_length_is_no_crash(source, length):
    answer = Client().generic("POST", f"/hooks/{source.pk}/", CONTENT_LENGTH=length)
    assert 400 <= answer.status_code < 500


# --- the auditor's rows -----------------------------------------------------------------------


def test_an_attacker_cannot_fill_the_disk(deliver, source, monkeypatch):
    clock = [1_000_000.0]
    monkeypatch.setattr(rejections.time, "monotonic", lambda: clock[0])
    for number in range(50):
        deliver(to="0" * 25 + str(number % 10))
        deliver(secret="whsec_d3Jvbmc=")
    per_source = rejections.ROWS_PER_MINUTE
    assert WebhookRejection.objects.filter(source_reference="unknown").count() == per_source
    assert WebhookRejection.objects.filter(source_reference=source.pk).count() == per_source

    clock[0] += 60
    deliver(secret="whsec_d3Jvbmc=")
    newest = WebhookRejection.objects.first()
    assert newest.source_reference == source.pk
    assert newest.not_recorded == 50 - per_source


def test_old_rows_are_deleted_and_young_ones_stay(deliver):
    for delivery_id in ("old", "young"):
        deliver(delivery_id=delivery_id, secret="whsec_d3Jvbmc=")
    WebhookRejection.objects.filter(delivery_id="old").update(
        received_at=datetime.now(UTC) - rejections.KEPT_FOR - timedelta(seconds=1)
    )
    assert rejections.rejections_purge() == 1
    assert WebhookRejection.objects.get().delivery_id == "young"


def test_a_refusal_costs_one_look_up_and_one_insert(deliver, django_assert_num_queries):
    with django_assert_num_queries(2):
        deliver(secret="whsec_d3Jvbmc=")

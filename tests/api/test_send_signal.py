"""POST /api/v1/signals/: into which source, once per Idempotency-Key, and what is refused."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connections
from django.utils import timezone

from customers.api.throttling import ApiKeyThrottle
from customers.models import ApiKey, IdempotencyRecord
from customers.services import idempotency
from customers.tenancy import system_scope, tenant_scope
from signals_app.domain.canonical import MAX_BODY_BYTES
from signals_app.models import Signal, SignalSource
from tests import factories as make
from tests.api.conftest import Caller
from tests.signals_app.conftest import signal_json

PATH = "/api/v1/signals/"


def body_for(source, **changes) -> bytes:
    return json.dumps({"source": source.pk, "signal": signal_json(**changes)}).encode()


def stored() -> list[Signal]:
    with system_scope("test"):
        return list(Signal.objects.filter(source__kind__in=["partner", "manual"]))


def error(answer) -> tuple[int, str, str | None]:
    problem = answer.json()["error"]
    assert problem["message"]
    return answer.status_code, problem["code"], problem.get("field")


def test_a_signal_is_stored_and_answered_with_its_id(scene):
    answer = scene.partner_key(
        "POST", PATH, body_for(scene.partner_source, size="0.5"), Idempotency_Key="one"
    )
    assert answer.status_code == 202
    (signal,) = stored()
    assert answer.json() == {"id": signal.pk}
    assert signal.source_id == scene.partner_source.pk
    assert str(signal.size) == "0.5"
    assert scene.partner_key.get(f"{PATH}{signal.pk}/").json()["external_id"].endswith(":one")


@pytest.mark.parametrize(
    ("key", "source", "status"),
    [
        ("partner_key", "partner_source", 202),
        ("partner_key", "manual_source", 404),
        ("tenant_key", "partner_source", 202),
        ("tenant_key", "manual_source", 202),
        ("stranger_key", "partner_source", 404),
        ("stranger_key", "manual_source", 404),
        ("read_key", "manual_source", 403),
        ("nobody", "manual_source", 401),
    ],
)
def test_who_may_send_into_which_source(scene, key, source, status):
    answer = getattr(scene, key)(
        "POST", PATH, body_for(getattr(scene, source)), Idempotency_Key="one"
    )
    assert answer.status_code == status, answer.content
    assert len(stored()) == (status == 202)


def test_a_partner_may_not_send_into_anothers_source(scene):
    rivals = make.SourceFactory(
        tenant=scene.rivals.tenant, kind=SignalSource.Kind.PARTNER, partner=scene.rivals.partner
    )
    answer = scene.partner_key("POST", PATH, body_for(rivals), Idempotency_Key="one")
    assert error(answer) == (404, "unknown_source", "source")


def test_a_webhook_source_takes_nothing_here(scene):
    webhook = scene.house.rows["signals"].source
    answer = scene.tenant_key("POST", PATH, body_for(webhook), Idempotency_Key="one")
    assert error(answer) == (404, "unknown_source", "source")


# --- once -------------------------------------------------------------------------------------


def test_a_repeat_gets_the_same_bytes_and_stores_nothing(scene):
    body = body_for(scene.manual_source)
    first = scene.tenant_key("POST", PATH, body, Idempotency_Key="one")
    again = scene.tenant_key("POST", PATH, body, Idempotency_Key="one")
    assert (again.status_code, again.content) == (202, first.content)
    assert again["Content-Type"] == first["Content-Type"]
    assert again["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first
    assert len(stored()) == 1


def test_a_repeat_is_answered_even_when_the_signal_has_become_too_old(scene, monkeypatch):
    body = body_for(scene.manual_source)
    first = scene.tenant_key("POST", PATH, body, Idempotency_Key="one")
    later = timezone.now() + timedelta(hours=30)
    monkeypatch.setattr("signals_app.api.intake.timezone.now", lambda: later)
    assert scene.tenant_key("POST", PATH, body, Idempotency_Key="one").content == first.content


def test_the_same_key_with_another_body_is_refused(scene):
    scene.tenant_key("POST", PATH, body_for(scene.manual_source), Idempotency_Key="one")
    other = body_for(scene.manual_source, size="9")
    answer = scene.tenant_key("POST", PATH, other, Idempotency_Key="one")
    assert error(answer) == (422, "idempotency_key_reused", None)
    assert len(stored()) == 1


def test_keys_of_two_callers_do_not_meet(scene):
    body = body_for(scene.partner_source)
    first = scene.partner_key("POST", PATH, body, Idempotency_Key="one").json()["id"]
    second = scene.tenant_key("POST", PATH, body, Idempotency_Key="one").json()["id"]
    assert first != second


def test_an_own_id_is_stored_once_whatever_the_key(scene):
    document = {"source": scene.manual_source.pk, "signal": signal_json(), "external_id": "mine-1"}
    body = json.dumps(document).encode()
    first = scene.tenant_key("POST", PATH, body, Idempotency_Key="one")
    second = scene.tenant_key("POST", PATH, body, Idempotency_Key="two")
    assert first.json() == second.json()
    changed = json.dumps({**document, "signal": signal_json(size="7")}).encode()
    answer = scene.tenant_key("POST", PATH, changed, Idempotency_Key="three")
    assert error(answer) == (409, "duplicate_id_different_body", None)
    assert [signal.external_id for signal in stored()] == ["mine-1"]


def test_a_refused_request_may_be_corrected_under_its_key(scene):
    wrong = body_for(scene.manual_source, size="-1")
    right = body_for(scene.manual_source, size="1")
    answer = scene.tenant_key("POST", PATH, wrong, Idempotency_Key="one")
    assert error(answer) == (422, "not_positive", "signal.size")
    assert scene.tenant_key("POST", PATH, right, Idempotency_Key="one").status_code == 202


def test_a_request_under_way_is_answered_with_409_until_its_claim_is_old(scene):
    body = body_for(scene.manual_source)
    with tenant_scope(scene.house.tenant.pk):
        api_key = ApiKey.objects.get(token_hash=make.sha256("tenant-token"))
        claim = idempotency.idempotency_claim(
            api_key=api_key, key="one", request=b"POST signals\n" + body
        )
        answer = scene.tenant_key("POST", PATH, body, Idempotency_Key="one")
        assert error(answer) == (409, "idempotency_in_flight", None)
        IdempotencyRecord.objects.filter(pk=claim.pk).update(
            created_at=timezone.now() - idempotency.CLAIM_LIFETIME - timedelta(seconds=1)
        )
    assert scene.tenant_key("POST", PATH, body, Idempotency_Key="one").status_code == 202


@pytest.mark.django_db(transaction=True)
def test_one_key_sent_at_once_makes_one_signal(monkeypatch):
    source = make.SourceFactory(kind=SignalSource.Kind.MANUAL)
    make.ApiKeyFactory(tenant=source.tenant, token="racer")
    body = body_for(source)
    barrier = Barrier(8)

    def post(_):
        barrier.wait()
        try:
            return Caller("racer")("POST", PATH, body, Idempotency_Key="one")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(post, range(8)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    taken = {answer.content for answer in answers if answer.status_code == 202}
    assert len(taken) == 1
    assert {error(answer)[1] for answer in answers if answer.status_code == 409} <= {
        "idempotency_in_flight"
    }
    assert len(stored()) == 1
    assert Caller("racer")("POST", PATH, body, Idempotency_Key="one").content in taken


def test_answers_are_kept_for_more_than_a_day_and_then_deleted(scene):
    scene.tenant_key("POST", PATH, body_for(scene.manual_source), Idempotency_Key="old")
    scene.tenant_key("POST", PATH, body_for(scene.manual_source), Idempotency_Key="day")
    with system_scope("test"):
        for number, age in enumerate((timedelta(hours=49), timedelta(hours=25))):
            pk = IdempotencyRecord.objects.order_by("pk")[number].pk
            IdempotencyRecord.objects.filter(pk=pk).update(created_at=timezone.now() - age)
        assert idempotency.idempotency_purge() == 1
        assert IdempotencyRecord.objects.count() == 1


# --- refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "idempotency_key_missing"),
        ({"Idempotency_Key": "a b"}, "idempotency_key_invalid"),
        ({"Idempotency_Key": "x" * 101}, "idempotency_key_invalid"),
    ],
)
def test_a_good_idempotency_key_is_required(scene, headers, code):
    answer = scene.tenant_key("POST", PATH, body_for(scene.manual_source), **headers)
    assert error(answer) == (400, code, None)
    assert stored() == []


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        (b"", 400, "invalid_json", None),
        (b"{", 400, "invalid_json", None),
        (b"\xff", 400, "invalid_json", None),
        (b"[]", 422, "not_an_object", None),
        (b"NaN", 422, "not_an_object", None),
        (b"{}", 422, "missing_field", "source"),
        (b'{"source": "x"}', 422, "missing_field", "signal"),
        (b'{"source": 5, "signal": {}}', 422, "wrong_type", "source"),
        (b'{"source": "x", "signal": {}, "sig": 1}', 422, "unknown_field", "sig"),
        (b'{"source": "x", "source": "y"}', 422, "duplicate_field", "source"),
        (b'{"source": "x", "signal": {}, "external_id": ""}', 422, "out_of_range", "external_id"),
        (b'{"source": "x", "signal": {}}', 404, "unknown_source", "source"),
        (b'{"source": "\\u0000", "signal": {}}', 404, "unknown_source", "source"),
        (b'{"source": "\\ud800", "signal": {}}', 400, "invalid_json", None),
        (b" " * (MAX_BODY_BYTES + 1), 413, "body_too_large", None),
    ],
)
def test_a_malformed_request(scene, body, status, code, field):
    answer = scene.tenant_key("POST", PATH, body, Idempotency_Key="one")
    assert error(answer) == (status, code, field)
    assert stored() == []


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"size": "NaN"}, "not_finite", "signal.size"),
        ({"size": float("nan")}, "not_finite", "signal.size"),
        ({"symbol": "DOGE/USDT:USDT"}, "unknown_symbol", "symbol"),
        ({"extra": 1}, "unknown_field", "signal.extra"),
    ],
)
def test_an_invalid_signal(scene, changes, code, field):
    body = body_for(scene.manual_source, **changes)
    answer = scene.tenant_key("POST", PATH, body, Idempotency_Key="one")
    assert error(answer) == (422, code, field)
    assert stored() == []


def test_a_signal_that_is_no_object(scene):
    body = json.dumps({"source": scene.manual_source.pk, "signal": [1]}).encode()
    answer = scene.tenant_key("POST", PATH, body, Idempotency_Key="one")
    assert error(answer) == (422, "not_an_object", "signal")


def test_a_paused_source_says_why(scene):
    with tenant_scope(scene.house.tenant.pk):
        SignalSource.objects.filter(pk=scene.manual_source.pk).update(
            status="paused", paused_reason="till noon"
        )
    answer = scene.tenant_key("POST", PATH, body_for(scene.manual_source), Idempotency_Key="one")
    assert error(answer)[:2] == (403, "source_paused")
    assert "till noon" in answer.json()["error"]["message"]


# --- keys -------------------------------------------------------------------------------------


@pytest.mark.parametrize("why", ["revoked", "expired", "tenant", "partner", "wrong"])
def test_a_key_that_is_over_opens_nothing(scene, why):
    token = "partner-token"
    with tenant_scope(scene.partners.tenant.pk):
        rows = ApiKey.objects.filter(token_hash=make.sha256(token))
        past = timezone.now() - timedelta(seconds=1)
        if why == "revoked":
            rows.update(revoked_at=past)
        elif why == "expired":
            rows.update(expires_at=past)
        elif why == "tenant":
            type(scene.partners.tenant).objects.update(status="suspended")
        elif why == "partner":
            type(scene.partners.partner).objects.update(is_active=False)
        else:
            token = "partner-toke"
    answer = Caller(token).get("/api/v1/customers/")
    assert error(answer) == (401, "authentication_failed", None)


def test_the_use_of_a_key_is_noted_at_most_once_a_minute(scene, django_assert_num_queries):
    scene.tenant_key.get("/api/v1/customers/")
    with tenant_scope(scene.house.tenant.pk):
        noted = ApiKey.objects.get(token_hash=make.sha256("tenant-token")).last_used_at
        assert (timezone.now() - noted).total_seconds() < 10
        scene.tenant_key.get("/api/v1/customers/")
        again = ApiKey.objects.get(token_hash=make.sha256("tenant-token")).last_used_at
    assert again == noted


def test_a_key_that_asks_too_often_waits(scene, monkeypatch):
    monkeypatch.setattr(
        "rest_framework.throttling.SimpleRateThrottle.THROTTLE_RATES", {"api_key": "3/min"}
    )
    ApiKeyThrottle.reset()
    statuses = [scene.tenant_key.get("/api/v1/customers/").status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    answer = scene.tenant_key.get("/api/v1/customers/")
    assert error(answer)[:2] == (429, "throttled")
    assert 1 <= int(answer["Retry-After"]) <= 20
    assert scene.stranger_key.get("/api/v1/customers/").status_code == 200

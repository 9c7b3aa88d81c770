"""Deliveries that really arrive at the same time, each on its own connection."""

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connections, transaction
from django.test import Client
from django.utils import timezone

from customers.models import Event
from customers.tenancy import tenant_scope
from signals_app.domain.canonical import canonical_from_json
from signals_app.models import Signal
from signals_app.services.signals import SignalRefusedError, signal_accept
from signals_app.signals import signal_accepted
from tests.factories import SourceFactory
from tests.signals_app.conftest import signal_json, signed

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 8


def together(work, count=THREADS):
    """Run `work(number)` in threads that start at once; the results in order."""
    barrier = Barrier(count)

    def run(number):
        barrier.wait()
        try:
            return work(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_one_id_delivered_at_once_becomes_one_signal(wakes):
    source = SourceFactory()
    raw = json.dumps(signal_json()).encode()

    def post(number):
        return Client().post(
            f"/hooks/{source.pk}/", data=raw, content_type="application/json", headers=signed(raw)
        )

    answers = together(post)
    assert [answer.status_code for answer in answers] == [202] * THREADS
    assert len({answer.content for answer in answers}) == 1
    with tenant_scope(source.tenant_id):
        assert Signal.objects.count() == 1
        assert Event.objects.count() == 1
    assert len(wakes) == 1


def test_one_id_with_different_bodies_at_once_lets_one_through(wakes):
    source = SourceFactory()

    def post(number):
        raw = json.dumps(signal_json(size=str(number + 1))).encode()
        return Client().post(
            f"/hooks/{source.pk}/", data=raw, content_type="application/json", headers=signed(raw)
        )

    statuses = sorted(answer.status_code for answer in together(post))
    assert statuses == [202] + [409] * (THREADS - 1)
    with tenant_scope(source.tenant_id):
        assert Signal.objects.count() == 1


def test_different_ids_at_once_are_all_stored(wakes):
    source = SourceFactory()
    raw = json.dumps(signal_json()).encode()

    def post(number):
        return Client().post(
            f"/hooks/{source.pk}/",
            data=raw,
            content_type="application/json",
            headers=signed(raw, delivery_id=f"msg_{number}"),
        )

    assert {answer.status_code for answer in together(post)} == {202}
    with tenant_scope(source.tenant_id):
        assert Signal.objects.count() == THREADS
    assert len(wakes) == THREADS


def accept(source, external_id="7", payload=None):
    document = payload or signal_json()
    return signal_accept(
        source=source,
        canonical=canonical_from_json(document, timezone.now()),
        external_id=external_id,
        raw_payload=json.dumps(document),
        received_at=timezone.now(),
    )


def test_a_duplicate_inside_a_callers_transaction_leaves_it_usable():
    """A leader's cursor is committed with its signal, also when the signal was there already."""
    source = SourceFactory()
    document = signal_json()
    first, is_new = accept(source, payload=document)
    assert is_new
    with tenant_scope(source.tenant_id), transaction.atomic():
        again, is_new = accept(source, payload=document)
        assert (again.pk, is_new) == (first.pk, False)
        type(source).objects.filter(pk=source.pk).update(name="renamed after the duplicate")
    with tenant_scope(source.tenant_id):
        source.refresh_from_db()
    assert source.name == "renamed after the duplicate"


def test_a_rolled_back_caller_takes_its_signal_along(wakes):
    source = SourceFactory()
    with pytest.raises(RuntimeError), tenant_scope(source.tenant_id), transaction.atomic():
        accept(source)
        raise RuntimeError("the cursor could not be stored")
    with tenant_scope(source.tenant_id):
        assert Signal.objects.count() == 0
    assert wakes == []


def test_a_failing_receiver_means_nothing_is_stored(wakes):
    source = SourceFactory()

    def broken(**_):
        raise RuntimeError("no")

    signal_accepted.connect(broken)
    try:
        with pytest.raises(RuntimeError):
            accept(source)
    finally:
        signal_accepted.disconnect(broken)
    with tenant_scope(source.tenant_id):
        assert Signal.objects.count() == 0
    assert wakes == []


def test_an_external_id_is_never_empty_or_too_long():
    source = SourceFactory()
    for external_id in ("", "x" * 129):
        with pytest.raises(ValueError, match="external id"):
            accept(source, external_id=external_id)


def test_another_body_under_one_id_is_refused():
    source = SourceFactory()
    accept(source, payload=signal_json(size="1"))
    with pytest.raises(SignalRefusedError) as refused:
        accept(source, payload=signal_json(size="2"))
    assert (refused.value.code, refused.value.status) == ("duplicate_id_different_body", 409)

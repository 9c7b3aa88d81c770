"""Sweepers ask for each row that is due, and do not bury workers that are behind."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from customers.tenancy import tenant_scope
from signals_app.models import Signal
from tests.factories import (
    AccountFactory,
    IntentFactory,
    SignalFactory,
    SignalShardFactory,
)
from trading import tasks
from trading.models import Intent, SignalShard
from trading.services import sweeps

pytestmark = pytest.mark.django_db

AGO = timedelta(seconds=5)


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    asked: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(tasks, "wake_swept", lambda name, **ids: asked.append((name, ids)))
    return asked


def test_a_signal_is_asked_for_once_until_its_message_has_lapsed() -> None:
    signal = SignalFactory(status="received", received_at=timezone.now() - AGO)
    due = {signal.tenant_id: [signal.pk]}
    assert sweeps.signals_due() == due
    assert sweeps.signals_due() == {}
    _time_passes(Signal, signal)
    assert sweeps.signals_due() == due


def test_a_shard_is_asked_for_once_until_its_message_has_lapsed() -> None:
    shard = SignalShardFactory(status="pending", created_at=timezone.now() - AGO)
    due = {shard.tenant_id: [shard.pk]}
    assert sweeps.shards_due() == due
    assert sweeps.shards_due() == {}
    _time_passes(SignalShard, shard)
    assert sweeps.shards_due() == due


def _time_passes(model: type[Any], row: Any) -> None:
    with tenant_scope(row.tenant_id):
        row.refresh_from_db()
        assert row.claimed_until is not None
        model.objects.update(claimed_until=row.claimed_until - sweeps.ASK_AGAIN)


def test_the_oldest_signals_are_asked_for_first() -> None:
    now = timezone.now()
    source = SignalFactory(status="done").source
    signals = [
        SignalFactory(source=source, tenant=source.tenant, received_at=now - AGO) for _ in range(5)
    ]
    ids = sorted(signal.pk for signal in signals)
    assert sweeps.signals_due() == {source.tenant_id: ids}


def test_messages_of_a_sweep_lapse_before_the_next_ones_for_the_same_rows(
    woken: list[tuple[str, dict[str, Any]]],
) -> None:
    signal = SignalFactory(status="received", received_at=timezone.now() - AGO)
    tasks.sweep()
    assert woken == [
        (
            "trading.tasks.signal_dispatch",
            {
                "signal_id": signal.pk,
                "tenant_id": signal.tenant_id,
                "lifetime_seconds": sweeps.ASK_AGAIN.total_seconds(),
            },
        )
    ]


def test_only_a_signal_with_nothing_left_to_wait_for_is_settled() -> None:
    finished = _dispatched(Intent.Status.FILLED)
    _dispatched(Intent.Status.WORKING)
    unplanned = _dispatched(Intent.Status.FILLED)
    SignalShardFactory(signal=unplanned, tenant=unplanned.tenant, status="claimed")
    long_ago = sweeps.SETTLE_PATIENCE + AGO
    late = _dispatched(Intent.Status.UNKNOWN, ago=long_ago)
    due = sweeps.signals_to_settle()
    assert sorted(pk for ids in due.values() for pk in ids) == sorted([finished.pk, late.pk])


def _dispatched(status: str, *, ago: timedelta = AGO) -> Signal:
    """A signal that was cut into shards so long ago, with one intent."""
    planned_at = timezone.now() - ago
    intent = IntentFactory(
        status=status, signal__status="dispatched", signal__planned_at=planned_at
    )
    signal: Signal = intent.signal
    return signal


def test_two_schedulers_read_the_accounts_once(woken: list[tuple[str, dict[str, Any]]]) -> None:
    """Reading twice would cost the venue's rate limit twice."""
    account = AccountFactory(synced_at=None)
    tasks.accounts_sweep()
    tasks.accounts_sweep()
    ((name, ids),) = woken
    assert (name, ids["account_ids"]) == ("trading.tasks.accounts_reread", [account.pk])

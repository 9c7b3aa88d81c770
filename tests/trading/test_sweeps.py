"""Sweeps reach everybody: what fails, hangs or waits takes no place from what could go."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from customers.models import ExchangeAccount
from customers.services.credentials import credential_store
from customers.tenancy import system_scope, tenant_scope
from tests.factories import (
    AccountFactory,
    IntentFactory,
    OrderFactory,
    SignalShardFactory,
    TenantFactory,
)
from tests.trading.world import World
from trading import tasks
from trading.services import sweeps
from trading.services.sweeps import READ_PAUSES

LONG_AGO = timezone.now() - timedelta(days=1)


def _handed_out() -> list[str]:
    return sorted(pk for ids in sweeps.accounts_stale().values() for pk in ids)


def _later(seconds: float) -> None:
    """As if that much more time had passed since each account was tried."""
    with system_scope("test"):
        for account in ExchangeAccount.objects.exclude(tried_at=None):
            account.tried_at -= timedelta(seconds=seconds)
            with tenant_scope(account.tenant_id):
                account.save(update_fields=["tried_at"])


# --- accounts -----------------------------------------------------------------------------------


@pytest.mark.django_db
def test_accounts_that_never_answer_do_not_keep_the_others_from_being_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweeps, "BATCH", 4)
    tenants = [TenantFactory(), TenantFactory()]
    dead = [AccountFactory(tenant=tenants[n % 2], synced_at=None).pk for n in range(8)]
    well = [AccountFactory(tenant=tenants[n % 2], synced_at=LONG_AGO).pk for n in range(4)]

    # No worker ever reads anything, and yet each account gets its turn.
    turns = [_handed_out() for _ in range(4)]
    assert sorted(pk for turn in turns[:3] for pk in turn) == sorted(dead + well)
    assert turns[3] == []
    _later(READ_PAUSES[0].total_seconds() + 1)
    assert _handed_out() == turns[0]


@pytest.mark.django_db
def test_an_account_that_fails_is_read_less_often_but_never_less_than_every_five_minutes() -> None:
    accounts = {
        failed: AccountFactory(tried_at=timezone.now(), failed_reads=failed).pk
        for failed in (0, 1, 2, 3, 40)
    }

    def due(after: float) -> set[int]:
        with system_scope("test"):
            ExchangeAccount.objects.update(tried_at=timezone.now() - timedelta(seconds=after))
        found = _handed_out()
        return {failed for failed, pk in accounts.items() if pk in found}

    assert due(49) == set()
    assert due(51) == {0}
    assert due(121) == {0, 1}
    assert due(241) == {0, 1, 2}
    assert due(301) == {0, 1, 2, 3, 40}


@pytest.mark.django_db
def test_new_keys_bring_a_failing_account_to_the_front() -> None:
    account = AccountFactory(tried_at=timezone.now(), failed_reads=40)
    assert _handed_out() == []
    with tenant_scope(account.tenant_id):
        credential_store(account=account, api_key="k", api_secret="s", passphrase="p", actor=None)
    assert _handed_out() == [account.pk]


def test_failures_are_counted_and_forgotten(world: World) -> None:
    sick, well = world.follower(), world.follower()
    world.paper.control.add_fault(
        "http_status", status=503, account=world.keys[sick.account_id].api_key
    )

    def failed() -> tuple[int, int]:
        return (
            world.reload(sick.account).failed_reads,
            world.reload(well.account).failed_reads,
        )

    ids = [sick.account_id, well.account_id]
    for count in (1, 2):
        tasks.accounts_reread(account_ids=ids, tenant_id=world.tenant.pk)
        assert failed() == (count, 0)
    world.paper.control.clear_faults()
    tasks.accounts_reread(account_ids=ids, tenant_id=world.tenant.pk)
    assert failed() == (0, 0)


def test_an_account_that_hangs_counts_as_failed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sick = world.follower()
    world.paper.control.add_fault(
        "freeze", ms=3000, account=world.keys[sick.account_id].api_key, count=1
    )
    monkeypatch.setattr("trading.services.account_sync.TIMEOUT_SECONDS", 0.3)
    tasks.accounts_reread(account_ids=[sick.account_id], tenant_id=world.tenant.pk)
    assert world.reload(sick.account).failed_reads == 1


# --- orders -------------------------------------------------------------------------------------


def _order(created_at: datetime, **fields: Any) -> Any:
    intent = IntentFactory()
    return OrderFactory(intent=intent, created_at=created_at, state="ready", **fields)


@pytest.mark.django_db
def test_orders_that_wait_take_no_place_from_those_that_could_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweeps, "BATCH", 3)
    exits_without_key, entries_behind = [], []
    for _ in range(3):
        keyless = _order(LONG_AGO, is_entry=False)
        exits_without_key.append(keyless)
        with tenant_scope(keyless.tenant_id):
            ExchangeAccount.objects.filter(pk=keyless.account_id).update(
                health="unhealthy", health_code="credentials_refused"
            )
        close = _order(LONG_AGO, is_entry=False, wave=0)
        with tenant_scope(close.tenant_id):
            type(close).objects.filter(pk=close.pk).update(state="accepted")
        entries_behind.append(
            OrderFactory(intent=close.intent, wave=1, created_at=LONG_AGO, state="ready")
        )
    free = [_order(LONG_AGO), _order(LONG_AGO, is_entry=False)]
    gained = _order(LONG_AGO, is_entry=False)
    with tenant_scope(gained.tenant_id):
        ExchangeAccount.objects.filter(pk=gained.account_id).update(
            health="unhealthy", health_code="key_gained_withdrawal"
        )
    ready = {pk for ids in sweeps.orders_ready().values() for pk in ids}
    assert ready == {order.pk for order in (*free, gained)}

    with system_scope("test"):
        type(free[0]).objects.filter(state="accepted").update(state="filled")
        type(free[0]).objects.filter(pk__in=ready).update(state="filled")
        ExchangeAccount.objects.update(health="healthy", health_code="")
    ready = {pk for ids in sweeps.orders_ready().values() for pk in ids}
    assert ready == {order.pk for order in exits_without_key}  # exits before entries


# --- look-ups -----------------------------------------------------------------------------------


def _looked_up() -> set[str]:
    return {pk for ids in sweeps.orders_to_check().values() for pk in ids}


@pytest.mark.django_db
def test_look_ups_of_a_signal_wait_while_more_of_it_is_planned() -> None:
    shard = SignalShardFactory(status="claimed")
    now = timezone.now()
    intent = IntentFactory(signal=shard.signal)
    lacking: dict[str, Any] = {"intent": intent, "check_at": now}
    accepted = OrderFactory(**lacking, state="accepted")
    at_once = {
        OrderFactory(**lacking, state="unknown").pk,
        OrderFactory(**lacking, state="accepted", is_entry=False).pk,
        OrderFactory(**lacking, state="accepted", wants_stops=True).pk,
        OrderFactory(state="accepted", check_at=now).pk,  # of another signal
    }
    assert _looked_up() == at_once

    with tenant_scope(shard.tenant_id):
        type(shard).objects.filter(pk=shard.pk).update(status="planned")
    assert _looked_up() == {*at_once, accepted.pk}


@pytest.mark.django_db
def test_planning_that_takes_too_long_keeps_no_look_up_back() -> None:
    long_ago = timezone.now() - sweeps.FANOUT_PATIENCE
    shard = SignalShardFactory(status="claimed", created_at=long_ago)
    order = OrderFactory(
        intent=IntentFactory(signal=shard.signal), check_at=timezone.now(), state="accepted"
    )
    assert order.pk in _looked_up()

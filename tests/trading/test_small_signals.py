"""A signal that few follow is planned and sent by the worker that dispatched it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from customers.models import ExchangeAccount
from customers.tenancy import tenant_scope
from tests.trading.world import World, wait_for_stragglers
from trading import tasks
from trading.models import SignalShard
from trading.services import sweeps
from trading.services.control_state import forget_controls
from trading.services.fanout import signals

pytestmark = pytest.mark.django_db(transaction=True)


def states(world: World) -> list[str]:
    return [order.state for order in world.orders()]


def test_its_orders_leave_in_the_dispatchers_own_task(world: World) -> None:
    followers = [world.follower() for _ in range(3)]
    signal = world.entry()
    forget_controls()
    for _ in range(2):  # a message may come twice
        tasks.signal_dispatch(signal_id=signal.pk, tenant_id=world.tenant.pk)
    wait_for_stragglers()
    assert [order.acknowledged_at is not None for order in world.orders()] == [True] * 3
    with tenant_scope(world.tenant.pk):
        assert [shard.status for shard in signal.shards.all()] == ["planned"]
    for follower in followers:
        assert len(world.ledger_orders(follower)) == 1


def test_what_a_dead_dispatcher_had_claimed_is_planned_when_its_lease_is_over(
    world: World,
) -> None:
    follower = world.follower()
    signal = world.entry()
    forget_controls()
    with tenant_scope(world.tenant.pk):
        shard = signals.signal_dispatch(
            signal_id=signal.pk, tenant_id=world.tenant.pk, claimed_by="dead"
        )
        assert shard is not None
        assert sweeps.shards_due() == {}
        shard = SignalShard.objects.get(pk=shard.pk)
        assert shard.claimed_until is not None
        shard.claimed_until -= timedelta(seconds=60)
        shard.save(update_fields=["claimed_until"])
    assert sweeps.shards_due() == {world.tenant.pk: [shard.pk]}
    tasks.shard_run(shard_id=shard.pk, tenant_id=world.tenant.pk)
    wait_for_stragglers()
    assert len(world.ledger_orders(follower)) == 1


def test_what_more_follow_is_left_to_whoever_is_free(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "SMALLEST_SHARD", 1)
    for _ in range(2):
        world.follower()
    signal = world.entry()
    tasks.signal_dispatch(signal_id=signal.pk, tenant_id=world.tenant.pk)
    with tenant_scope(world.tenant.pk):
        assert {shard.status for shard in signal.shards.all()} == {"pending"}
    assert states(world) == []


def test_an_account_is_not_read_again_for_a_fill_that_its_last_reading_shows(
    world: World,
) -> None:
    account_id = world.follower().account_id

    def read_at() -> datetime:
        with tenant_scope(world.tenant.pk):
            synced_at = ExchangeAccount.objects.get(pk=account_id).synced_at
        assert synced_at is not None
        return synced_at

    before = read_at()
    refresh = {"account_ids": [account_id], "tenant_id": world.tenant.pk}
    tasks.accounts_refresh(**refresh, since=before.isoformat())
    assert read_at() == before
    tasks.accounts_refresh(**refresh, since=timezone.now().isoformat())
    assert read_at() > before

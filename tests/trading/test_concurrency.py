"""Planners, senders and look-ups at the same rows at once: nobody is the victim of a deadlock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from customers.tenancy import tenant_scope
from tests.factories import SourceFactory, StrategyFactory, SubscriptionFactory
from tests.trading.world import SYMBOL, World
from trading import tasks
from trading.domain.order_states import OrderTrigger
from trading.models import Balance, CopiedPosition, Intent, Order, SignalShard
from trading.services.control_state import forget_controls
from trading.services.fanout import shards as shards_module
from trading.services.fanout.context import ShardContext, shard_context
from trading.services.fanout.loading import FollowerRow, follower_rows, locked_positions
from trading.services.fanout.shards import shard_claim, shard_plan
from trading.services.order_updates import OrderUpdate, order_updates_apply


def at_once(works: Sequence[Callable[[], object]]) -> list[BaseException]:
    """Run all in threads that start together; what they raised."""
    start = threading.Barrier(len(works))
    raised: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        try:
            start.wait()
            work()
        except BaseException as error:
            raised.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return raised


def claimed(world: World, shard_id: str) -> ShardContext:
    with tenant_scope(world.tenant.pk):
        shard = shard_claim(shard_id=shard_id, tenant_id=world.tenant.pk, claimed_by=shard_id)
        assert shard is not None
        return shard_context(shard, shard_id)


def plan(world: World, context: ShardContext) -> None:
    with tenant_scope(world.tenant.pk):
        for _ in shard_plan(context):
            pass


def test_first_signals_that_come_at_once_make_each_position_once(world: World) -> None:
    followers = [world.follower() for _ in range(40)]
    shards = [shard for _ in range(4) for shard in world.dispatch(world.entry(size="0.01"))]
    forget_controls()

    raised = at_once([partial(plan, world, claimed(world, shard)) for shard in shards])

    assert raised == []
    with tenant_scope(world.tenant.pk):
        assert CopiedPosition.objects.count() == len(followers)
        assert set(CopiedPosition.objects.values_list("target", flat=True)) == {Decimal(4)}
        assert Intent.objects.count() == Order.objects.count() == 4 * len(followers)


def test_an_exit_is_planned_while_its_entries_are_looked_up(world: World) -> None:
    for _ in range(30):
        world.follower()
    resting = {"order_type": "limit", "price": Decimal(59_000), "size_basis": "quote"}
    world.fan_out(world.signal("open", size=Decimal(600), **resting))
    entries = [order.pk for order in world.orders(state="accepted")]
    assert len(entries) == 30
    exits = [shard for _ in range(8) for shard in world.dispatch(world.signal("close", side=""))]
    updates = [OrderUpdate(pk, OrderTrigger.ACCEPT) for pk in entries]

    def look_up() -> None:
        with tenant_scope(world.tenant.pk):
            for _ in range(8):
                order_updates_apply(tenant_id=world.tenant.pk, updates=updates, instruments={})

    def plan_exits() -> None:
        for shard in exits:
            plan(world, claimed(world, shard))
            with tenant_scope(world.tenant.pk):
                Order.objects.update(cancel_requested_at=None)

    assert at_once([plan_exits, look_up]) == []
    with tenant_scope(world.tenant.pk):
        assert Intent.objects.filter(reason_code="nothing_to_reduce").count() == 30 * 8


def test_the_same_accounts_are_read_twice_at_once(world: World) -> None:
    ids = [world.follower().account_id for _ in range(20)]
    with tenant_scope(world.tenant.pk):
        Balance.objects.all().delete()

    def read() -> None:
        for order in (ids, ids[::-1]):
            tasks.accounts_refresh(account_ids=order, tenant_id=world.tenant.pk)

    assert at_once([read] * 4) == []
    with tenant_scope(world.tenant.pk):
        assert {row.account_id for row in Balance.objects.all()} == set(ids)


def _fill_table(world: World, pairs: list[Any]) -> None:
    """Many other positions, so that the database finds rows, and locks them, by index."""
    with tenant_scope(world.tenant.pk):
        CopiedPosition.objects.bulk_create(
            CopiedPosition(
                tenant=world.tenant,
                subscription=subscription,
                account=subscription.account,
                customer=subscription.customer,
                symbol=f"X{number}/USDT:USDT",
                changed_at=subscription.created_at,
            )
            for pair in pairs
            for subscription in pair
            for number in range(60)
        )


def _meet_after_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each planner has read its books before the other writes, unless it has to wait for it."""
    meeting = threading.Barrier(2)
    load = shards_module.books_of

    def books_of(*args: Any) -> Any:
        found = load(*args)
        with suppress(threading.BrokenBarrierError):
            meeting.wait(1)
        return found

    monkeypatch.setattr(shards_module, "books_of", books_of)


def test_two_copies_on_one_account_do_not_open_against_each_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = []
    sources = [world.source, SourceFactory(tenant=world.tenant, venue="paper")]
    other = StrategyFactory(tenant=world.tenant, source=sources[1])
    for _ in range(30):
        follower = world.follower()
        twin = SubscriptionFactory(
            tenant=world.tenant,
            strategy=other,
            account=follower.account,
            customer=follower.customer,
            sizing_mode="leader_ratio",
            ratio=Decimal(1),
        )
        pairs.append((follower, twin))
    shards = world.dispatch(world.entry(size="0.01", side="long"))
    _fill_table(world, pairs)
    _meet_after_loading(monkeypatch)
    world.source = sources[1]
    shards += world.dispatch(world.entry(size="0.01", side="short"))
    forget_controls()

    assert at_once([partial(plan, world, claimed(world, shard)) for shard in shards]) == []

    for follower, twin in pairs:
        with tenant_scope(world.tenant.pk):
            orders = Order.objects.filter(account=follower.account)
            assert [order.symbol for order in orders] == [SYMBOL]
            denied = Intent.objects.get(account=follower.account, status="skipped")
        assert denied.reason_code == "opposite_position"
        assert denied.subscription_id in (follower.pk, twin.pk)


def test_planners_of_other_followers_do_not_wait_for_one_another(world: World) -> None:
    """Asked for a part of a small table, MariaDB would read, and lock, all of it."""
    if connection.vendor == "sqlite":
        return  # one transaction at a time
    followers = [world.follower() for _ in range(40)]
    now = timezone.now()
    with tenant_scope(world.tenant.pk):
        rows = follower_rows(
            SignalShard(
                tenant=world.tenant,
                strategy=followers[0].strategy,
                first_subscription_id=followers[0].pk,
                last_subscription_id=followers[-1].pk,
            )
        )
        with transaction.atomic():
            locked_positions(world.tenant.pk, rows, SYMBOL, now)  # makes them
    found: list[int] = []

    def lock(part: Sequence[FollowerRow]) -> None:
        with tenant_scope(world.tenant.pk), transaction.atomic():
            found.append(len(locked_positions(world.tenant.pk, part, SYMBOL, now)))

    with tenant_scope(world.tenant.pk), transaction.atomic():
        assert len(locked_positions(world.tenant.pk, rows[::2], SYMBOL, now)) == 20
        assert at_once([partial(lock, rows[1::2])]) == []
    assert found == [20]

"""Planners, senders and look-ups at the same rows at once: nobody is the victim of a deadlock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from decimal import Decimal

from django.db import connections

from customers.tenancy import tenant_scope
from tests.trading.world import World
from trading import tasks
from trading.domain.order_states import OrderTrigger
from trading.models import Balance, CopiedPosition, Intent, Order
from trading.services.control_state import forget_controls
from trading.services.fanout.context import shard_context
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


def plan(world: World, shard_id: str) -> None:
    with tenant_scope(world.tenant.pk):
        name = threading.current_thread().name
        shard = shard_claim(shard_id=shard_id, tenant_id=world.tenant.pk, claimed_by=name)
        assert shard is not None
        for _ in shard_plan(shard_context(shard, name)):
            pass


def test_first_signals_that_come_at_once_make_each_position_once(world: World) -> None:
    followers = [world.follower() for _ in range(40)]
    shards = [shard for _ in range(4) for shard in world.dispatch(world.entry(size="0.01"))]
    forget_controls()

    raised = at_once([lambda shard=shard: plan(world, shard) for shard in shards])

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
            plan(world, shard)
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

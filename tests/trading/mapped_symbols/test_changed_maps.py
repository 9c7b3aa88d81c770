"""The map changes while something is held, rests, or is planned."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from customers.tenancy import tenant_scope
from tests.trading.mapped_symbols.mapped import (
    ETH,
    IN_BTC,
    IN_ETH,
    INVERSE,
    agrees_with_the_exchange,
    mapped,
    reduction,
    sent,
    state,
)
from tests.trading.world import SYMBOL as BTC
from tests.trading.world import World
from trading.services.fanout.context import shard_context
from trading.services.fanout.shards import shard_claim, shard_plan


def test_exits_reach_what_was_opened_when_the_map_is_gone(world: World) -> None:
    copy = mapped(world)
    world.run(world.entry())
    state(world, copy)

    world.run(reduction(world, "0.5"))
    assert world.held(copy, ETH).filled == 10
    close = world.signal("close", side="")
    world.run(close)
    assert world.held(copy, ETH).filled == 0
    assert world.intent(close, copy).symbol == ETH
    world.run(world.entry())
    assert world.held(copy).filled == 10
    agrees_with_the_exchange(world, copy)


def test_entries_go_by_the_new_map_and_exits_reach_both(world: World) -> None:
    copy = world.follower()
    world.run(world.entry())
    state(world, copy, symbol_map={BTC: ETH})
    world.run(world.entry("increase", "0.05"))
    assert (world.held(copy).filled, world.held(copy, ETH).filled) == (10, 10)

    world.run(reduction(world, "0.5"))
    assert (world.held(copy).filled, world.held(copy, ETH).filled) == (5, 5)
    close = world.signal("close", side="long")
    world.run(close)
    assert (world.held(copy).filled, world.held(copy, ETH).filled) == (0, 0)
    assert {intent.symbol for intent in world.intents(close)} == {BTC, ETH}
    assert sent(world, copy) == [
        (IN_BTC, "buy", 10),
        (IN_ETH, "buy", 10),
        (IN_ETH, "sell", 5),
        (IN_BTC, "sell", 5),
        (IN_ETH, "sell", 5),
        (IN_BTC, "sell", 5),
    ]


@pytest.mark.parametrize("action", ["flip", "set_target"])
def test_a_turn_leaves_the_old_symbol_and_enters_the_new_one(world: World, action: str) -> None:
    copy = world.follower()
    world.run(world.entry())
    state(world, copy, symbol_map={BTC: ETH})
    turn = world.entry(action, "0.05", side="short")
    world.run(turn)
    assert (world.held(copy).filled, world.held(copy, ETH).filled) == (0, -10)
    again = world.signal("close", side="short")
    world.run(again)
    assert world.held(copy, ETH).filled == 0


def test_a_turn_in_the_new_symbol_does_not_wait_for_the_end_of_the_old_one(world: World) -> None:
    copy = world.follower()
    world.run(world.entry())
    state(world, copy, symbol_map={BTC: ETH})
    world.run(world.entry("increase", "0.05"))
    key = world.keys[copy.account_id].api_key
    world.paper.control.add_fault("drop", account=key, instId=IN_BTC, endpoint="trade/*order*")
    try:
        world.run(world.entry("flip", "0.05", side="short"))
    finally:
        world.paper.control.clear_faults()
    assert (world.held(copy).filled, world.held(copy, ETH).filled) == (10, -10)


def test_a_resting_entry_in_the_old_symbol_ends_with_the_leaders_exit(world: World) -> None:
    values = {"execution": "limit_follow", "limit_follow_percent": "5"}
    copy = world.follower(settings={"values": values, "symbols": {}})
    world.fan_out(world.entry(price=D(60_000)))
    state(world, copy, symbol_map={BTC: ETH}, **values)
    world.fan_out(world.signal("close", side=""))
    world.check_until(lambda: world.check() == 0, "it is cancelled")
    (order,) = world.orders(subscription_id=copy.pk)
    assert (order.symbol, order.state) == (BTC, "cancelled")


def test_planning_again_plans_nobody_twice(world: World) -> None:
    """A planner that died left the shard when the map changed in between."""
    copy = world.follower()
    world.run(world.entry())
    state(world, copy, symbol_map={BTC: ETH})
    close = world.entry("set_target", "0.05", side="short")
    (shard_id,) = world.dispatch(close)
    tenant_id = world.tenant.pk
    with tenant_scope(tenant_id):
        for values in ({"symbol_map": {BTC: ETH}}, {}, {"symbol_map": {BTC: INVERSE}}):
            close.shards.update(status="pending", claimed_until=None)
            state(world, copy, **values)
            shard = shard_claim(shard_id=shard_id, tenant_id=tenant_id, claimed_by="x")
            assert shard is not None
            list(shard_plan(shard_context(shard, "x")))
    assert sorted((intent.symbol, intent.leg) for intent in world.intents(close)) == [
        (BTC, 1000),
        (ETH, 0),
    ]


@pytest.mark.parametrize("action", ["close", "flip"])
def test_a_planner_that_dies_between_two_symbols_loses_no_exit(world: World, action: str) -> None:
    """The map changes before another one plans the rest."""
    copy = world.follower()
    world.run(world.entry())
    state(world, copy, symbol_map={BTC: ETH})
    world.run(world.entry("increase", "0.05"))
    leaves = world.entry(action, "0.05", side="short" if action == "flip" else "long")
    (shard_id,) = world.dispatch(leaves)
    tenant_id = world.tenant.pk
    with tenant_scope(tenant_id):
        shard = shard_claim(shard_id=shard_id, tenant_id=tenant_id, claimed_by="x")
        assert shard is not None
        next(shard_plan(shard_context(shard, "x")))
        leaves.shards.update(status="pending", claimed_until=None)
    assert {order.symbol for order in world.orders(signal_id=leaves.pk)} == {ETH}
    state(world, copy)
    with tenant_scope(tenant_id):
        shard = shard_claim(shard_id=shard_id, tenant_id=tenant_id, claimed_by="y")
        assert shard is not None
        list(shard_plan(shard_context(shard, "y")))
    exits = world.orders(signal_id=leaves.pk, is_entry=False)
    assert sorted((order.symbol, order.quantity) for order in exits) == [(BTC, 10), (ETH, 10)]
    entries = {order.symbol for order in world.orders(signal_id=leaves.pk, is_entry=True)}
    assert entries <= {ETH}

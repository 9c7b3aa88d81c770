"""An entry that was found absent shows up after all: kept, or undone when it is not wanted."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from customers.tenancy import tenant_scope
from tests.trading.world import World, other_copy
from trading import tasks
from trading.models import Intent, Order
from trading.services.fanout.context import shard_context
from trading.services.fanout.shards import shard_claim, shard_plan

PLACE = {"endpoint": "trade/order", "method": "POST", "count": 1}


def lose(world: World, signal: Any, *, hidden_ms: int = 0) -> str:
    """Send the signal's one order so that it is found absent; booked but hidden if asked."""
    if hidden_ms:
        world.paper.control.add_fault("hide_order", ms=hidden_ms, **PLACE)
    world.paper.control.add_fault("drop", booked=bool(hidden_ms), **PLACE)
    world.fan_out(signal)
    with tenant_scope(world.tenant.pk):
        order = Order.objects.get(state="unknown")
        past = {"sent_at": order.sent_at, "deadline_at": order.deadline_at}
        earlier = {name: at - timedelta(seconds=60) for name, at in past.items() if at}
        Order.objects.filter(pk=order.pk).update(**earlier)
    for _ in range(6):
        world.check()
    (lost,) = world.orders(pk=order.pk)
    assert lost.state == "not_placed"
    return lost.pk


def show_up(world: World, order_id: str) -> None:
    """Until the venue shows it, and then until nothing is left to do."""
    deadline = timezone.now() + timedelta(seconds=20)
    while world.orders(pk=order_id)[0].state == "not_placed":
        assert timezone.now() < deadline
        with tenant_scope(world.tenant.pk):
            Order.objects.filter(pk=order_id).update(check_at=timezone.now())
            tasks.orders_check(order_ids=[order_id], tenant_id=world.tenant.pk)
    for _ in range(8):
        world.check()


@pytest.mark.parametrize("action", ["close", "reduce", "set_target"])
def test_what_the_leader_left_meanwhile_is_exited(world: World, action: str) -> None:
    follower = world.follower()
    order_id = lose(world, world.entry(), hidden_ms=3000)
    size = {"size": Decimal(0), "size_basis": "base"} if action == "set_target" else {}
    if action == "reduce":
        size = {"size": Decimal("0.5"), "size_basis": "position_fraction"}
    world.run(world.signal(action, side="long" if action == "set_target" else "", **size))

    show_up(world, order_id)

    assert world.orders(pk=order_id)[0].state == "filled"
    position = world.held(follower)
    assert (position.filled, position.target) == (0, 0)
    with tenant_scope(world.tenant.pk):
        assert Intent.objects.get(cause="repair").quantity == 10


def test_a_further_entry_on_the_same_side_changes_nothing(world: World) -> None:
    follower = world.follower()
    order_id = lose(world, world.entry(), hidden_ms=3000)
    world.run(world.entry("increase", "0.05"))
    show_up(world, order_id)
    position = world.held(follower)
    assert (position.filled, position.target) == (15, 15)


def test_a_copy_that_turned_meanwhile_keeps_its_new_side_only(world: World) -> None:
    follower = world.follower(position_mode="long_short")
    order_id = lose(world, world.entry(), hidden_ms=3000)
    world.run(world.entry("flip", "0.03", side="short"))
    assert world.held(follower).filled == -3

    show_up(world, order_id)

    position = world.held(follower)
    assert (position.filled, position.target) == (-3, -3)
    sides = [(row["posSide"], row["side"], row["sz"]) for row in world.ledger_orders(follower)]
    assert sorted(sides) == [("long", "buy", "10"), ("long", "sell", "10"), ("short", "sell", "3")]


def test_a_resting_twin_is_cancelled(world: World) -> None:
    follower = world.follower()
    resting = world.signal(
        "open",
        size=Decimal(5_900),
        size_basis="quote",
        order_type="limit",
        price=Decimal(59_000),
    )
    order_id = lose(world, resting, hidden_ms=3000)
    world.run(world.signal("close", side=""))
    show_up(world, order_id)
    assert world.orders(pk=order_id)[0].state == "cancelled"
    assert [row["state"] for row in world.ledger_orders(follower)] == ["canceled"]


# --- the account's other copies ------------------------------------------------------------------


def test_another_copy_takes_no_other_side_while_an_exit_is_unproven(world: World) -> None:
    follower = world.follower()
    other, copy = other_copy(world, follower)
    world.run(world.entry())
    world.paper.control.add_fault("drop", booked=False, **PLACE)
    world.fan_out(world.signal("close", side=""))
    assert world.orders(is_entry=False)[0].state == "unknown"

    other.run(short := other.entry(side="short"))

    assert other.intent(short, copy).reason_code == "opposite_position"


def test_another_copy_takes_no_other_side_while_an_absent_entry_is_watched(world: World) -> None:
    follower = world.follower()
    other, copy = other_copy(world, follower)
    order_id = lose(world, world.entry())

    other.run(short := other.entry(side="short"))
    assert other.intent(short, copy).reason_code == "opposite_position"

    with tenant_scope(world.tenant.pk):
        Order.objects.filter(pk=order_id).update(watch_until=timezone.now())
    other.run(again := other.entry(side="short"))
    assert other.intent(again, copy).status == "filled"


def test_a_repair_sells_what_is_held_and_not_what_another_lost_entry_might_bring(
    world: World,
) -> None:
    follower = world.follower()
    other, copy = other_copy(world, follower)
    other.run(other.entry())
    world.paper.control.add_fault("drop", booked=False, **PLACE)
    world.fan_out(world.entry(size="0.2"))  # of unknown outcome, and never booked
    world.fan_out(filled := world.entry(size="0.03"))  # filled, which we do not know yet
    world.fan_out(world.signal("close", side=""))
    for _ in range(8):
        world.check()

    assert world.intent(filled, follower).status == "filled"
    with tenant_scope(world.tenant.pk):
        assert Intent.objects.get(cause="repair").quantity == 3
    assert world.held(follower).filled == 0
    assert other.held(copy).filled == 10


# --- turning -------------------------------------------------------------------------------------


def test_an_entry_waits_until_the_exit_of_the_other_side_is_proven(world: World) -> None:
    follower = world.follower()
    world.run(world.entry(side="short"))
    world.paper.control.add_fault("drop", booked=True, **PLACE)
    world.fan_out(world.signal("close", side=""))
    world.fan_out(long := world.entry(size="0.05"))
    assert world.intent(long, follower).status == "working"
    assert [row["side"] for row in world.ledger_orders(follower)] == ["sell", "buy"]

    world.run(long)

    assert world.intent(long, follower).status == "filled"
    assert world.held(follower).filled == 5


def test_an_entry_is_refused_when_the_other_side_is_held_after_all(world: World) -> None:
    follower = world.follower()
    world.run(world.entry(side="short"))
    world.paper.control.add_fault("error_code", code="51008", msg="no", **PLACE)
    close = world.signal("close", side="")
    long = world.entry(size="0.05")
    shards = [*world.dispatch(close), *world.dispatch(long)]
    with tenant_scope(world.tenant.pk):
        for pk in shards:
            shard = shard_claim(shard_id=pk, tenant_id=world.tenant.pk, claimed_by="x")
            assert shard is not None
            list(shard_plan(shard_context(shard, "x")))
        Order.objects.filter(state="claimed").update(state="ready", claimed_by="")
    for _ in range(6):
        world.check()

    assert world.intent(close, follower).status == "rejected"
    intent = world.intent(long, follower)
    assert (intent.status, intent.reason_code) == ("rejected", "close_leg_unfinished")
    assert (world.held(follower).filled, world.held(follower).target) == (-10, -10)


def test_a_turn_waits_for_the_entry_that_it_overtakes(world: World) -> None:
    follower = world.follower()
    world.paper.control.add_fault("drop", booked=True, **PLACE)
    world.fan_out(world.entry())  # filled, which we do not know
    world.fan_out(flip := world.entry("flip", "0.03", side="short"))
    assert len(world.ledger_orders(follower)) == 1

    world.run(flip, rounds=10)

    assert world.intent(flip, follower).status == "filled"
    sides = [(row["side"], row["sz"]) for row in world.ledger_orders(follower)]
    assert sides == [("buy", "10"), ("sell", "10"), ("sell", "3")]
    assert (world.held(follower).filled, world.held(follower).target) == (-3, -3)


def test_an_overtaken_entry_does_not_stand_in_for_a_new_one(world: World) -> None:
    follower = world.follower()
    world.paper.control.add_fault("drop", booked=False, **PLACE)
    world.fan_out(world.entry())  # of unknown outcome
    world.fan_out(world.signal("close", side=""))
    world.run(again := world.entry(size="0.02"), rounds=2)
    assert world.intent(again, follower).status == "filled"
    assert (world.held(follower).filled, world.held(follower).target) == (2, 2)


def test_a_turn_waits_though_overtaken_entries_of_both_sides_cancel_out(world: World) -> None:
    follower = world.follower()
    world.paper.control.add_fault("drop", booked=True, **PLACE)
    world.fan_out(world.entry())  # filled, which we do not know
    world.fan_out(world.entry("flip", "0.1", side="short"))  # waits
    world.fan_out(world.signal("close", side=""))
    world.fan_out(short := world.entry(size="0.03", side="short"))
    assert [row["side"] for row in world.ledger_orders(follower)] == ["buy"]

    world.run(short, rounds=10)

    sides = [(row["side"], row["sz"]) for row in world.ledger_orders(follower)]
    assert sides == [("buy", "10"), ("sell", "10"), ("sell", "3")]

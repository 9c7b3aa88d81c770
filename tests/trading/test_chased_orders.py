"""A leader's resting order was filled before its followers': what they lack is entered at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import close_old_connections
from django.utils import timezone

from customers.tenancy import tenant_scope
from signals_app.models import Signal, SignalSource
from strategies.models import Subscription
from tests.trading.test_amended_orders import LOW, LOWER, cancel, follow, orders, resting
from tests.trading.world import World
from trading import tasks
from trading.models import Order, SignalShard
from trading.services.cancelling import entries_cancel

INST = "BTC-USDT-SWAP"


@pytest.fixture(autouse=True)
def of_a_leader(world: World) -> None:
    with tenant_scope(world.tenant.pk):
        SignalSource.objects.filter(pk=world.source.pk).update(kind=SignalSource.Kind.LEADER)


def chase(world: World, amends: Signal, size: str, **fields: Any) -> Signal:
    return world.entry(size=size, price=amends.price, amends=amends, **fields)


def sent(world: World, subscription: Subscription) -> list[tuple[str, Decimal, Decimal]]:
    """What the exchange has of the follower's orders: state, size, filled."""
    rows = sorted(world.ledger_orders(subscription), key=lambda row: int(row["ordId"]))
    return [(row["state"], Decimal(row["sz"]), Decimal(row["accFillSz"])) for row in rows]


def settled(world: World) -> None:
    world.check_until(lambda: world.check() == 0, "every order has ended")


def test_what_rests_is_cancelled_and_then_bought(world: World) -> None:
    subscription = world.follower()
    placed = resting(world, "0.1", LOW)
    world.fan_out(placed)
    filled = chase(world, placed, "0.1")
    world.fan_out(filled)
    assert orders(world, filled) == []  # not before the cancellation is proven
    follow(world, filled)
    settled(world)
    assert sent(world, subscription) == [("canceled", 10, 0), ("filled", 10, 10)]
    [old] = world.orders(signal_id=placed.pk)
    assert (old.reason_code, old.withdrawn_for) == ("withdrawn", filled.pk)
    held = world.held(subscription)
    assert (held.filled, held.target) == (10, 10)


def test_a_part_that_was_filled_already_counts(world: World) -> None:
    subscription = world.follower()
    placed = resting(world, "3", Decimal("60000.6"))  # more than the best ask has
    world.fan_out(placed)
    world.paper.control.set_price(INST, "60100")
    try:
        world.check_until(lambda: world.held(subscription).filled > 0, "a part is filled")
        follow(world, filled := chase(world, placed, "3"))
        settled(world)
    finally:
        world.paper.control.set_price(INST, "60000")
    held = world.held(subscription)
    assert (held.filled, held.target) == (300, 300)
    [bought] = world.orders(signal_id=filled.pk)
    assert 0 < bought.quantity < 300


def test_who_is_filled_already_buys_nothing(world: World) -> None:
    """By fixed amount, at another price than the order's: sized anew it would be a little more."""
    subscription = world.follower(sizing_mode="fixed_amount", fixed_amount=Decimal(1200))
    placed = resting(world, "0.1", Decimal(61_000))
    world.fan_out(placed)
    settled(world)
    before = world.held(subscription).filled
    assert before > 0
    world.paper.control.set_price(INST, "58000")
    try:
        follow(world, filled := chase(world, placed, "0.1"))
        settled(world)
    finally:
        world.paper.control.set_price(INST, "60000")
    assert world.held(subscription).filled == before
    assert world.intent(filled, subscription).reason_code == "already_at_target"


def test_filled_while_the_cancellation_was_on_its_way(world: World) -> None:
    """Our books do not know of the fill yet when the chase begins."""
    subscription = world.follower()
    placed = resting(world, "0.1", LOW)
    world.fan_out(placed)
    world.paper.control.set_price(INST, "57900")
    world.paper.control.set_price(INST, "60000")
    assert [state for state, *_ in orders(world, placed)] == ["accepted"]
    follow(world, chase(world, placed, "0.1"))
    settled(world)
    assert sent(world, subscription) == [("filled", 10, 10)]
    assert world.held(subscription).filled == 10


def test_of_an_order_that_was_filled_in_part_only_that_part_is_chased(world: World) -> None:
    subscription = world.follower()
    placed = resting(world, "0.1", LOW)
    world.fan_out(placed)
    follow(world, chase(world, placed, "0.04"))
    settled(world)
    assert sent(world, subscription) == [("canceled", 10, 0), ("filled", 4, 4)]
    held = world.held(subscription)
    assert (held.filled, held.target) == (4, 4)


def test_told_again_and_planned_by_two_at_once_it_is_bought_once(world: World) -> None:
    followers = [world.follower() for _ in range(3)]
    placed = resting(world, "0.1", LOW)
    world.fan_out(placed)
    filled = chase(world, placed, "0.1")
    world.fan_out(filled)
    settled(world)

    def dispatch(_: int) -> None:
        try:
            for shard_id in world.dispatch(filled):
                tasks.shard_run(shard_id=shard_id, tenant_id=world.tenant.pk)
        finally:
            close_old_connections()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(dispatch, range(4)))
    settled(world)
    with tenant_scope(world.tenant.pk):  # as a planner leaves it that died after its commit
        past = timezone.now() - timedelta(minutes=1)
        SignalShard.objects.filter(signal=filled).update(status="claimed", claimed_until=past)
        Signal.objects.filter(pk=filled.pk).update(status="planning", claimed_until=past)
    world.fan_out(filled)
    settled(world)
    for subscription in followers:
        assert sent(world, subscription) == [("canceled", 10, 0), ("filled", 10, 10)]


def test_too_late_for_an_entry_the_rest_is_cancelled(world: World) -> None:
    subscription = world.follower()
    placed = resting(world, "0.1", LOW)
    world.fan_out(placed)
    late = timezone.now() - timedelta(seconds=5)
    follow(world, filled := chase(world, placed, "0.1", expires_at=late))
    settled(world)
    assert sent(world, subscription) == [("canceled", 10, 0)]
    assert world.intent(filled, subscription).reason_code == "signal_expired"
    held = world.held(subscription)
    assert (held.filled, held.target) == (0, 0)


@pytest.mark.parametrize(("worst", "bought"), [("58290", 0), ("60600", 10)])
def test_no_worse_than_the_price_that_is_allowed(world: World, worst: str, bought: int) -> None:
    subscription = world.follower()
    placed = resting(world, "0.1", LOW)
    world.fan_out(placed)
    follow(world, filled := chase(world, placed, "0.1", worst_price=Decimal(worst)))
    settled(world)
    [order] = world.orders(signal_id=filled.pk)
    assert (order.order_type, order.price, order.filled_quantity) == ("ioc", Decimal(worst), bought)
    held = world.held(subscription)
    assert (held.filled, held.target) == (bought, bought)
    if not bought:
        assert (order.reason_code, order.reason_params) == ("price_ran_away", {"price": worst})


def test_an_order_that_was_cancelled_for_another_reason_is_not_made_up_for(world: World) -> None:
    """By the client, or by an exit that came between."""
    subscription = world.follower()
    placed = resting(world, "0.1", LOW)
    world.fan_out(placed)
    with tenant_scope(world.tenant.pk):
        entries_cancel(
            tenant_id=world.tenant.pk, subscription_ids=[subscription.pk], now=timezone.now()
        )
    follow(world, filled := chase(world, placed, "0.1"))
    settled(world)
    assert sent(world, subscription) == [("canceled", 10, 0)]
    assert world.intent(filled, subscription).reason_code == "nothing_rested"


def test_filled_while_an_amendment_still_waited(world: World) -> None:
    """Its orders were never placed: what they should have replaced is chased."""
    subscription = world.follower()
    placed = resting(world, "0.1", LOW)
    world.fan_out(placed)
    amended = resting(world, "0.2", LOWER, amends=placed)
    world.fan_out(amended)
    follow(world, chase(world, amended, "0.2"))
    settled(world)
    assert orders(world, amended) == []
    assert sent(world, subscription) == [("canceled", 10, 0), ("filled", 20, 20)]


def test_filled_before_anybody_had_planned_it(world: World) -> None:
    """Then it is an entry like any other, coin for coin at whatever price."""
    subscription = world.follower()
    placed = resting(world, "0.1", LOW)
    follow(world, chase(world, placed, "0.1"))
    settled(world)
    assert orders(world, placed) == []
    assert sent(world, subscription) == [("filled", 10, 10)]


def test_what_is_too_small_to_rest_is_carried_only_once_the_leader_has_it(world: World) -> None:
    """A leader that quotes and cancels all day would add up to an order that it never had."""
    subscription = world.follower(ratio=Decimal("0.001"))
    for _ in range(3):
        placed = resting(world, "0.05", LOW)  # 0.005 contracts; the lot is 0.01
        follow(world, placed)
        assert world.intent(placed, subscription).reason_code == "resting_below_minimum"
        follow(world, cancel(world, placed))
    assert world.held(subscription).target == 0
    placed = resting(world, "0.05", LOW)
    follow(world, placed)
    follow(world, filled := chase(world, placed, "0.05"))
    assert world.intent(filled, subscription).reason_code == "below_minimum_size"
    assert 0 < world.held(subscription).target < Decimal("0.01")


def test_the_last_cancellation_wakes_the_chase(world: World, monkeypatch: Any) -> None:
    """However long the order has rested: the signal that placed it may be done."""
    woken: list[str] = []
    world.follower()
    placed = resting(world, "0.1", LOW)
    world.fan_out(placed)
    with tenant_scope(world.tenant.pk):
        Signal.objects.filter(pk=placed.pk).update(status=Signal.Status.DONE)
    filled = chase(world, placed, "0.1")
    world.fan_out(filled)
    monkeypatch.setattr(
        "customers.wakeup.wake", lambda name, **ids: woken.append(str(ids.get("signal_id")))
    )
    settled(world)
    assert filled.pk in woken
    with tenant_scope(world.tenant.pk):
        assert Order.objects.get(signal_id=placed.pk).state == "cancelled"

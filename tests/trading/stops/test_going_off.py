"""A stop that goes off: its fills are the copy's, and the rest of the stops follow."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from customers.tenancy import tenant_scope
from tests.factories import SourceFactory, StrategyFactory, SubscriptionFactory
from tests.paper.client import PaperClient
from tests.trading.stops.guarded import BTC, GuardedWorld
from tests.trading.world import World, other_copy
from trading import tasks
from trading.models import CopiedPosition, Fill, Finding, Intent, Order, StopOrder, Trade
from trading.services.stops.exits import exit_of_stop, position_exit
from trading.services.stops.watching import stops_hurry
from venues import markets

TARGETS = [{"price": "62000", "fraction": "0.5"}, {"price": "64000", "fraction": "0.3"}]


def holds(guarded: GuardedWorld, follower: Any, quantity: str) -> Any:
    return lambda: guarded.position(follower).filled == D(quantity)


def test_a_stop_loss_closes_the_copy(guarded: GuardedWorld) -> None:
    follower = guarded.follower()
    guarded.run(guarded.world.entry(stop_loss=D(58000), take_profit=D(65000)))
    guarded.price("57990")
    guarded.until(holds(guarded, follower, "0"), "the stop's fills are booked")
    guarded.check()

    position = guarded.position(follower)
    assert (position.filled, position.target) == (0, 0)
    (order,) = guarded.exits()
    (row,) = guarded.rows()
    assert (order.pk, order.state, order.quantity) == (row.pk, "filled", 10)
    assert (row.state, row.triggered_by) == ("triggered", "sl")
    with tenant_scope(guarded.world.tenant.pk):
        assert {fill.attribution for fill in Fill.objects.all()} == {"copy"}
        assert Trade.objects.get().quantity == 10
        intent = Intent.objects.get(cause="stop")
    assert (intent.status, intent.subscription_id, intent.cause_id) == (
        "filled",
        follower.pk,
        row.pk,
    )


SLICED = {"execution": "sliced", "slice_count": 3, "slice_interval_seconds": 3600}
RESTS = {"execution": "limit_follow", "limit_follow_percent": "2"}


@pytest.mark.parametrize("style", [SLICED, RESTS], ids=["slices", "a resting order"])
def test_what_waits_to_enter_ends_with_the_position(guarded: GuardedWorld, style: Any) -> None:
    """A stop is an exit: what it closed is not opened again by what was decided before."""
    follower, world = guarded.follower(style), guarded.world
    if style is RESTS:
        part = {"ratio": 0.4, "remainder": "rest", "endpoint": "trade/order", "count": 1}
        world.paper.control.add_fault("partial_fill", **part)
    leaders = D(60000) if style is SLICED else D(62000)
    guarded.run(world.entry(size="0.12", price=leaders, stop_loss=D(57000)))
    guarded.until(lambda: guarded.position(follower).filled > 0, "a part is filled")
    guarded.until(lambda: len(guarded.at_venue(follower)) == 1, "it is guarded")
    assert guarded.position(follower).target == 12
    guarded.price("56990")
    guarded.until(holds(guarded, follower, "0"), "the stop's fills are booked")
    guarded.until(lambda: guarded.world.check() == 0, "every order has ended")
    assert (guarded.position(follower).filled, guarded.position(follower).target) == (0, 0)
    ended = world.orders(is_entry=True)
    assert {order.reason_code for order in ended if order.state != "filled"} == {"overtaken"}


def test_an_entry_decided_after_a_stop_went_off_stays(guarded: GuardedWorld) -> None:
    follower, world = guarded.follower(RESTS), guarded.world
    guarded.run(world.entry(price=D(62000), stop_loss=D(58000)))
    guarded.until(lambda: len(guarded.at_venue(follower)) == 1, "it is guarded")
    guarded.price("57990")
    world.fan_out(world.entry(size="0.04", price=D(57990)))
    guarded.until(holds(guarded, follower, "0"), "the stop's fills are booked")
    guarded.check()
    assert guarded.position(follower).target == 4
    assert [order.state for order in world.orders(is_entry=True)] == ["filled", "accepted"]


def test_the_second_target_follows_the_first(guarded: GuardedWorld) -> None:
    follower = guarded.follower({"break_even_after_target": True})
    guarded.run(guarded.world.entry(stop_loss=D(58000), targets=TARGETS))
    entry = guarded.position(follower).average_entry_price
    assert entry is not None
    guarded.price("62010")
    guarded.until(holds(guarded, follower, "5"), "the first target is booked")
    guarded.until(lambda: guarded.state(follower).open_since is None, "the others follow")
    stop = entry.quantize(D("0.1"))
    stop += D("0.1") if stop < entry else 0
    assert guarded.at_venue(follower) == [(D(3), stop, D(64000)), (D(2), stop, None)]

    guarded.price("64010")
    guarded.until(holds(guarded, follower, "2"), "the second target is booked")
    guarded.until(lambda: guarded.state(follower).open_since is None, "the rest is guarded")
    assert guarded.at_venue(follower) == [(D(2), stop, None)]
    assert guarded.position(follower).target == 2


@pytest.mark.parametrize("first", ["stream", "reading"])
def test_it_is_nobodys_manual_close(guarded: GuardedWorld, first: str) -> None:
    """However the fill is heard of first: without a name of ours it comes of a stop."""
    follower = guarded.follower()
    guarded.run(guarded.world.entry(stop_loss=D(58000)))
    guarded.price("57990")
    world = guarded.world
    if first == "reading":
        world.refresh(follower.account_id)
        world.refresh(follower.account_id)
    guarded.until(holds(guarded, follower, "0"), "the stop's fills are booked")
    world.refresh(follower.account_id)
    with tenant_scope(world.tenant.pk):
        assert {fill.attribution for fill in Fill.objects.all()} == {"copy"}
        assert not Finding.objects.exists()
        assert CopiedPosition.objects.get().target == 0


@pytest.mark.parametrize("first", ["stop", "close"])
def test_of_a_stop_and_a_close_at_once_the_second_took_the_other_copys(
    guarded: GuardedWorld, first: str
) -> None:
    """Both left before either was heard of: the exchange holds nothing now, nor do the copies."""
    follower = guarded.follower()
    world = guarded.world
    other, sibling = other_copy(world, follower)
    guarded.run(world.entry(stop_loss=D(58000)))
    other.run(other.entry(size="0.04"))
    guarded.price("57990")
    drop = {"endpoint": "trade/order", "method": "POST", "count": 1}
    world.paper.control.add_fault("drop", booked=True, **drop)
    world.fan_out(world.signal("close", side=""))
    (close,) = world.orders(is_entry=False)
    assert close.state == "unknown"

    if first == "stop":
        (stop,) = guarded.rows()
        with tenant_scope(world.tenant.pk):
            StopOrder.objects.update(check_at=timezone.now())
            tasks.stops_check(stop_ids=[stop.pk], tenant_id=world.tenant.pk)
            Order.objects.filter(pk=stop.pk).update(check_at=timezone.now())
            tasks.orders_check(order_ids=[stop.pk], tenant_id=world.tenant.pk)
        assert guarded.position(follower).filled == 0
        assert world.orders(pk=close.pk)[0].state == "unknown"
    guarded.until(lambda: not any(o.state == "unknown" for o in world.orders()), "it is found")
    guarded.until(holds(guarded, follower, "0"), "the stop's fills are booked")

    assert guarded.position(follower).target == 0
    assert (guarded.position(sibling).filled, guarded.position(sibling).target) == (0, 0)
    (closed,) = world.orders(pk=close.pk)
    assert (closed.state, closed.quantity, closed.filled_quantity) == ("cancelled", 10, 4)
    with tenant_scope(world.tenant.pk):
        assert Trade.objects.filter(subscription_id=sibling.pk).count() == 1


@pytest.mark.parametrize("position_mode", ["net", "long_short"])
def test_what_closes_an_entry_that_nobody_heard_of_is_booked_after_it(
    guarded: GuardedWorld, position_mode: str
) -> None:
    """A stop and a close take ten each. The second ten came of an entry of unknown outcome."""
    follower = guarded.follower(position_mode=position_mode)
    world = guarded.world
    guarded.run(world.entry(stop_loss=D(58000)))
    placing = {"endpoint": "trade/order", "method": "POST", "count": 1}
    world.paper.control.add_fault("drop", booked=True, **placing)
    world.fan_out(world.entry("increase"))
    (entry,) = world.orders(state="unknown")
    guarded.price("57990")
    world.fan_out(world.signal("close", side=""))
    (close,) = world.orders(is_entry=False, order_type="market", placed_by_venue=False)
    assert close.state == "accepted"

    (stop,) = guarded.rows()
    for _ in range(3):  # everybody but the entry is looked up
        with tenant_scope(world.tenant.pk):
            StopOrder.objects.update(check_at=timezone.now())
            tasks.stops_check(stop_ids=[stop.pk], tenant_id=world.tenant.pk)
            exits = [stop.pk, close.pk]
            Order.objects.filter(pk__in=exits).update(check_at=timezone.now())
            tasks.orders_check(order_ids=exits, tenant_id=world.tenant.pk)
    assert guarded.position(follower).filled == 0  # and not ten short
    assert world.orders(pk=entry.pk)[0].state == "unknown"

    live = {"unknown", "accepted", "partially_filled", "ready", "sending"}
    guarded.until(lambda: not live & {o.state for o in world.orders()}, "all are booked")
    assert all(o.state == "filled" for o in world.orders() if o.pk in (entry.pk, *exits))
    assert (guarded.position(follower).filled, guarded.position(follower).target) == (0, 0)


def test_an_exit_that_never_was_gives_nothing_back_that_a_stop_closed(
    guarded: GuardedWorld,
) -> None:
    follower = guarded.follower()
    world = guarded.world
    guarded.run(world.entry(stop_loss=D(58000)))
    lost = {"endpoint": "trade/order", "method": "POST", "count": 1}
    world.paper.control.add_fault("drop", booked=False, **lost)
    world.fan_out(world.signal("close", side=""))
    (close,) = world.orders(is_entry=False)
    assert close.state == "unknown"
    guarded.price("57990")
    guarded.until(holds(guarded, follower, "0"), "the stop's fills are booked")
    world.fan_out(world.signal("close", side=""))  # the leader closes again: nothing is wanted

    earlier = timezone.now() - timedelta(minutes=10)
    with tenant_scope(world.tenant.pk):
        Order.objects.filter(pk=close.pk).update(sent_at=earlier, deadline_at=earlier)
    guarded.until(lambda: world.orders(pk=close.pk)[0].state == "not_placed", "it is proven absent")
    assert (guarded.position(follower).filled, guarded.position(follower).target) == (0, 0)


def test_what_closes_in_a_stops_place_is_made_once(guarded: GuardedWorld) -> None:
    """However often it is asked for, and by two who asked at the same time."""
    follower, world = guarded.follower(), guarded.world
    guarded.run(world.entry(stop_loss=D(58000)))
    (row,) = guarded.rows()
    instrument = markets.instruments("paper")[row.symbol]
    with tenant_scope(world.tenant.pk):
        for expected in (1, 0):
            with transaction.atomic():
                position = CopiedPosition.objects.get(subscription=follower)
                wanted = exit_of_stop(row, D(4), part=":instead")
                made = position_exit(position, wanted, instrument, timezone.now())
            assert (made is not None) == bool(expected)
    guarded.until(holds(guarded, follower, "6"), "it is filled")
    assert [order.quantity for order in guarded.exits()] == [4]


def test_a_manual_close_beside_a_waiting_stop_is_still_called_one(guarded: GuardedWorld) -> None:
    follower = guarded.follower()
    guarded.run(guarded.world.entry(stop_loss=D(58000)))
    close_by_hand(guarded, follower, "4")
    world = guarded.world
    guarded.until(lambda: _refreshed(world, follower) == 6, "the manual close is noticed")
    with tenant_scope(world.tenant.pk):
        assert Finding.objects.filter(kind="manual_reduction").exists()
    guarded.check()
    assert guarded.at_venue(follower) == [(D(6), D(58000), None)]


def _refreshed(world: Any, follower: Any) -> D:
    world.refresh(follower.account_id)
    return world.held(follower).filled


def close_by_hand(guarded: GuardedWorld, follower: Any, quantity: str) -> None:
    order = {"instId": BTC, "tdMode": "cross", "side": "sell", "ordType": "market", "sz": quantity}
    assert at_exchange(guarded, follower, "trade/order", order | {"reduceOnly": True}) == "0"


def at_exchange(guarded: GuardedWorld, follower: Any, path: str, body: dict[str, Any]) -> str:
    """As the client himself would; the code of what comes back."""
    client = PaperClient(guarded.world.paper.url, guarded.world.keys[follower.account_id])
    try:
        return str(client.post(path, body).row["sCode"])
    finally:
        client.close()


def test_a_stop_whose_price_is_passed_becomes_a_close(guarded: GuardedWorld) -> None:
    follower = guarded.follower()
    guarded.world.run(guarded.world.entry(stop_loss=D(58000)))
    guarded.price("57000")
    guarded.until(holds(guarded, follower, "0"), "the position is closed")
    (order,) = guarded.exits()
    assert (order.state, order.order_type, order.reduce_only) == ("filled", "market", True)
    assert guarded.position(follower).target == 0
    assert guarded.at_venue(follower) == []
    assert [row.reason_code for row in guarded.rows()] == ["stop_price_passed"]


def test_what_a_stop_left_unfilled_goes_to_the_market(guarded: GuardedWorld) -> None:
    """Its order rests: after ten seconds it is cancelled, and the rest sold."""
    follower = guarded.follower()
    guarded.run(guarded.world.entry(stop_loss=D(58000)))
    (row,) = guarded.rows()
    rests = {"instId": BTC, "algoClOrdId": row.pk, "newSlOrdPx": "59500"}
    assert at_exchange(guarded, follower, "trade/amend-algos", rests) == "0"
    guarded.price("57990")
    guarded.until(lambda: bool(guarded.exits()), "the stop's order is ours")
    guarded.check()
    assert guarded.position(follower).filled == 10
    with tenant_scope(guarded.world.tenant.pk):
        assert stops_hurry() == 0
        Order.objects.filter(pk=row.pk).update(created_at=timezone.now() - timedelta(seconds=11))
    assert stops_hurry() == 1
    guarded.until(holds(guarded, follower, "0"), "the rest is sold")
    rest, sold = guarded.exits()
    assert (rest.state, sold.state, sold.quantity) == ("cancelled", "filled", 10)
    assert guarded.position(follower).target == 0


def test_a_stop_that_outlived_its_copy_closes_the_others_and_says_so(guarded: GuardedWorld) -> None:
    """Two copies on one account; the first is closed, and its stop goes off before it is gone."""
    world = guarded.world
    follower = guarded.follower()
    source = SourceFactory(tenant=world.tenant, venue="paper")
    strategy = StrategyFactory(tenant=world.tenant, source=source)
    other = World(world.paper, world.tenant, source, strategy, world.keys)
    copy = SubscriptionFactory(
        tenant=world.tenant,
        strategy=strategy,
        account=follower.account,
        customer=follower.customer,
        settings={"values": {"stops_mode": "none"}, "symbols": {}},
        sizing_mode="leader_ratio",
        ratio=D(1),
    )
    guarded.run(world.entry(stop_loss=D(58000)))
    guarded.run(other.entry(size="0.15"))
    world.run(world.signal("close", side=""))  # the fills are booked, its stop waits still
    assert guarded.position(follower).filled == 0
    guarded.price("57990")
    guarded.until(lambda: guarded.position(copy).filled == 5, "the other copy lost its part")
    assert guarded.position(copy).target == 5
    first = guarded.position(follower)
    assert (first.filled, first.target) == (0, 0)
    world.refresh(follower.account_id)
    with tenant_scope(world.tenant.pk):
        assert not Finding.objects.exists()
    assert len(guarded.exits()) == 1


def test_a_stop_of_the_old_side_closes_nothing_of_the_new_one(guarded: GuardedWorld) -> None:
    follower = guarded.follower()
    guarded.run(guarded.world.entry(stop_loss=D(58000)))
    (row,) = guarded.rows()
    with tenant_scope(guarded.world.tenant.pk):
        position = CopiedPosition.objects.get()
        position.filled = D(-10)
        with transaction.atomic():
            exit_ = exit_of_stop(row)
            instrument = markets.instrument("paper", position.symbol)
            assert instrument is not None
            assert position_exit(position, exit_, instrument, timezone.now()) is None
    assert guarded.at_venue(follower) == [(D(10), D(58000), None)]

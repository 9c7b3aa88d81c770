"""Entries that rest on the book by the copy's own style, at the exchange."""

from __future__ import annotations

import time
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from customers.tenancy import tenant_scope
from signals_app.models import Signal
from strategies.models import Subscription
from tests.trading.reconciliation.test_by_hand import Hand
from tests.trading.world import World
from trading import tasks
from trading.models import CopiedPosition, FanoutTally, Order
from trading.services import sweeps

INST = "BTC-USDT-SWAP"
LEADERS = Decimal(60_000)


@pytest.fixture(autouse=True)
def price(world: World) -> Any:
    yield
    world.paper.control.set_price(INST, "60000")


def follower(world: World, **values: Any) -> Subscription:
    return world.follower(settings={"values": values, "symbols": {}})


def waiting_better(world: World, **values: Any) -> Subscription:
    return follower(world, execution="limit_follow", limit_follow_percent="2", **values)


def chasing(world: World, **values: Any) -> Subscription:
    """Rests at 58,800 of a leader's 58,800, and may then be 4 % worse."""
    more = {"max_entry_slippage_percent": "4", **values}
    return follower(world, execution="limit_then_market", limit_timeout_seconds=3600, **more)


def its_time_is_over(world: World, ago: timedelta = timedelta(seconds=1)) -> None:
    with tenant_scope(world.tenant.pk):
        past = timezone.now() - ago
        Order.objects.filter(rests_until__isnull=False).update(rests_until=past)


def settled(world: World) -> None:
    world.check_until(lambda: world.check() == 0, "every order has ended")


def sent(world: World, subscription: Subscription) -> list[tuple[str, str, str, str, str]]:
    """What the exchange has of the follower's orders, in their order."""
    rows = sorted(world.ledger_orders(subscription), key=lambda row: int(row["ordId"]))
    return [(row["ordType"], row["px"], row["state"], row["sz"], row["accFillSz"]) for row in rows]


def books(world: World, subscription: Subscription) -> tuple[Decimal, Decimal]:
    held: CopiedPosition = world.held(subscription)
    return held.filled, held.target


def opened(world: World, **fields: Any) -> Signal:
    signal = world.entry(**{"price": LEADERS, **fields})
    world.fan_out(signal)
    return signal


def test_a_limit_order_waits_at_the_better_price_and_fills_there(world: World) -> None:
    copy = waiting_better(world)
    signal = opened(world)
    assert sent(world, copy) == [("limit", "58800", "live", "10", "0")]
    assert books(world, copy) == (0, 10)
    world.paper.control.set_price(INST, "58700")
    settled(world)
    assert world.intent(signal, copy).status == "filled"
    assert books(world, copy) == (10, 10)


def test_it_is_cancelled_when_the_leader_closes(world: World) -> None:
    copy = waiting_better(world)
    opened(world)
    world.fan_out(world.signal("close", side=""))
    settled(world)
    assert [row[2] for row in sent(world, copy)] == ["canceled"]
    assert books(world, copy) == (0, 0)


def test_it_is_given_up_after_its_time_and_found_by_the_sweeper(world: World) -> None:
    copy = waiting_better(world, limit_timeout_seconds=3600)
    signal = opened(world)
    [order] = world.orders()
    world.check()
    assert timedelta(minutes=59) < order.rests_until - timezone.now() < timedelta(hours=1)
    its_time_is_over(world)
    with tenant_scope(world.tenant.pk):
        Order.objects.update(check_at=timezone.now())
    assert sweeps.orders_to_check() == {world.tenant.pk: [order.pk]}
    settled(world)
    [order] = world.orders()
    assert (order.state, order.reason_code) == ("cancelled", "rested_out")
    assert world.intent(signal, copy).status == "cancelled"
    assert books(world, copy) == (0, 0)


def test_it_is_looked_at_when_its_time_is_over(world: World) -> None:
    waiting_better(world, limit_timeout_seconds=3600)
    opened(world)
    with tenant_scope(world.tenant.pk):
        soon = timezone.now() + timedelta(seconds=20)
        Order.objects.update(checks=50, rests_until=soon)
    world.check()
    [order] = world.orders()
    assert order.check_at == soon  # a look at an order that is so old comes every 30 s


def test_no_more_wait_than_are_allowed(world: World) -> None:
    copy = waiting_better(world, max_working_orders=2)
    signals = [opened(world, size="0.01") for _ in range(3)]
    assert len(sent(world, copy)) == 2
    assert world.intent(signals[2], copy).reason_code == "too_many_waiting"
    assert books(world, copy) == (0, 2)


def test_at_once_within_the_slippage(world: World) -> None:
    copy = follower(world, execution="ioc_limit", max_entry_slippage_percent="1")
    world.run(opened(world))
    assert sent(world, copy) == [("ioc", "60600", "filled", "10", "10")]
    assert books(world, copy) == (10, 10)


def test_after_its_time_the_rest_is_entered_at_once(world: World) -> None:
    copy = chasing(world)
    signal = opened(world, price=Decimal(58_800))
    assert sent(world, copy) == [("limit", "58800", "live", "10", "0")]
    world.check()
    its_time_is_over(world)
    settled(world)
    assert sent(world, copy) == [
        ("limit", "58800", "canceled", "10", "0"),
        ("ioc", "61152", "filled", "10", "10"),
    ]
    intent = world.intent(signal, copy)
    assert (intent.status, intent.reason_code) == ("filled", "")
    assert books(world, copy) == (10, 10)
    with tenant_scope(world.tenant.pk):
        assert FanoutTally.objects.get().entries_sent == 1


def test_only_the_rest_of_what_was_filled_in_part(world: World) -> None:
    copy = chasing(world)
    world.paper.control.add_fault(
        "partial_fill", ratio=0.3, remainder="rest", endpoint="trade/order", count=1
    )
    signal = opened(world, price=Decimal("60000.6"))
    world.check_until(lambda: world.held(copy).filled == 3, "a part is filled")
    its_time_is_over(world)
    settled(world)
    assert [row[2:] for row in sent(world, copy)] == [
        ("canceled", "10", "3"),
        ("filled", "7", "7"),
    ]
    assert books(world, copy) == (10, 10)
    assert world.intent(signal, copy).status == "filled"


def test_what_is_too_dear_then_is_not_entered(world: World) -> None:
    copy = chasing(world, max_entry_slippage_percent="1")
    signal = opened(world, price=Decimal(58_800))
    its_time_is_over(world)
    settled(world)
    assert [row[0:3] for row in sent(world, copy)] == [
        ("limit", "58800", "canceled"),
        ("ioc", "59388", "canceled"),
    ]
    intent = world.intent(signal, copy)
    assert (intent.status, intent.reason_code) == ("cancelled", "price_ran_away")
    assert books(world, copy) == (0, 0)


class Died(BaseException):
    """As `kill -9` would end it."""


@pytest.mark.parametrize("place", ["checks.answered", "updates.before_commit", "updates.committed"])
def test_a_crash_around_the_end_of_the_limit_order_buys_once(
    world: World, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    copy = chasing(world)
    opened(world, price=Decimal(58_800))
    world.check()
    its_time_is_over(world)

    def dies(name: str) -> None:
        if name == place and world.ledger_orders(copy)[0]["state"] == "canceled":
            raise Died

    with monkeypatch.context() as patched:
        patched.setattr("trading.services.order_checks.failpoint", dies)
        patched.setattr("trading.services.order_updates.apply.failpoint", dies)
        with pytest.raises(Died):
            world.check_until(lambda: False, "it dies")
    with tenant_scope(world.tenant.pk):  # its lease is over, and the row is old enough
        old = timezone.now() - timedelta(minutes=1)
        Order.objects.filter(check_at__isnull=False).update(check_at=old)
        Order.objects.filter(state="ready").update(created_at=old)
    for tenant_id, ids in sweeps.orders_to_check().items():
        tasks.orders_check(order_ids=ids, tenant_id=tenant_id)
    for tenant_id, ids in sweeps.orders_ready().items():
        tasks.orders_submit(order_ids=ids, tenant_id=tenant_id)
    settled(world)
    assert [row[2:] for row in sent(world, copy)] == [
        ("canceled", "10", "0"),
        ("filled", "10", "10"),
    ]
    assert books(world, copy) == (10, 10)


def test_a_close_before_the_cancellation_is_proven_leaves_nothing_to_enter(world: World) -> None:
    copy = chasing(world)
    opened(world, price=Decimal(58_800))
    its_time_is_over(world)
    world.fan_out(world.signal("close", side=""))
    settled(world)
    assert [row[2] for row in sent(world, copy)] == ["canceled"]
    assert books(world, copy) == (0, 0)


def test_a_close_before_the_rest_is_sent_stops_it(world: World) -> None:
    copy = chasing(world)
    opened(world, price=Decimal(58_800))
    world.check()
    its_time_is_over(world)
    world.check_until(lambda: len(world.orders()) == 2, "the limit order is cancelled")
    assert [order.state for order in world.orders()] == ["cancelled", "ready"]
    world.fan_out(world.signal("close", side=""))
    settled(world)
    assert [row[2] for row in sent(world, copy)] == ["canceled"]
    assert books(world, copy) == (0, 0)


def test_an_entry_meanwhile_orders_its_own_part_alone(world: World) -> None:
    """What is about to leave the book still counts as being entered."""
    copy = chasing(world)
    opened(world, price=Decimal(58_800))
    its_time_is_over(world)
    opened(world, action="increase", size="0.05", price=Decimal(58_800))
    world.check_until(lambda: world.held(copy).filled == 10, "the first rest is entered")
    assert [row[2:] for row in sent(world, copy)] == [
        ("canceled", "10", "0"),
        ("live", "5", "0"),
        ("filled", "10", "10"),
    ]
    assert books(world, copy) == (10, 15)


def test_what_somebody_cancels_at_the_exchange_before_its_time_is_over(world: World) -> None:
    """Although we hear of it when that time has come."""
    copy = chasing(world)
    opened(world, price=Decimal(58_800))
    world.check()
    [order] = world.orders()
    Hand(world, copy).cancel(order.pk)
    time.sleep(1.3)  # clocks may differ by a second
    its_time_is_over(world, ago=timedelta(0))
    settled(world)
    assert [row[2] for row in sent(world, copy)] == ["canceled"]
    assert [order.reason_code for order in world.orders()] == ["cancelled_by_venue"]
    assert books(world, copy) == (0, 0)


def test_a_pause_leaves_nothing_to_enter(world: World) -> None:
    copy = chasing(world)
    opened(world, price=Decimal(58_800))
    world.check()
    its_time_is_over(world)
    with tenant_scope(world.tenant.pk):
        Subscription.objects.filter(pk=copy.pk).update(status="paused")
    settled(world)
    assert [row[2] for row in sent(world, copy)] == ["canceled"]
    assert books(world, copy) == (0, 0)

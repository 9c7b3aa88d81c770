"""Entries in slices: written ahead, each sent once at its time, stopped by what stops entries."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import close_old_connections
from django.utils import timezone

from customers.tenancy import tenant_scope
from strategies.models import Subscription
from tests.factories import UserFactory
from tests.trading.test_resting_entries import Died, books, follower, opened, sent, settled
from tests.trading.world import World, wait_for_stragglers
from trading import tasks
from trading.models import Breaker, FanoutTally, Order, TradingControl
from trading.services import sweeps
from trading.services.control_state import forget_controls
from trading.services.controls import control_set

INST = "BTC-USDT-SWAP"
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def price(world: World) -> Any:
    yield
    world.paper.control.set_price(INST, "60000")


def slicing(world: World, **values: Any) -> Subscription:
    sliced = {"execution": "sliced", "slice_count": 3, "slice_interval_seconds": 3600}
    return follower(world, **sliced, **values)


def comes(world: World, number: int) -> None:
    """The time of so many slices has come, the latest of them just now."""
    now = timezone.now()
    with tenant_scope(world.tenant.pk):
        slices = Order.objects.filter(send_at__isnull=False).order_by("send_at")
        for place, order in enumerate(slices[:number]):
            send_at = now - timedelta(milliseconds=number - place)
            past = {"send_at": send_at, "created_at": now - MINUTE, "expires_at": now + MINUTE}
            Order.objects.filter(pk=order.pk, state="ready").update(**past)


def swept(world: World) -> int:
    """One round of the sweeper's, of two workers that it asks at once."""
    forget_controls()
    due = sweeps.orders_ready().get(world.tenant.pk, [])

    def submit(_: int) -> None:
        try:
            tasks.orders_submit(order_ids=due, tenant_id=world.tenant.pk)
        finally:
            close_old_connections()

    if due:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(submit, range(2)))
        wait_for_stragglers()
    world.check()
    return len(due)


def large(world: World, **fields: Any) -> Any:
    """Twelve contracts: three times four."""
    return opened(world, size="0.12", **fields)


def sizes(world: World, copy: Subscription) -> list[tuple[str, str]]:
    return [(row[2], row[4]) for row in sent(world, copy)]


def test_each_is_sent_once_at_its_time(world: World) -> None:
    copy = slicing(world)
    signal = large(world)
    world.check_until(lambda: world.held(copy).filled == 4, "the first slice is filled")
    first, second, third = world.orders()
    assert [order.order_type for order in (first, second, third)] == ["ioc"] * 3
    assert third.send_at - second.send_at == timedelta(hours=1)
    assert books(world, copy) == (4, 12)  # the target counts what is still to come
    assert swept(world) == 0
    comes(world, 1)
    assert swept(world) == 1
    comes(world, 2)
    assert swept(world) == 1
    settled(world)
    assert sizes(world, copy) == [("filled", "4"), ("filled", "4"), ("filled", "4")]
    assert books(world, copy) == (12, 12)
    assert {world.intent(signal, copy, leg).status for leg in (0, 2, 3)} == {"filled"}
    with tenant_scope(world.tenant.pk):
        assert FanoutTally.objects.get().entries_sent == 1
    assert not Breaker.objects.exists()


@pytest.mark.parametrize("place", ["orders.claimed", "orders.before_marked_sending"])
def test_what_a_dead_worker_had_taken_is_sent_once(
    world: World, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    copy = slicing(world)
    large(world)
    comes(world, 2)

    def dies(name: str) -> None:
        if name == place:
            raise Died

    due = sweeps.orders_ready()[world.tenant.pk]
    with monkeypatch.context() as patched:
        patched.setattr("trading.services.submission.claiming.failpoint", dies)
        patched.setattr("trading.services.submission.sender.failpoint", dies)
        with pytest.raises(Died):
            tasks.orders_submit(order_ids=due, tenant_id=world.tenant.pk)
    with tenant_scope(world.tenant.pk):  # its lease is over
        Order.objects.filter(state="claimed").update(claimed_until=timezone.now() - MINUTE)
    assert swept(world) == 2
    settled(world)
    assert sizes(world, copy) == [("filled", "4"), ("filled", "4"), ("filled", "4")]
    assert books(world, copy) == (12, 12)


def test_a_close_of_the_leader_ends_what_is_still_to_come(world: World) -> None:
    copy = slicing(world)
    large(world)
    world.check_until(lambda: world.held(copy).filled == 4, "the first slice is filled")
    world.fan_out(world.signal("close", side=""))
    comes(world, 2)
    settled(world)
    assert sizes(world, copy) == [("filled", "4"), ("filled", "4")]
    assert books(world, copy) == (0, 0)


def test_a_kill_switch_stops_each_slice_whose_time_comes(world: World) -> None:
    copy = slicing(world)
    large(world)
    world.check_until(lambda: world.held(copy).filled == 4, "the first slice is filled")
    with tenant_scope(world.tenant.pk):
        control_set(
            level=TradingControl.Level.STRATEGY,
            subject_id=world.strategy.pk,
            mode=TradingControl.Mode.REDUCING,
            reason="too wild",
            actor=UserFactory(is_superuser=True),
        )
    comes(world, 1)
    swept(world)
    stopped = [order for order in world.orders() if order.state == "rejected"]
    assert [order.reason_code for order in stopped] == ["entries_stopped"]
    assert books(world, copy) == (4, 8)


def test_a_price_that_ran_away_and_a_time_that_is_over_leave_slices_out(world: World) -> None:
    copy = slicing(world, max_entry_slippage_percent="1")
    large(world)
    world.check_until(lambda: world.held(copy).filled == 4, "the first slice is filled")
    world.paper.control.set_price(INST, "61000")
    comes(world, 1)
    swept(world)
    with tenant_scope(world.tenant.pk):  # nobody was there to send the last one in time
        past = timezone.now() - MINUTE
        late = {"send_at": past, "created_at": past, "expires_at": past + timedelta(seconds=30)}
        Order.objects.filter(state="ready").update(**late)
    swept(world)
    settled(world)
    assert [order.reason_code for order in world.orders()] == [
        "", "price_ran_away", "signal_expired",
    ]  # fmt: skip
    assert books(world, copy) == (4, 4)


def test_an_entry_meanwhile_orders_its_own_part_alone(world: World) -> None:
    copy = slicing(world, sliced_above="6000")
    large(world)
    opened(world, action="increase", size="0.05")  # 3,000 of notional go at once
    world.check_until(lambda: world.held(copy).filled == 9, "what goes at once is filled")
    assert books(world, copy) == (9, 17)
    assert [order.quantity for order in world.orders()] == [4, 4, 4, 5]

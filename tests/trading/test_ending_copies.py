"""Stopping a copy does with its positions what its settings say."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from customers.tenancy import tenant_scope
from strategies.models import Subscription
from strategies.services.subscriptions import (
    SubscriptionRefusedError,
    subscription_pause,
    subscription_resume,
    subscription_stop,
)
from tests.factories import UserFactory
from tests.trading.world import World
from trading import tasks
from trading.models import Intent
from trading.services.control_state import forget_controls
from trading.services.controls import control_set
from trading.services.sweeps import copies_ending


def follower(world: World, on_stop: str) -> Subscription:
    return world.follower(settings={"values": {"on_stop": on_stop}})


def stop(world: World, copy: Subscription) -> Subscription:
    with tenant_scope(world.tenant.pk):
        return subscription_stop(subscription=copy, actor=UserFactory())


def step(world: World) -> None:
    """What the sweep and the workers do."""
    forget_controls()
    for tenant_id, ids in copies_ending().items():
        for pk in ids:
            tasks.copy_end(subscription_id=pk, tenant_id=tenant_id)
    world.check()


def is_stopped(world: World, copy: Subscription) -> bool:
    step(world)
    return world.reload(copy).status == "stopped"


def end(world: World, copy: Subscription) -> None:
    world.check_until(lambda: is_stopped(world, copy), "the copy is over")


def test_close_closes_the_positions_and_ends(world: World) -> None:
    copy = follower(world, "close")
    world.run(world.entry())
    assert stop(world, copy).status == "ending"
    stop(world, copy)  # a second click
    end(world, copy)
    assert world.held(copy).filled == world.held(copy).target == 0
    assert [row["side"] for row in world.ledger_orders(copy)].count("sell") == 1
    with tenant_scope(world.tenant.pk):
        assert Intent.objects.get(is_entry=False).cause == Intent.Cause.OPERATOR
    assert world.reload(copy).end_code == "operator"


def test_keep_exits_opens_nothing_and_follows_exits_until_it_is_flat(world: World) -> None:
    copy = follower(world, "keep_exits")
    world.run(world.entry())
    held = world.held(copy).filled
    stop(world, copy)
    step(world)
    increase = world.entry("increase")
    world.run(increase)
    assert world.intent(increase, copy).reason_code == "subscription_paused"
    assert world.reload(copy).status == "ending"
    assert world.held(copy).filled == held
    world.run(world.signal("close"))
    assert world.held(copy).filled == 0
    end(world, copy)
    assert len(world.orders(is_entry=False)) == 1


def test_leave_leaves_them(world: World) -> None:
    copy = follower(world, "leave")
    world.run(world.entry())
    assert stop(world, copy).status == "stopped"
    step(world)
    assert world.held(copy).filled > 0
    assert world.orders(is_entry=False) == []


def test_a_copy_that_holds_nothing_is_over_at_the_next_step(world: World) -> None:
    copy = follower(world, "close")
    stop(world, copy)
    step(world)
    assert world.reload(copy).status == "stopped"
    assert world.reload(copy).live_key is None


def test_while_trading_is_halted_positions_wait_and_are_closed_after(world: World) -> None:
    copy = follower(world, "close")
    world.run(world.entry())
    switch: dict[str, Any] = {
        "level": "strategy",
        "subject_id": copy.strategy_id,
        "reason": "why",
        "actor": None,
    }
    with tenant_scope(world.tenant.pk):
        control_set(mode="halted", **switch)
    stop(world, copy)
    for _ in range(3):
        step(world)
    assert world.reload(copy).status == "ending"
    assert world.orders(is_entry=False) == []
    with tenant_scope(world.tenant.pk):
        assert not Intent.objects.filter(is_entry=False).exists()
        control_set(mode="active", **switch)
    end(world, copy)
    assert world.held(copy).filled == 0


def test_an_entry_that_fills_after_the_stop_is_closed_too(world: World) -> None:
    copy = follower(world, "close")
    signal = world.entry()
    world.paper.control.add_fault(
        "drop", booked=True, endpoint="trade/order", method="POST", count=1
    )
    world.fan_out(signal)
    stop(world, copy)
    end(world, copy)
    bought = sum(
        Decimal(row["accFillSz"]) * (1 if row["side"] == "buy" else -1)
        for row in world.ledger_orders(copy)
    )
    assert bought == world.held(copy).filled == 0


def test_an_ending_copy_is_neither_paused_nor_resumed(world: World) -> None:
    copy = follower(world, "keep_exits")
    world.run(world.entry())
    stop(world, copy)
    for change in (subscription_pause, subscription_resume):
        with tenant_scope(world.tenant.pk), pytest.raises(SubscriptionRefusedError) as refused:
            change(subscription=copy, actor=None)
        assert refused.value.code == "ending"
    assert world.reload(copy).changed_at < timezone.now()

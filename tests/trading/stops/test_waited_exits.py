"""Exits that waited while a stop closed what they were to close."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from customers.tenancy import tenant_scope
from tests.trading.stops.guarded import GuardedWorld
from tests.trading.world import SYMBOL, World, other_copy
from trading import tasks
from trading.models import Order
from trading.services.repair import repair_exit_write

AGO = timedelta(minutes=1)


def _exit(world: World, copy: Any, quantity: int) -> Order:
    """As a repair writes it, its message lost."""
    with tenant_scope(world.tenant.pk), transaction.atomic():
        return repair_exit_write(
            key=f"repair:{copy.pk}",
            cause_id="",
            order=Order(
                tenant_id=world.tenant.pk,
                account_id=copy.account_id,
                subscription_id=copy.pk,
                strategy_id=copy.strategy_id,
                customer_id=copy.customer_id,
                symbol=SYMBOL,
                side="sell",
                position_side="net",
                reduce_only=True,
                quantity=D(quantity),
                margin_mode="cross",
            ),
            details={},
            now=timezone.now(),
        )


def _waits(world: World, order: Order) -> None:
    with tenant_scope(world.tenant.pk):
        Order.objects.filter(pk=order.pk).update(created_at=timezone.now() - AGO)


def _sent(world: World, order: Order) -> None:
    tasks.orders_submit(order_ids=[order.pk], tenant_id=world.tenant.pk)


@pytest.fixture
def copies(guarded: GuardedWorld) -> tuple[Any, Any]:
    """Ten guarded ones, and four of another copy of the same account."""
    follower = guarded.follower()
    other, sibling = other_copy(guarded.world, follower)
    guarded.run(guarded.world.entry(stop_loss=D(58000)))
    other.run(other.entry(size="0.04"))
    return follower, sibling


def _books(guarded: GuardedWorld, *copies: Any) -> list[tuple[D, D]]:
    return [(guarded.position(copy).filled, guarded.position(copy).target) for copy in copies]


def test_it_does_not_close_what_another_copy_holds(
    guarded: GuardedWorld, copies: tuple[Any, Any]
) -> None:
    world, (follower, sibling) = guarded.world, copies
    guarded.price("57990")
    guarded.until(lambda: guarded.position(follower).filled == 0, "the stop's fills are booked")
    waiting = _exit(world, follower, 10)  # the harness would not let it wait that long
    _waits(world, waiting)
    before = len(world.ledger_orders(follower))
    _sent(world, waiting)

    (refused,) = world.orders(pk=waiting.pk)
    assert (refused.state, refused.reason_code) == ("rejected", "less_is_left")
    assert refused.reason_params == {"held": "0", "quantity": "10"}
    for _ in range(3):
        guarded.check()
    assert len(world.ledger_orders(follower)) == before
    assert _books(guarded, follower, sibling) == [(0, 0), (4, 4)]


def test_what_is_left_is_closed_all_the_same(
    guarded: GuardedWorld, copies: tuple[Any, Any]
) -> None:
    world, (follower, sibling) = guarded.world, copies
    waiting = _exit(world, follower, 10)
    world.run(world.signal("reduce", size=D("0.3"), size_basis="position_fraction"))
    with tenant_scope(world.tenant.pk):
        Order.objects.filter(pk=waiting.pk).update(quantity=D(12))
    _waits(world, waiting)
    _sent(world, waiting)
    guarded.until(lambda: guarded.position(follower).filled == 0, "another attempt closes the rest")
    assert guarded.position(sibling).filled == 4


def test_one_that_is_covered_leaves(guarded: GuardedWorld, copies: tuple[Any, Any]) -> None:
    world, (follower, sibling) = guarded.world, copies
    waiting = _exit(world, follower, 10)
    _waits(world, waiting)
    _sent(world, waiting)
    guarded.until(lambda: guarded.position(follower).filled == 0, "it is closed")
    assert world.orders(pk=waiting.pk)[0].state == "filled"
    assert guarded.position(sibling).filled == 4


def test_what_it_took_of_another_copy_leaves_nothing_to_be_entered_again(
    guarded: GuardedWorld, copies: tuple[Any, Any]
) -> None:
    """It left just before: the exchange closes four, which are the other copy's."""
    world, (follower, sibling) = guarded.world, copies
    guarded.price("57990")
    guarded.until(lambda: guarded.position(follower).filled == 0, "the stop's fills are booked")
    waiting = _exit(world, follower, 10)
    world.run(world.signal("reduce", size=D("0.5"), size_basis="position_fraction"))
    _sent(world, waiting)
    guarded.until(lambda: guarded.position(sibling).filled == 0, "its fills are booked")
    assert _books(guarded, follower, sibling) == [(0, 0), (0, 0)]

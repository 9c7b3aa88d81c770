"""A cancellation is asked for durably, of live orders only, and followed closely."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from customers.tenancy import tenant_scope
from tests.trading.world import World
from trading import tasks
from trading.models import Order
from trading.services import cancelling

RESTING = {"order_type": "limit", "price": Decimal(59_000), "size_basis": "quote"}


def test_an_order_that_ends_while_its_cancellation_is_asked_for_is_left_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = world.follower()
    world.run(world.signal("open", size=Decimal(6_000), **RESTING))
    (order,) = world.orders()
    original = Order.objects.for_tenant
    calls: list[int] = []

    def for_tenant(tenant_id: str) -> object:
        found = original(tenant_id)
        calls.append(1)
        if len(calls) == 2:  # between finding and marking
            original(tenant_id).filter(pk=order.pk).update(state="expired", check_at=None)
        return found

    with tenant_scope(world.tenant.pk):
        monkeypatch.setattr(Order.objects, "for_tenant", for_tenant)
        cancelling.entries_cancel(
            tenant_id=world.tenant.pk, subscription_ids=[follower.pk], now=timezone.now()
        )
    monkeypatch.undo()
    (order,) = world.orders()
    assert (order.cancel_requested_at, order.check_at) == (None, None)


def test_a_cancellation_without_an_answer_is_asked_again_soon(world: World) -> None:
    follower = world.follower()
    world.run(world.signal("open", size=Decimal(6_000), **RESTING), rounds=10)
    world.paper.control.add_fault(
        "http_status", status=503, endpoint="trade/cancel-order", method="POST", count=1
    )
    with tenant_scope(world.tenant.pk):
        cancelling.entries_cancel(
            tenant_id=world.tenant.pk, subscription_ids=[follower.pk], now=timezone.now()
        )
    (order,) = world.orders()
    tasks.orders_check(order_ids=[order.pk], tenant_id=world.tenant.pk)

    (order,) = world.orders()
    assert order.state == "accepted"
    assert order.check_at is not None
    assert order.check_at < timezone.now() + timedelta(seconds=3)

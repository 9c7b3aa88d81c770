"""Entries that wait when entries are stopped, or when what they add to is closed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from customers.models import Customer
from customers.services.accounts import account_pause
from customers.tenancy import system_scope, tenant_scope
from strategies.models import Strategy, Subscription
from strategies.services.subscriptions import subscription_pause, subscription_resume
from tests.factories import UserFactory
from tests.trading.test_resting_entries import (
    books,
    chasing,
    its_time_is_over,
    opened,
    sent,
    settled,
    waiting_better,
)
from tests.trading.test_sliced_entries import comes, large, slicing, swept
from tests.trading.world import World
from trading.models import TradingControl
from trading.services import sweeps
from trading.services.controls import control_set

INST = "BTC-USDT-SWAP"


@pytest.fixture(autouse=True)
def price(world: World) -> Any:
    yield
    world.paper.control.set_price(INST, "60000")


def test_who_pauses_and_goes_on_at_once_enters_nothing_twice(world: World) -> None:
    copy = waiting_better(world)
    opened(world)
    with tenant_scope(world.tenant.pk):
        subscription_pause(subscription=copy, actor=None)
        subscription_resume(subscription=copy, actor=None)
    opened(world, size="0.05")  # the end of the first is not proven yet
    world.check_until(lambda: world.orders()[0].state == "cancelled", "it is cancelled")
    assert [row[2:] for row in sent(world, copy)] == [("canceled", "10", "0"), ("live", "5", "0")]
    assert books(world, copy) == (0, 5)
    assert world.orders()[0].reason_code == "cancelled_by_pause"


def switch(world: World, copy: Subscription, level: str) -> None:
    subjects = {
        "platform": "",
        "tenant": world.tenant.pk,
        "strategy": world.strategy.pk,
        "customer": copy.customer_id,
    }
    with system_scope("test"):
        control_set(
            level=level,
            subject_id=subjects[level],
            mode=TradingControl.Mode.REDUCING,
            reason="too wild",
            actor=UserFactory(is_superuser=True),
        )


def stop(world: World, copy: Subscription, how: str) -> None:
    if how in TradingControl.Level.values:
        switch(world, copy, how)
    elif how == "account is paused":
        with tenant_scope(world.tenant.pk):
            account_pause(account=copy.account, actor=None)
    else:
        model = {"customer": Customer, "strategy": Strategy}[how.split()[0]]
        pk = copy.customer_id if model is Customer else copy.strategy_id
        other = next(str(value) for value in model.Status.values if value != "active")
        with tenant_scope(world.tenant.pk):
            model.objects.filter(pk=pk).update(status=other)


STOPS = [
    "platform", "tenant", "strategy", "customer",
    "account is paused", "customer is not active", "strategy is not active",
]  # fmt: skip


@pytest.mark.parametrize("how", STOPS)
def test_what_rests_on_the_book_leaves_it(world: World, how: str) -> None:
    copy, other = waiting_better(world), waiting_better(world)
    opened(world)
    assert sweeps.entries_stop_where_stopped() == 0
    stop(world, copy, how)
    both = how in ("platform", "tenant", "strategy", "strategy is not active")
    assert sweeps.entries_stop_where_stopped() == (2 if both else 1)
    assert sweeps.entries_stop_where_stopped() == 0
    world.check_until(lambda: sent(world, copy)[0][2] == "canceled", "it is cancelled")
    world.check()
    assert sent(world, other)[0][2] == ("canceled" if both else "live")
    assert books(world, copy) == (0, 0)


@pytest.mark.parametrize("how", STOPS[4:])
def test_a_later_slice_and_the_rest_of_a_limit_order_do_not_leave(world: World, how: str) -> None:
    """Though nothing has been cancelled yet when their time comes."""
    sliced = slicing(world, max_entry_slippage_percent="4")
    resting = chasing(world)
    large(world, price=Decimal(58_800))
    world.check_until(lambda: len(sent(world, resting)) == 1, "it rests")
    for copy in (sliced, resting):
        stop(world, copy, how)
    comes(world, 2)
    its_time_is_over(world)
    swept(world)
    settled(world)
    assert all(row[0] == "ioc" for row in sent(world, sliced))
    assert len(sent(world, sliced)) == 1
    assert [row[0] for row in sent(world, resting)] == ["limit"]
    assert books(world, resting) == (0, 0)

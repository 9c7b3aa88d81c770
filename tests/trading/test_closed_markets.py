"""A market that closes between plan and send: entries say why, exits are tried again."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from customers.tenancy import tenant_scope
from tests.trading.world import World
from trading import tasks
from trading.models import Order

ETH = "ETH/USDT:USDT"


@pytest.fixture
def trading_state(world: World) -> Iterator[Any]:
    def change(state: str) -> None:
        body = {"instId": "ETH-USDT-SWAP", "state": state}
        world.paper.control.call("POST", "instruments", body)

    yield change
    change("live")


def test_an_entry_says_that_the_market_is_closed(world: World, trading_state: Any) -> None:
    follower = world.follower()
    trading_state("suspend")
    world.fan_out(signal := world.entry(symbol=ETH, size="1"))
    intent = world.intent(signal, follower)
    assert (intent.status, intent.reason_code) == ("rejected", "market_closed")
    assert intent.reason_params["code"] == "51022"
    assert "suspended" in intent.reason_params["message"]
    assert world.held(follower, ETH).target == 0


def test_an_exit_is_tried_again_until_the_market_opens(world: World, trading_state: Any) -> None:
    follower = world.follower()
    world.run(world.entry(symbol=ETH, size="1"))
    trading_state("suspend")
    world.fan_out(signal := world.signal("close", side="", symbol=ETH))
    (refused,) = world.orders(state="rejected")
    assert refused.finished_at is not None
    assert refused.check_at is not None
    assert refused.check_at - refused.finished_at >= timedelta(seconds=29)
    trading_state("live")
    with tenant_scope(world.tenant.pk):  # as if that time had passed
        Order.objects.filter(pk=refused.pk).update(check_at=timezone.now())
    tasks.orders_check(order_ids=[refused.pk], tenant_id=world.tenant.pk)
    world.run(signal)
    assert world.intent(signal, follower).status == "filled"
    assert world.held(follower, ETH).filled == 0


def test_an_exit_outlasts_a_market_that_stays_closed_for_long(
    world: World, trading_state: Any
) -> None:
    follower = world.follower()
    world.run(world.entry(symbol=ETH, size="1"))
    trading_state("suspend")
    world.fan_out(signal := world.signal("close", side="", symbol=ETH))

    def try_again() -> None:
        (due,) = world.orders(state="rejected", check_at__isnull=False)
        with tenant_scope(world.tenant.pk):  # as if that time had passed
            Order.objects.filter(pk=due.pk).update(check_at=timezone.now())
        tasks.orders_check(order_ids=[due.pk], tenant_id=world.tenant.pk)
        world.check()

    for _ in range(8):
        try_again()
    assert world.intent(signal, follower).status == "rejected"
    trading_state("live")
    try_again()
    world.run(signal)
    assert world.intent(signal, follower).status == "filled"
    assert world.held(follower, ETH).filled == 0

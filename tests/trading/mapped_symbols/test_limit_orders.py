"""The leader's limit orders, at their price as it is in the other market."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from customers.tenancy import tenant_scope
from signals_app.models import SignalSource
from tests.trading.mapped_symbols.mapped import (
    ETH,
    IN_BTC,
    IN_ETH,
    agrees_with_the_exchange,
    mapped,
    reason,
    sent,
    state,
)
from tests.trading.test_amended_orders import LOW, follow, resting
from tests.trading.world import SYMBOL as BTC
from tests.trading.world import World


def test_a_leaders_limit_order_is_followed_when_it_is_filled(world: World) -> None:
    with tenant_scope(world.tenant.pk):
        SignalSource.objects.filter(pk=world.source.pk).update(kind=SignalSource.Kind.LEADER)
    copy = mapped(world)
    placed = resting(world, "0.1", LOW)
    world.fan_out(placed)
    assert reason(world, placed, copy) == "limit_not_mapped"
    filled = world.entry(amends=placed, price=placed.price, worst_price=D(60_600))
    follow(world, filled)
    world.check_until(lambda: world.check() == 0, "every order has ended")
    (order,) = world.orders(subscription_id=copy.pk)
    assert (order.symbol, order.order_type, order.price) == (ETH, "ioc", 3030)
    assert world.held(copy, ETH).filled > 0


def test_a_limit_that_nobody_tells_the_end_of_rests_at_the_price_as_it_is_in_the_other_market(
    world: World,
) -> None:
    """A source without an account says no fills: 58,000 of 60,000 are 2,900 of 3,000."""
    copy = mapped(world)
    placed = resting(world, "0.1", LOW)
    world.fan_out(placed)
    (order,) = world.orders(subscription_id=copy.pk)
    assert (order.symbol, order.order_type, order.price, order.quantity) == (ETH, "limit", 2900, 20)
    assert world.intent(placed, copy).reference_price == 2900
    world.paper.control.set_price(IN_ETH, "2890")
    world.check_until(lambda: world.check() == 0, "it is filled")
    held = world.held(copy, ETH)
    assert (held.filled, held.average_entry_price, held.leader_symbol) == (20, 2900, BTC)
    agrees_with_the_exchange(world, copy)


def test_a_limit_that_rests_in_the_other_market_ends_with_the_sources_exit(world: World) -> None:
    copy = mapped(world)
    world.fan_out(resting(world, "0.1", LOW))
    state(world, copy)
    world.fan_out(world.signal("close", side=""))
    world.check_until(lambda: world.check() == 0, "it is cancelled")
    (order,) = world.orders(subscription_id=copy.pk)
    assert (order.symbol, order.state) == (ETH, "cancelled")


def test_a_limit_without_the_price_of_one_market_is_not_placed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from venues import markets

    copy = mapped(world)
    monkeypatch.setattr(
        "trading.services.fanout.context.markets.last_price", lambda venue, symbol: None
    )
    placed = resting(world, "0.1", LOW)
    world.fan_out(placed)
    assert reason(world, placed, copy) == "price_unknown"
    markets.forget_markets()


def test_who_had_an_order_in_the_leaders_symbol_does_not_go_on_in_another(world: World) -> None:
    copy = world.follower()
    placed = resting(world, "0.1", LOW)
    world.fan_out(placed)
    state(world, copy, symbol_map={BTC: ETH})
    filled = world.entry(amends=placed, price=placed.price)
    follow(world, filled)
    world.check_until(lambda: world.check() == 0, "every order has ended")
    assert reason(world, filled, copy) == "map_changed"
    assert sent(world, copy) == [(IN_BTC, "buy", 10)]
    assert world.held(copy).filled == 0

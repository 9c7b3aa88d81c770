"""What a leader holds already when a copy of it begins: entered once, exactly, by that copy
alone."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import transaction

from customers.tenancy import tenant_scope
from signals_app.models import LeaderPosition, Signal, SignalSource
from strategies.models import Subscription
from strategies.signals import subscription_started
from tests.factories import SourceFactory, StrategyFactory
from tests.signals_app.leaders.conftest import INST, LeaderWorld
from tests.trading.conftest import LEADER_ADDS
from tests.trading.test_concurrency import at_once
from tests.trading.test_followed_leaders import at_exchange, follow
from tests.trading.world import SYMBOL, World
from trading.models import CopyStart
from trading.selectors.copy_starts import start_lines
from trading.services import copy_starts
from trading.services.sweeps import copies_starting
from venues import markets


def begun(world: World, takes: str = "all", **terms: Any) -> Subscription:
    """A copy that states what a start takes over, begun as its form does it."""
    settings = {"values": {"existing_positions": takes}, "symbols": {}}
    copy = world.follower(settings=settings, **terms)
    with tenant_scope(world.tenant.pk), transaction.atomic():
        subscription_started.send(sender=Subscription, subscription=copy)
    return copy


def step(world: World, copy: Subscription) -> bool:
    with tenant_scope(world.tenant.pk):
        return copy_starts.copy_start(tenant_id=world.tenant.pk, subscription_id=copy.pk)


def addressed(world: World) -> list[Signal]:
    with tenant_scope(world.tenant.pk):
        return list(Signal.objects.exclude(addressed_to="").order_by("pk"))


def start(world: World, copy: Subscription, *, steps: int = 6) -> list[Signal]:
    """As the sweeper and the workers drive it; the signals that were made for it."""
    for _ in range(steps):
        is_over = step(world, copy)
        for signal in addressed(world):
            if signal.status == Signal.Status.RECEIVED:
                world.run(signal)
        if is_over:
            break
    else:
        raise AssertionError("the start has no end")
    return addressed(world)


def said(world: World, copy: Subscription) -> list[str]:
    with tenant_scope(world.tenant.pk):
        return start_lines(CopyStart.objects.filter(subscription=copy)).get(copy.pk, [])


@pytest.fixture
def leader(leader_of: LEADER_ADDS) -> LeaderWorld:
    return leader_of()


def test_a_newcomer_gets_what_the_leader_holds_and_follows_its_exits(
    world: World, leader: LeaderWorld
) -> None:
    earlier = world.follower()
    leader.order("buy", "10")
    follow(world, leader)
    copy = begun(world)
    [signal] = start(world, copy)
    assert at_exchange(world, copy) == {"net": 10}
    assert (signal.action, signal.addressed_to, signal.size) == ("open", copy.pk, 10)
    assert at_exchange(world, earlier) == {"net": 10}
    assert world.intents(signal) == [world.intent(signal, copy)]
    assert said(world, copy) == ["BTC/USDT, which the leader held already, was opened."]
    for size, held in (("4", {"net": 6}), ("3", {"net": 3}), ("3", {})):
        leader.order("sell", size)
        follow(world, leader)
        assert at_exchange(world, copy) == at_exchange(world, earlier) == held


def test_it_is_sized_by_the_leaders_average_price(world: World, leader: LeaderWorld) -> None:
    leader.order("buy", "10")
    follow(world, leader)
    world.paper.control.set_price(INST, "62000")
    try:
        leader.order("buy", "10")
        [more] = leader.reconcile()
        world.run(more)
        copy = begun(world, sizing_mode="equity_proportional", usdt="200000")
        [signal] = start(world, copy)
    finally:
        world.paper.control.set_price(INST, "60000")
    with tenant_scope(world.tenant.pk):
        position = LeaderPosition.objects.get(leader=leader.leader, symbol=SYMBOL)
    assert signal.price == position.average_price
    assert signal.price is not None
    assert 60_500 < signal.price < 61_500
    assert signal.leader_equity is not None
    # 0.01 coins a contract; the same share of twice the equity, at the price of today.
    value = 20 * Decimal("0.01") * signal.price / signal.leader_equity * 200_000
    assert abs(world.held(copy).filled * Decimal("0.01") * 62_000 - value) < value / 500


@pytest.mark.parametrize(("price", "held"), [("59000", Decimal(10)), ("61000", Decimal(0))])
def test_only_where_the_price_is_no_worse(
    world: World, leader: LeaderWorld, price: str, held: Decimal
) -> None:
    leader.order("buy", "10")
    follow(world, leader)
    world.paper.control.set_price(INST, price)
    markets.forget_markets()  # and the last prices with them
    try:
        copy = begun(world, "no_worse")
        [signal] = start(world, copy)
    finally:
        world.paper.control.set_price(INST, "60000")
    assert world.held(copy).filled == world.held(copy).target == held
    intent = world.intent(signal, copy)
    if held:
        [order] = world.orders(signal_id=signal.pk)
        assert (order.order_type, order.price) == ("ioc", signal.worst_price)
    else:
        assert intent.reason_code == "start_price_worse"
        assert "the market at 61" in said(world, copy)[0]
        assert world.ledger_orders(copy) == []


def test_nothing_is_entered_unless_it_was_asked_for(world: World, leader: LeaderWorld) -> None:
    leader.order("buy", "10")
    follow(world, leader)
    copy = begun(world, "ignore")
    assert step(world, copy)
    assert addressed(world) == []
    assert said(world, copy) == []
    leader.order("sell", "4")
    follow(world, leader)
    assert world.ledger_orders(copy) == []


def test_each_step_again_and_a_crash_in_it_enter_once(
    world: World, leader: LeaderWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader.order("buy", "10")
    follow(world, leader)
    copy = begun(world)

    def dies(name: str) -> None:
        raise KeyboardInterrupt(name)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(copy_starts, "failpoint", dies)
        step(world, copy)
    assert addressed(world) == []
    assert copies_starting()[world.tenant.pk] == [copy.pk]
    assert not step(world, copy)
    assert not step(world, copy)
    [signal] = addressed(world)
    world.run(signal)
    world.run(signal)
    assert start(world, copy) == [signal]
    assert step(world, copy)
    assert [row["sz"] for row in world.ledger_orders(copy)] == ["10"]
    assert copies_starting() == {}


def test_two_workers_at_once_enter_once(world: World, leader: LeaderWorld) -> None:
    leader.order("buy", "10")
    follow(world, leader)
    copy = begun(world)
    assert at_once([partial(step, world, copy)] * 3) == []
    assert len(addressed(world)) == 1


def test_what_the_leader_does_in_between_makes_it_read_anew(
    world: World, leader: LeaderWorld
) -> None:
    leader.order("buy", "10")
    follow(world, leader)
    copy = begun(world)
    assert not step(world, copy)
    [stale] = addressed(world)
    leader.order("sell", "6")
    follow(world, leader)  # planned for the newcomer, who has nothing, before the entry is
    world.run(stale)
    assert world.intent(stale, copy).reason_code == "start_overtaken"
    assert world.ledger_orders(copy) == []
    _, fresh = start(world, copy)
    assert fresh.size == 4
    assert at_exchange(world, copy) == {"net": 4}


def test_a_signal_on_its_way_is_waited_for_and_counted_once(
    world: World, leader: LeaderWorld
) -> None:
    leader.order("buy", "10")
    follow(world, leader)
    copy = begun(world)
    leader.order("buy", "5")
    [unplanned] = leader.reconcile()
    assert not step(world, copy)
    assert addressed(world) == []
    world.run(unplanned)
    assert at_exchange(world, copy) == {"net": 5}
    [signal] = start(world, copy)
    assert signal.size == 15
    assert at_exchange(world, copy) == {"net": 15}


def test_a_copy_that_was_paused_meanwhile_takes_nothing_over(
    world: World, leader: LeaderWorld
) -> None:
    leader.order("buy", "10")
    follow(world, leader)
    copy = begun(world)
    with tenant_scope(world.tenant.pk):
        Subscription.objects.filter(pk=copy.pk).update(status="paused")
    assert step(world, copy)
    assert addressed(world) == []
    assert "Copying is paused" in said(world, copy)[0]


def test_a_leader_that_cannot_be_read_is_not_waited_for_for_ever(
    world: World, leader: LeaderWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader.order("buy", "10")
    follow(world, leader)
    leader.change(reconciled_at=None)
    copy = begun(world)
    assert not step(world, copy)
    assert "is being read" in said(world, copy)[0]
    monkeypatch.setattr(copy_starts, "PATIENCE", -copy_starts.PATIENCE)
    assert step(world, copy)
    assert "could not be read in time" in said(world, copy)[0]


def test_a_source_that_takes_no_signals_is_said(world: World, leader: LeaderWorld) -> None:
    leader.order("buy", "10")
    follow(world, leader)
    copy = begun(world)
    with tenant_scope(world.tenant.pk):
        SignalSource.objects.filter(pk=world.source.pk).update(status="paused")
    assert step(world, copy)
    assert addressed(world) == []
    assert "(source_paused)" in said(world, copy)[0]


def test_a_webhooks_signals_say_what_is_open(world: World) -> None:
    world.run(world.entry(size="0.2", price=Decimal(60_000)))
    world.run(world.signal("reduce", size=Decimal("0.5"), size_basis="position_fraction"))
    world.run(world.entry("increase", size="1", symbol="ETH/USDT:USDT"))
    copy = begun(world)
    [signal] = start(world, copy)
    assert (signal.symbol, signal.size, signal.size_basis) == (SYMBOL, Decimal("0.1"), "base")
    assert world.held(copy).filled == 10
    doubt, opened = sorted(said(world, copy))[::-1]
    assert "ETH/USDT, which the leader held already, was not opened: What the strategy" in doubt
    assert opened == "BTC/USDT, which the leader held already, was opened."


def test_another_firms_start_is_not_touched(world: World) -> None:
    """Nor another strategy's followers of the same source."""
    other = StrategyFactory(tenant=world.tenant, source=world.source)
    bystander = World(world.paper, world.tenant, world.source, other, world.keys).follower()
    foreign = SourceFactory()
    world.run(world.entry(size="0.2"))
    before = world.held(bystander).filled
    copy = begun(world)
    [signal] = start(world, copy)
    assert world.held(bystander).filled == before
    assert [intent.subscription_id for intent in world.intents(signal)] == [copy.pk]
    assert signal.tenant_id != foreign.tenant_id

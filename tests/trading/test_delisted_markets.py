"""A market that vanishes from the venue: every order in it still comes to an end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from customers.tenancy import tenant_scope
from tests.trading.world import World
from trading import tasks
from trading.models import Order, TradedInstrument
from trading.services.instruments import forget_noted
from venues import markets, runtime

ETH, ETH_SWAP = "ETH/USDT:USDT", "ETH-USDT-SWAP"
PLACE = {"endpoint": "trade/order", "method": "POST", "count": 1}

State = Callable[[str], None]


@pytest.fixture
def trading_state(world: World) -> Iterator[State]:
    def change(state: str) -> None:
        body = {"instId": ETH_SWAP, "state": state}
        world.paper.control.call("POST", "instruments", body)

    yield change
    change("live")
    forget_noted()


def _restart() -> None:
    """As a process that starts now: nothing in memory."""
    markets.forget_markets()
    forget_noted()
    runtime.close_gateways()


def _age(world: World, seconds: float) -> None:
    with tenant_scope(world.tenant.pk):
        for order in Order.objects.exclude(sent_at=None):
            Order.objects.filter(pk=order.pk).update(
                sent_at=order.sent_at - timedelta(seconds=seconds),
                deadline_at=order.deadline_at - timedelta(seconds=seconds),
                check_at=timezone.now(),
            )


def _entry(world: World, **fields: Any) -> Any:
    return world.entry(symbol=ETH, size="1", **fields)


def test_an_entry_planned_before_and_sent_after_has_the_reason(
    world: World, trading_state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(markets, "PRICE_LIFETIME_SECONDS", 60.0)  # it has a price still
    follower = world.follower()
    world.run(_entry(world))  # the markets are in memory
    trading_state("delisted")
    world.fan_out(signal := _entry(world))
    intent = world.intent(signal, follower)
    assert (intent.status, intent.reason_code) == ("rejected", "market_closed")
    assert intent.reason_params["code"] == "51001"
    assert intent.reason_params["symbol"] == ETH
    assert world.held(follower, ETH).target == world.held(follower, ETH).filled


def test_what_was_decided_long_before_is_not_sent(world: World, trading_state: State) -> None:
    """A later slice, by a process that has only the list of now."""
    values = {"execution": "sliced", "slice_count": 2, "slice_interval_seconds": 3600}
    follower = world.follower(settings={"values": values, "symbols": {}})
    world.run(_entry(world, price=Decimal(3000)), rounds=1)
    trading_state("delisted")
    _restart()
    with tenant_scope(world.tenant.pk):
        now = timezone.now()
        later = Order.objects.filter(send_at__isnull=False)
        later.update(send_at=now, expires_at=now + timedelta(minutes=1))
        [pk] = later.values_list("pk", flat=True)
    tasks.orders_submit(order_ids=[pk], tenant_id=world.tenant.pk)
    [order] = world.orders(pk=pk)
    assert (order.state, order.reason_code) == ("rejected", "symbol_not_listed")
    assert len(world.ledger_orders(follower)) == 1


def test_the_refusal_makes_the_next_signal_see_the_new_list(
    world: World, trading_state: State
) -> None:
    follower = world.follower()
    world.run(_entry(world))
    trading_state("delisted")
    world.fan_out(_entry(world))
    until = time.monotonic() + 20
    while ETH in (markets.known_symbols("paper") or ()) and time.monotonic() < until:
        time.sleep(0.05)
    world.fan_out(signal := _entry(world))
    assert world.intent(signal, follower).reason_code == "symbol_not_listed"


@pytest.mark.parametrize("restarted", [False, True])
def test_a_filled_order_of_unknown_outcome_is_adopted_with_its_fills(
    world: World, trading_state: State, restarted: bool
) -> None:
    follower = world.follower()
    world.paper.control.add_fault("drop", booked=True, **PLACE)
    world.fan_out(signal := _entry(world))
    assert world.orders()[0].state == "unknown"
    trading_state("delisted")
    if restarted:
        _restart()
    _age(world, 60)
    for _ in range(3):
        world.check()
    assert world.intent(signal, follower).status == "filled"
    assert world.held(follower, ETH).filled == 10
    assert len(world.ledger_orders(follower)) == 1


@pytest.mark.parametrize("restarted", [False, True])
def test_an_order_of_unknown_outcome_that_never_arrived_is_proven_absent(
    world: World, trading_state: State, restarted: bool
) -> None:
    follower = world.follower()
    world.paper.control.add_fault("drop", booked=False, **PLACE)
    world.fan_out(signal := _entry(world))
    trading_state("delisted")
    if restarted:
        _restart()
    _age(world, 60)
    for _ in range(6):
        world.check()
    assert world.intent(signal, follower).status == "not_placed"
    assert world.held(follower, ETH).target == 0


def test_a_resting_order_is_seen_to_be_cancelled(world: World, trading_state: State) -> None:
    follower = world.follower()
    world.fan_out(signal := _entry(world, order_type="limit", price=Decimal(2900)))
    assert world.intent(signal, follower).status == "working"
    trading_state("delisted")
    _restart()
    _age(world, 60)
    world.check()
    assert world.intent(signal, follower).status == "cancelled"


def test_an_exit_goes_by_what_was_traded_when_the_list_cannot_be_had(world: World) -> None:
    follower = world.follower()
    world.run(_entry(world))
    world.paper.control.add_fault("http_status", status=503, endpoint="public/instruments")
    world.paper.control.add_fault("http_status", status=503, endpoint="market/*")
    _restart()
    world.run(blocked := _entry(world))
    assert world.intent(blocked, follower).reason_code == "symbol_not_listed"
    world.run(closing := world.signal("close", symbol=ETH))
    assert world.intent(closing, follower).status == "filled"
    assert world.held(follower, ETH).filled == 0


def test_what_is_traded_is_kept_and_follows_what_changes(world: World) -> None:
    world.follower()
    for _ in range(2):
        world.run(_entry(world))
    row = TradedInstrument.objects.get(venue="paper", symbol=ETH)
    assert (row.facts["venue_symbol"], row.facts["contract_size"]) == (ETH_SWAP, "0.1")


def test_without_a_price_exits_leave_and_entries_say_why(world: World) -> None:
    follower = world.follower()
    world.run(_entry(world))
    world.paper.control.add_fault("http_status", status=503, endpoint="market/*")
    markets.forget_markets()
    world.run(blocked := _entry(world))
    assert world.intent(blocked, follower).reason_code == "price_unknown"
    world.run(by_amount := world.signal("reduce", symbol=ETH, size=Decimal(1), size_basis="base"))
    assert world.intent(by_amount, follower).reason_code == "price_unknown"
    third = {"size": Decimal("0.3"), "size_basis": "position_fraction"}
    world.run(reducing := world.signal("reduce", symbol=ETH, **third))
    assert world.intent(reducing, follower).status == "filled"
    world.run(flip := world.signal("flip", side="short", symbol=ETH))
    assert world.intent(flip, follower, leg=1).status == "filled"
    assert world.intent(flip, follower, leg=0).reason_code == "price_unknown"
    assert world.held(follower, ETH).filled == 0


def test_a_list_that_lost_half_of_its_markets_is_not_believed(world: World) -> None:
    world.follower()
    before = markets.instruments("paper")
    world.paper.control.add_fault("empty_data", endpoint="public/instruments", booked=False)
    market = markets._market("paper")
    market.loaded_at = -float("inf")
    assert markets.instrument("paper", "NO/SUCH:COIN") is None  # asks for the list
    assert markets.instruments("paper") == before

"""Rules in the real fan-out: facts loaded from what the exchange and the books say."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from customers.models import ExchangeAccount
from customers.tenancy import tenant_scope
from signals_app.models import Signal
from strategies.models import Subscription
from tests.factories import (
    CopiedPositionFactory,
    EquityDayFactory,
    IntentFactory,
    OrderFactory,
    PositionFactory,
    StopOrderFactory,
    TenantSettingsFactory,
)
from tests.trading.test_concurrency import at_once, claimed, plan
from tests.trading.world import SYMBOL, World
from trading.models import CopiedPosition, EquityDay, Intent, Order
from trading.services.control_state import forget_controls

ETH = "ETH/USDT:USDT"


@pytest.fixture(autouse=True)
def quiet_market(world: World) -> Iterator[None]:
    """A bitcoin is 50,000 and an ether 2,000: 0.1 of them at 5× are 1,000 and 40 of margin."""
    world.paper.control.set_price("BTC-USDT-SWAP", "50000")
    world.paper.control.set_price("ETH-USDT-SWAP", "2000")
    yield
    # The exchange is every test's of the process.
    world.paper.control.set_price("BTC-USDT-SWAP", "60000")
    world.paper.control.set_price("ETH-USDT-SWAP", "3000")


def stating(world: World, **values: Any) -> Subscription:
    return world.follower(settings={"values": values})


def outcome(world: World, signal: Signal, follower: Subscription) -> tuple[str, Any]:
    """(reason, its numbers) of a skip, ("", coins) of an order."""
    intent = world.intent(signal, follower)
    if intent.reason_code:
        return intent.reason_code, intent.reason_params
    return "", intent.quantity * D("0.01" if signal.symbol == SYMBOL else "0.1")


def test_a_total_cap_counts_all_symbols_and_what_is_on_its_way(world: World) -> None:
    capped, free = stating(world, total_cap="1050"), stating(world)
    first = world.entry(size="0.1")
    world.fan_out(first)  # not looked up: its fills are not known
    second, third = world.entry(size="0.1", symbol=ETH), world.entry(size="0.1", symbol=ETH)
    world.fan_out(second)
    world.fan_out(third)
    assert outcome(world, first, capped) == ("", D("0.1"))
    assert outcome(world, second, capped) == ("", D("0.1"))
    code, numbers = outcome(world, third, capped)
    assert code == "total_cap"
    assert numbers["limit"] == "1050.00"
    assert abs(D(numbers["invested"]) - 1040) < 1
    assert [outcome(world, each, free)[0] for each in (first, second, third)] == ["", "", ""]


def test_an_exposure_cap_cuts_and_counts_what_the_client_holds_by_himself(world: World) -> None:
    follower = stating(world, symbol_exposure_cap="3100")
    with tenant_scope(world.tenant.pk):
        PositionFactory(
            account=follower.account,
            symbol=SYMBOL,
            quantity=D(-2),
            mark_price=D(50_000),
            updated_at=timezone.now(),
        )
    signal = world.entry(size="0.1")
    world.fan_out(signal)
    # 3,100 less the 1,000 that are held: 4.2 contracts of 500.
    with tenant_scope(world.tenant.pk):
        intent = Intent.objects.get(signal=signal)
        assert intent.quantity is not None
        assert D("4.15") < intent.quantity <= D("4.2")


def test_an_account_exposure_cap_looks_at_every_symbol(world: World) -> None:
    follower = stating(world, account_exposure_cap="5100")
    world.run(world.entry(size="0.1"))
    over = world.entry(size="0.1", symbol=ETH)
    world.fan_out(over)
    code, numbers = outcome(world, over, follower)
    if code:  # the rest of the room is less than the smallest order
        assert code == "account_exposure"
    else:
        assert numbers < D("0.1")
    world.run(world.signal("close"))
    after = world.entry(size="0.1", symbol=ETH)
    world.refresh(follower.account_id)
    world.fan_out(after)
    assert outcome(world, after, follower) == ("", D("0.1"))


def test_entries_since_the_balance_was_told_have_their_margin_reserved(world: World) -> None:
    """Of 1,500 dollars the first takes 1,000; until a balance is told again both were possible."""
    follower, keeping = (
        world.follower(usdt="1500"),
        world.follower(usdt="1500", settings={"values": {"free_margin_reserve_percent": "25"}}),
    )
    world.run(world.entry(size="0.1"))
    second = world.entry(size="1.4", symbol=ETH)  # 560 of margin
    third = world.entry(size="0.4", symbol=ETH)  # 160
    for signal in (second, third):
        world.fan_out(signal)
    denied = world.intent(second, follower)
    assert denied.reason_code == "insufficient_balance"
    assert D(denied.reason_params["available"]) == pytest.approx(D(500), abs=1)
    assert outcome(world, third, follower) == ("", D("0.4"))
    assert world.intent(third, keeping).reason_code == "free_margin"
    for each in (follower, keeping):
        world.refresh(each.account_id)  # it is in what is told now
    fourth = world.entry(size="0.4", symbol=ETH)
    world.fan_out(fourth)
    assert outcome(world, fourth, follower) == ("", D("0.4"))


def test_slices_that_are_still_to_come_have_their_margin_reserved(world: World) -> None:
    values = {"execution": "sliced", "slice_count": 3, "slice_interval_seconds": 3600}
    follower = world.follower(usdt="2000", settings={"values": values})
    world.run(world.entry(size="0.12"), rounds=2)  # 1,200 of margin, of which 400 are taken
    world.refresh(follower.account_id)
    with tenant_scope(world.tenant.pk):  # hours ago
        for order in Order.objects.filter(send_at__isnull=False):
            old = "0" + order.pk[1:]
            Order.objects.filter(pk=order.pk).update(id=old)
    too_much, enough = world.entry(size="2.2", symbol=ETH), world.entry(size="1.8", symbol=ETH)
    world.fan_out(too_much)
    assert world.intent(too_much, follower).reason_code == "insufficient_balance"
    world.fan_out(enough)
    assert outcome(world, enough, follower)[0] == ""


def test_positions_and_orders_are_counted(world: World) -> None:
    few = stating(world, max_open_positions=1)
    slow = stating(world, max_orders_per_minute=2)
    first, more, other = world.entry(), world.entry("increase"), world.entry(symbol=ETH)
    for signal in (first, more, other):
        world.fan_out(signal)
    assert [outcome(world, each, few)[0] for each in (first, more, other)] == [
        "", "", "too_many_positions",
    ]  # fmt: skip
    assert outcome(world, other, slow) == ("too_many_orders", {"orders": "2", "limit": "2"})
    with tenant_scope(world.tenant.pk):
        old = timezone.now() - timedelta(seconds=61)
        Order.objects.filter(subscription_id=slow.pk).update(created_at=old)
    later = world.entry(symbol=ETH)
    world.fan_out(later)
    assert outcome(world, later, slow)[0] == ""


def test_a_pause_follows_on_stops(world: World) -> None:
    follower = stating(world, cooldown_after_stops=2, cooldown_minutes=30)
    now = timezone.now()
    with tenant_scope(world.tenant.pk):
        for minutes in (3, 9):
            IntentFactory(
                subscription=follower,
                account=follower.account,
                customer=follower.customer,
                signal=None,
                cause=Intent.Cause.STOP,
                status=Intent.Status.FILLED,
                is_entry=False,
                finished_at=now - timedelta(minutes=minutes),
            )
    signal = world.entry()
    world.fan_out(signal)
    code, numbers = outcome(world, signal, follower)
    assert (code, numbers["stops"]) == ("cooling_down", "2")
    assert D("26") <= D(numbers["left_minutes"]) <= D("27")
    with tenant_scope(world.tenant.pk):
        position = CopiedPositionFactory(
            subscription=follower, account=follower.account, customer=follower.customer, symbol=ETH
        )
        profit = StopOrderFactory(
            copied_position=position, subscription=follower, account=follower.account,
            triggered_by="tp",
        )  # fmt: skip
        latest = Intent.objects.filter(cause=Intent.Cause.STOP).latest("finished_at")
        Intent.objects.filter(pk=latest.pk).update(cause_id=profit.pk)
    again = world.entry()
    world.fan_out(again)
    assert outcome(world, again, follower)[0] == "", "a take profit is no stop"


def stopped_out(world: World, follower: Subscription, *, key: str = "", **stop: Any) -> None:
    """An exit of just now that one stop order became."""
    with tenant_scope(world.tenant.pk):
        mine = {"subscription": follower, "account": follower.account}
        position = CopiedPosition.objects.filter(subscription=follower, symbol=ETH).first()
        position = position or CopiedPositionFactory(**mine, customer=follower.customer, symbol=ETH)
        order = StopOrderFactory(copied_position=position, symbol=ETH, **mine, **stop)
        IntentFactory(
            **mine,
            customer=follower.customer,
            signal=None,
            symbol=ETH,
            cause=Intent.Cause.STOP,
            cause_id=order.pk,
            key=f"stop:{order.pk}{key}",
            status=Intent.Status.FILLED,
            is_entry=False,
            finished_at=timezone.now() - timedelta(minutes=1),
        )


def test_the_stops_of_one_position_are_one_stop(world: World) -> None:
    """Several targets share one loss: each part has a stop order of its own, and all go off."""
    follower = stating(world, cooldown_after_stops=2, cooldown_minutes=30)
    opened = timezone.now() - timedelta(minutes=20)
    for part in ("", ":rest"):
        stopped_out(world, follower, key=part, opened_at=opened, triggered_by="sl")
    stopped_out(world, follower, key=":tp")  # of coins, watched by us
    signal = world.entry(size="0.01")
    world.fan_out(signal)
    assert outcome(world, signal, follower)[0] == ""
    stopped_out(world, follower, opened_at=opened + timedelta(minutes=5), triggered_by="sl")
    again = world.entry(size="0.01")
    world.fan_out(again)
    assert outcome(world, again, follower)[0] == "cooling_down"


def test_a_days_loss_and_a_fall_from_the_peak_end_entries_but_no_exit(world: World) -> None:
    daily = stating(world, daily_loss_limit="900")
    deep = stating(world, drawdown_limit_percent="0.9")
    careless = stating(world)
    opened = world.entry(size="0.2")
    world.run(opened)
    world.paper.control.set_price("BTC-USDT-SWAP", "45000")
    for follower in (daily, deep, careless):
        world.refresh(follower.account_id)
    again, closed = world.entry(symbol=ETH), world.signal("close")
    world.fan_out(again)
    code, numbers = outcome(world, again, daily)
    assert (code, numbers["limit"]) == ("daily_loss", "900.00")
    assert 1_000 <= D(numbers["lost"]) < 1_100
    assert outcome(world, again, deep)[0] == "drawdown"
    assert outcome(world, again, careless)[0] == ""
    world.run(closed)
    for follower in (daily, deep, careless):
        assert world.held(follower).filled == 0
    with tenant_scope(world.tenant.pk):
        EquityDay.objects.filter(account_id=daily.account_id).delete()
    unknown = world.entry(symbol=ETH)
    world.fan_out(unknown)
    assert outcome(world, unknown, daily) == ("equity_history_unknown", {})


def test_yesterdays_last_value_is_where_the_day_begins(world: World) -> None:
    follower = stating(world, daily_loss_limit="900")
    with tenant_scope(world.tenant.pk):
        EquityDay.objects.all().delete()
        EquityDayFactory(
            account=follower.account,
            day=(timezone.now() - timedelta(days=1)).date(),
            start=D(200_000),
            last=D(100_500),
            peak=D(300_000),
        )
    signal = world.entry()
    world.fan_out(signal)
    assert outcome(world, signal, follower)[0] == "", "a loss of yesterday is none of today"
    world.refresh(follower.account_id)
    with tenant_scope(world.tenant.pk):
        today = EquityDay.objects.order_by("day").last()
        assert today is not None
        assert (today.start, today.peak) == (100_500, 300_000)


def test_a_price_that_ran_away_and_a_signal_that_is_old(world: World) -> None:
    usual, tight = stating(world), stating(world, max_entry_slippage_percent="0.1")
    hasty = stating(world, signal_lifetime_seconds=5)
    near = world.entry(price=D(49_900))
    world.fan_out(near)
    assert outcome(world, near, usual)[0] == ""
    code, numbers = outcome(world, near, tight)
    assert (code, numbers["limit"], numbers["leader_price"]) == (
        "price_deviation", "0.1", "49900",
    )  # fmt: skip
    far = world.entry(price=D(49_000))
    world.fan_out(far)
    assert outcome(world, far, usual)[0] == "price_deviation"
    said_nothing = world.entry()
    world.fan_out(said_nothing)
    assert outcome(world, said_nothing, tight)[0] == "leader_price_unknown"
    old = world.entry(emitted_at=timezone.now() - timedelta(seconds=20))
    world.fan_out(old)
    assert outcome(world, old, hasty)[0] == "signal_too_old"
    assert outcome(world, old, usual)[0] == ""


def test_an_entry_that_waits_does_not_outlive_the_clients_limit(world: World) -> None:
    follower = stating(world, signal_lifetime_seconds=30)
    signal = world.entry()
    world.fan_out(signal)
    (order,) = world.orders(subscription_id=follower.pk)
    assert order.expires_at == signal.emitted_at + timedelta(seconds=30)


def test_a_firms_rule_holds_for_all_its_copies(world: World) -> None:
    one, other = stating(world), stating(world, max_open_positions=5)
    TenantSettingsFactory(tenant=world.tenant, settings={"values": {"max_open_positions": 1}})
    for signal in (world.entry(), world.entry(symbol=ETH)):
        world.fan_out(signal)
    for follower in (one, other):
        code, numbers = outcome(world, signal, follower)
        assert (code, numbers["limit"]) == ("too_many_positions", "1")


def test_trading_hours_are_the_firms(world: World) -> None:
    closed_now = [
        f"{day} 00:00-24:00"
        for number, day in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))
        if number != timezone.now().weekday()
    ]
    follower = stating(world, trading_hours=closed_now)
    signal = world.entry()
    world.fan_out(signal)
    assert outcome(world, signal, follower)[0] == "outside_trading_hours"


def test_a_fanout_waits_for_whoever_enters_in_another_symbol_of_the_account(world: World) -> None:
    """Each by itself fits into the cap, and both together do not."""
    follower = stating(world, account_exposure_cap="6000")
    world.fan_out(world.entry(size="0.001", symbol=ETH))  # its position is there now
    signal = world.entry(size="2.5", symbol=ETH)
    (shard,) = world.dispatch(signal)
    context = claimed(world, shard)
    forget_controls()
    is_entered, is_planned = threading.Event(), threading.Event()

    def enter_and_hold_back() -> None:
        with tenant_scope(world.tenant.pk), transaction.atomic():
            ExchangeAccount.objects.select_for_update().get(pk=follower.account_id)
            intent = IntentFactory(
                subscription=follower,
                account=follower.account,
                customer=follower.customer,
                signal=None,
                symbol=SYMBOL,
            )
            OrderFactory(
                intent=intent,
                side="buy",
                is_entry=True,
                quantity=D(10),
                price=D(50_000),
                leverage=D(5),
                state="accepted",
            )
            is_entered.set()
            is_planned.wait(2)  # in vain, as long as planning waits for us

    def plan_meanwhile() -> None:
        assert is_entered.wait(30)
        plan(world, context)
        is_planned.set()

    assert at_once([enter_and_hold_back, plan_meanwhile]) == []
    # Not quite 1,000 of room, at 2,000.
    reason, ether = outcome(world, signal, follower)
    assert (reason, D("0.4") < ether <= D("0.5")) == ("", True)

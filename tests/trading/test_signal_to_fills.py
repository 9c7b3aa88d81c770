"""One signal becomes every follower's order on a real (paper) exchange, and the books follow."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from customers.tenancy import tenant_scope
from strategies.models import Subscription
from strategies.services.subscriptions import subscription_pause
from tests.factories import UserFactory
from tests.trading.world import SYMBOL, World
from trading import tasks
from trading.models import Balance, Position, Trade
from venues import markets


def test_an_open_signal_is_filled_for_every_follower_by_its_own_size(world: World) -> None:
    one = world.follower(ratio=Decimal(1))
    half = world.follower(ratio=Decimal("0.5"))
    signal = world.entry(size="0.1")

    world.run(signal)

    # 0.1 BTC are 10 contracts of 0.01 BTC.
    assert [world.intent(signal, sub).status for sub in (one, half)] == ["filled", "filled"]
    assert world.held(one).filled == Decimal(10)
    assert world.held(half).filled == Decimal(5)
    booked = {row["clOrdId"]: row for sub in (one, half) for row in world.ledger_orders(sub)}
    orders = world.orders()
    assert set(booked) == {order.pk for order in orders}
    for order in orders:
        row = booked[order.pk]
        assert row["ordId"] == order.venue_order_id
        assert Decimal(row["accFillSz"]) == order.filled_quantity
        assert Decimal(row["avgPx"]) == order.average_price


def test_every_order_carries_the_leverage_that_was_set_before(world: World) -> None:
    world.follower()
    world.run(world.entry(leverage=Decimal(7)))
    (order,) = world.orders()
    world.refresh(order.account_id)
    with tenant_scope(world.tenant.pk):
        position = Position.objects.get(account_id=order.account_id)
    assert order.leverage == 7
    assert position.leverage == 7


def test_partial_closes_in_thirds_end_flat_and_make_one_trade(world: World) -> None:
    follower = world.follower()
    world.run(world.entry(size="0.1"))
    third = {"size_basis": "position_fraction", "side": ""}
    world.run(world.signal("reduce", size=Decimal("0.333333333333333333"), **third))
    # 6.666… wanted of 10: the lot is 0.01, and what is sold is rounded down.
    assert world.held(follower).filled == Decimal("6.67")
    world.run(world.signal("reduce", size=Decimal("0.5"), **third))
    # Half of the target, which kept what rounding could not sell.
    assert world.held(follower).filled == Decimal("3.34")
    world.run(world.signal("close", side=""))

    position = world.held(follower)
    assert position.filled == 0
    assert position.target == 0
    with tenant_scope(world.tenant.pk):
        (trade,) = Trade.objects.all()
    assert trade.quantity == 10
    assert trade.direction == "long"
    paid = sum(Decimal(row["fee"]) for row in world.ledger_orders(follower))
    assert trade.fees == -paid


@pytest.mark.parametrize("position_mode", ["net", "long_short"])
def test_a_flip_closes_first_and_then_opens_the_other_side(
    world: World, position_mode: str
) -> None:
    follower = world.follower(position_mode=position_mode)
    world.run(world.entry(size="0.1"))
    signal = world.signal("flip", side="short", size=Decimal("0.06"), size_basis="base")

    world.run(signal)

    assert world.held(follower).filled == Decimal(-6)
    close, entry = world.intent(signal, follower, leg=1), world.intent(signal, follower, leg=0)
    assert (close.status, entry.status) == ("filled", "filled")
    world.refresh(follower.account_id)
    with tenant_scope(world.tenant.pk):
        (position,) = Position.objects.filter(account_id=follower.account_id)
    assert position.quantity == -6


def test_a_short_in_hedge_mode_opens_and_closes_the_short_side(world: World) -> None:
    follower = world.follower(position_mode="long_short")
    world.run(world.entry(side="short", size="0.05"))
    assert world.held(follower).filled == -5
    world.run(world.signal("close", side="short"))
    assert world.held(follower).filled == 0
    sides = [(row["side"], row["posSide"]) for row in world.ledger_orders(follower)]
    assert sorted(sides) == [("buy", "short"), ("sell", "short")]


def test_spot_is_bought_in_coins_and_sold_again(world: World) -> None:
    follower = world.follower()
    spot = {"symbol": "ETH/USDT", "leverage": None}
    world.run(world.entry(size="1", **spot))
    bought = world.held(follower, "ETH/USDT").filled
    assert Decimal("0.99") < bought < 1  # the taker fee is taken from the coins
    world.run(world.signal("close", **spot))
    held = world.held(follower, "ETH/USDT")
    assert 0 <= held.filled < Decimal("0.000001")  # less than a lot is left
    states = [order.state for order in world.orders()]
    assert states == ["filled", "filled"]


def test_planning_a_signal_twice_orders_nothing_twice(world: World) -> None:
    follower = world.follower()
    signal = world.entry()
    world.fan_out(signal)
    with tenant_scope(world.tenant.pk):
        signal.shards.update(status="pending")
        shard_ids = list(signal.shards.values_list("pk", flat=True))
    for shard_id in shard_ids:
        tasks.shard_run(shard_id=shard_id, tenant_id=world.tenant.pk)
    assert len(world.orders()) == 1
    assert len(world.ledger_orders(follower)) == 1


def test_the_account_shows_the_position_and_balance_of_the_exchange(world: World) -> None:
    follower = world.follower(usdt="5000")
    world.run(world.entry(size="0.01", leverage=Decimal(10)))
    world.refresh(follower.account_id)
    with tenant_scope(world.tenant.pk):
        position = Position.objects.get(account_id=follower.account_id, symbol=SYMBOL)
        balance = Balance.objects.get(account_id=follower.account_id, currency="USDT")
    assert position.quantity == 1
    assert balance.equity < 5000  # the fee was paid
    assert balance.available < balance.equity  # margin is held


def test_skips_say_why_with_the_numbers_compared(world: World) -> None:
    poor = world.follower(usdt="10")
    tiny = world.follower(ratio=Decimal("0.00001"))
    paused = world.follower(status="paused")
    unsized = world.follower(sizing_mode="equity_proportional")
    signal = world.entry(size="0.1")

    world.run(signal)

    def reason(subscription: Subscription) -> tuple[str, dict[str, str]]:
        intent = world.intent(signal, subscription)
        assert intent.status == "skipped"
        return intent.reason_code, intent.reason_params

    assert reason(poor)[0] == "insufficient_balance"
    assert reason(poor)[1]["available"] == "10.00"
    assert reason(tiny)[0] == "below_minimum_size"
    assert reason(paused)[0] == "subscription_paused"
    assert reason(unsized)[0] == "leader_equity_unknown"
    assert world.orders() == []


def test_what_is_below_the_minimum_is_carried_to_the_next_signal(world: World) -> None:
    follower = world.follower(ratio=Decimal("0.004"))  # 0.04 contracts of 10: lot is 0.01
    world.run(world.entry(size="0.02"))  # 0.008 contracts: below one lot
    assert world.held(follower).filled == 0
    assert world.held(follower).target == Decimal("0.008")
    world.run(world.entry("increase", size="0.02"))  # 0.016 in all
    assert world.held(follower).filled == Decimal("0.01")
    assert world.held(follower).target == Decimal("0.016")


def test_entries_of_an_expired_signal_are_skipped_and_exits_go(world: World) -> None:
    follower = world.follower()
    world.run(world.entry())
    past = timezone.now() - timedelta(seconds=5)
    late = world.entry("increase", expires_at=past)
    world.run(late)
    assert world.intent(late, follower).reason_code == "signal_expired"
    world.run(world.signal("close", side="", expires_at=past))
    assert world.held(follower).filled == 0


def test_equity_proportional_copies_the_leaders_share_of_equity(world: World) -> None:
    follower = world.follower(usdt="20000", sizing_mode="equity_proportional")
    world.run(world.entry(size="0.5", leader_equity=Decimal(100000), price=Decimal(60000)))
    # The leader put 0.5 × 60000 of 100000 in; the follower puts the same share of 20000 in.
    market_price = markets.last_price("paper", SYMBOL)
    assert market_price is not None
    contracts = Decimal("0.3") * 20000 / (market_price * Decimal("0.01"))
    assert abs(world.held(follower).filled - contracts) < Decimal("0.02")


def test_pausing_a_copy_cancels_its_working_entries(world: World) -> None:
    follower = world.follower()
    signal = world.entry(order_type="limit", price=Decimal(40000))
    world.run(signal, rounds=1)
    assert world.intent(signal, follower).status == "working"

    with tenant_scope(world.tenant.pk):
        subscription_pause(subscription=follower, actor=UserFactory())
    world.check()

    assert world.intent(signal, follower).status == "cancelled"
    assert world.held(follower).target == 0
    assert [row["state"] for row in world.ledger_orders(follower)] == ["canceled"]


def test_a_close_cancels_the_working_entry_and_sells_what_is_held(world: World) -> None:
    follower = world.follower()
    world.run(world.entry(size="0.02"))
    limit = world.entry("increase", order_type="limit", price=Decimal(40000))
    world.run(limit, rounds=1)
    world.run(world.signal("close", side=""))
    assert world.intent(limit, follower).status == "cancelled"
    assert world.held(follower).filled == 0
    assert world.held(follower).target == 0


def test_closing_the_other_side_leaves_a_position_alone(world: World) -> None:
    follower = world.follower()
    world.run(world.entry(size="0.1"))
    for signal in (
        world.signal("close", side="short"),
        world.signal("reduce", side="short", size=Decimal("0.5"), size_basis="position_fraction"),
    ):
        world.run(signal)
        assert world.intent(signal, follower).reason_code == "nothing_to_reduce"
    assert world.held(follower).filled == 10
    assert world.held(follower).target == 10


def test_a_limit_entry_is_sized_at_its_own_price(world: World) -> None:
    terms = {"sizing_mode": "fixed_amount", "fixed_amount": Decimal(1000)}
    follower = world.follower(**terms)
    limit = world.entry(order_type="limit", price=Decimal(40000), leverage=Decimal(2))
    world.run(limit, rounds=1)
    # 1000 USDT of margin at 2× buy 2000 USDT, that is 0.05 BTC at 40000.
    assert world.intent(limit, follower).quantity == 5


def test_an_increase_without_leverage_keeps_the_positions(world: World) -> None:
    follower = world.follower(sizing_mode="fixed_amount", fixed_amount=Decimal(1000))
    world.run(world.entry(leverage=Decimal(5)))
    first = world.held(follower).filled
    world.run(world.entry("increase", leverage=None))
    assert [order.leverage for order in world.orders()] == [5, 5]
    assert abs(world.held(follower).filled - 2 * first) < Decimal("0.05")

"""From a leader's trade at the exchange to what its followers hold there."""

from __future__ import annotations

from decimal import Decimal

from customers.tenancy import tenant_scope
from signals_app.models import Leader, LeaderPosition, Signal
from signals_app.services.leaders.taking import fills_into
from strategies.models import Subscription
from tests.signals_app.leaders.conftest import INST, LeaderWorld
from tests.trading.conftest import LEADER_ADDS
from tests.trading.world import World
from venues.domain.types import FillSnapshot

UNLISTED = "NOPE/USDT:USDT"


def follow(world: World, leader: LeaderWorld) -> list[Signal]:
    signals = leader.reconcile()
    for signal in signals:
        world.run(signal)
    return signals


def at_exchange(world: World, subscription: Subscription) -> dict[str, Decimal]:
    """By position side, from the exchange's own ledger: bought less sold, to a tenth of a contract.

    A reduction leaves a lot (0.01) more where leader and follower were filled at other prices.
    """
    api_key = world.keys[subscription.account_id].api_key
    held: dict[str, Decimal] = {}
    for row in world.paper.control.ledger()["fills"]:
        if row["apiKey"] == api_key:
            sign = 1 if row["side"] == "buy" else -1
            side = row["posSide"]
            held[side] = held.get(side, Decimal(0)) + sign * Decimal(row["fillSz"])
    tenths = {side: round(quantity, 1) for side, quantity in held.items()}
    return {side: quantity for side, quantity in tenths.items() if quantity}


def test_a_leader_in_hedge_mode_and_a_follower_in_net_mode(
    world: World, leader_of: LEADER_ADDS
) -> None:
    leader = leader_of(position_mode="long_short_mode")
    follower = world.follower()
    for side, size, position_side, held in (
        ("buy", "10", "long", {"net": 10}),
        ("sell", "4", "short", {"net": 6}),  # a hedge is less exposure
        ("sell", "8", "short", {"net": -2}),
        ("buy", "12", "short", {"net": 10}),
        ("sell", "10", "long", {}),
    ):
        leader.order(side, size, posSide=position_side)
        follow(world, leader)
        assert at_exchange(world, follower) == held


def test_a_leader_in_net_mode_and_a_follower_in_hedge_mode(
    world: World, leader_of: LEADER_ADDS
) -> None:
    leader = leader_of()
    follower = world.follower(position_mode="long_short")
    for side, size, held in (
        ("buy", "6", {"long": 6}),
        ("sell", "2", {"long": 4}),
        ("sell", "7", {"short": -3}),
        ("buy", "3", {}),
    ):
        leader.order(side, size)
        follow(world, leader)
        assert at_exchange(world, follower) == held


def test_a_leader_without_equity_moves_those_who_need_none(
    world: World, leader_of: LEADER_ADDS
) -> None:
    leader = leader_of()
    by_share = world.follower(sizing_mode="equity_proportional")
    by_size = world.follower(sizing_mode="leader_ratio")
    leader.order("buy", "6")
    with tenant_scope(world.tenant.pk):
        Leader.objects.filter(pk=leader.leader.pk).update(equities={"BTC": "1"})
    [signal] = _heard_by_stream(world, leader)
    assert signal.leader_equity == 0
    world.run(signal)
    assert world.intent(signal, by_share).reason_code == "leader_without_equity"
    assert world.held(by_size).filled == 6


def test_a_symbol_that_the_followers_venue_does_not_list_is_skipped_with_that_reason(
    world: World,
) -> None:
    follower = world.follower()
    signal = world.entry(symbol=UNLISTED)
    world.run(signal)
    intent = world.intent(signal, follower)
    assert (intent.status, intent.reason_code) == ("skipped", "symbol_not_listed")
    assert intent.reason_params == {"symbol": UNLISTED, "venue": "paper"}
    assert world.ledger_orders(follower) == []


def test_its_average_price_is_known_before_the_next_reading(
    world: World, leader_of: LEADER_ADDS
) -> None:
    leader = leader_of()
    leader.order("buy", "6")
    _heard_by_stream(world, leader)
    world.paper.control.set_price(INST, "62000")
    try:
        leader.order("buy", "6")
        _heard_by_stream(world, leader)
    finally:
        world.paper.control.set_price(INST, "60000")
    with tenant_scope(world.tenant.pk):
        kept = LeaderPosition.objects.get(leader=leader.leader).average_price
    assert kept is not None
    leader.reconcile()
    with tenant_scope(world.tenant.pk):
        read = LeaderPosition.objects.get(leader=leader.leader).average_price
    assert read is not None
    assert abs(kept - read) < Decimal("0.01")
    assert 60_500 < kept < 61_500


def _heard_by_stream(world: World, leader: LeaderWorld) -> list[Signal]:
    """The leader's fills as they are booked, without the balances that a reading brings."""
    rows = [
        row for row in world.paper.control.ledger()["fills"] if row["apiKey"] == leader.keys.api_key
    ]
    fills = [
        FillSnapshot(
            trade_id=row["tradeId"],
            venue_order_id=row["ordId"],
            client_order_id="",
            symbol="BTC/USDT:USDT",
            side=row["side"],
            quantity=Decimal(row["fillSz"]),
            price=Decimal(row["fillPx"]),
            fee=Decimal(0),
            fee_currency="USDT",
            is_maker=False,
            filled_at_ms=int(row["ts"]),
        )
        for row in rows
    ]
    with tenant_scope(world.tenant.pk):
        return fills_into(leader.reload(), fills, {}, None)

"""Sizes and directions by copy settings, from the signal to the exchange's own record."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from customers.tenancy import tenant_scope
from tests.trading.world import SYMBOL, World
from venues import markets


def _settings(**values: object) -> dict[str, object]:
    return {"settings": {"values": values}}


def test_a_leaders_partial_closes_leave_what_is_computed(world: World) -> None:
    """0.90 BTC is ninety contracts, whatever the follower's price is beside the leader's."""
    follower = world.follower(usdt="1000000")
    world.run(world.entry(size="0.9", price=D("61234.5")))
    assert world.held(follower).filled == 90
    left = [D("60"), D("30"), D("0")]
    before = D(90)
    for after in left:
        world.run(
            world.signal(
                "reduce", size=D("0.3"), size_basis="base",
                leader_position_before=before, leader_position_after=after,
            )
        )  # fmt: skip
        assert world.held(follower).filled == world.held(follower).target == after
        before = after


def test_a_reversed_copy_trades_the_other_side_until_it_is_flat(world: World) -> None:
    follower = world.follower(**_settings(direction="reversed"))
    world.run(world.entry(size="0.05"))
    assert world.held(follower).filled == -5
    world.run(world.signal("reduce", size=D("0.4"), size_basis="position_fraction"))
    assert world.held(follower).filled == -3
    world.run(world.signal("close"))
    assert world.held(follower).filled == 0


@pytest.mark.parametrize(
    ("before", "after"), [("as_leader", "reversed"), ("reversed", "as_leader")]
)
def test_a_position_from_before_the_direction_changed_gets_its_exits(
    world: World, before: str, after: str
) -> None:
    follower = world.follower(**_settings(direction=before))
    world.run(world.entry(size="0.05"))
    side = -1 if before == "reversed" else 1
    with tenant_scope(world.tenant.pk):
        follower.settings = {"values": {"direction": after}}
        follower.save()
    world.run(world.entry("increase", size="0.02"))
    assert world.held(follower).filled == side * 5  # nothing is added
    if after == "reversed":
        world.run(world.signal("close", side="short"))  # said of what the leader does not hold
        assert world.held(follower).filled == side * 5
    world.run(world.signal("reduce", size=D("0.4"), size_basis="position_fraction"))
    assert world.held(follower).filled == side * 3
    world.run(world.signal("close"))
    assert world.held(follower).filled == 0


def test_monitoring_sends_nothing_and_says_what_it_would_have_sent(world: World) -> None:
    follower = world.follower(**_settings(monitor_only=True))
    world.run(signal := world.entry(size="0.05"))
    intent = world.intent(signal, follower)
    assert (intent.status, intent.reason_code) == ("skipped", "monitor_only")
    assert (intent.side, intent.reason_params["size"]) == ("buy", "5")
    assert world.ledger_orders(follower) == []
    assert world.held(follower).target == 0


def test_a_cap_clips_and_a_forced_minimum_is_met_at_the_exchange(world: World) -> None:
    price = markets.last_price("paper", SYMBOL)
    assert price is not None
    capped = world.follower(**_settings(per_order_cap=str(price / 100)))  # five contracts at 5 ×
    forced = world.follower(ratio=D("0.01"), **_settings(below_minimum="force"))
    world.run(world.entry(size="0.009"))
    assert world.held(forced).filled == D("0.01")
    world.run(world.entry("increase", size="0.2"))
    (_first, second) = sorted(D(row["sz"]) for row in world.ledger_orders(capped))
    assert D("4.8") < second < D("5.2")


def test_the_days_range_comes_with_the_price_and_makes_entries_smaller(world: World) -> None:
    calm = world.follower(**_settings(dynamic_sizing="volatility", target_volatility_percent="100"))
    careful = world.follower(
        **_settings(dynamic_sizing="volatility", target_volatility_percent="0.000001")
    )
    world.run(signal := world.entry(size="0.1"))
    assert world.held(calm).filled == 10
    day_range = markets.day_range_percent("paper", SYMBOL)
    assert day_range is not None
    if day_range > 0:
        assert world.intent(signal, careful).reason_code == "below_minimum_size"

"""Stops of a position are at the exchange, of its size and at its prices, and go with it."""

from __future__ import annotations

from decimal import Decimal as D

from tests.factories import SourceFactory, StrategyFactory, SubscriptionFactory
from tests.trading.stops.guarded import GuardedWorld
from tests.trading.world import World

OWN = {"stops_mode": "own", "stop_loss_percent": "5", "take_profit_percent": "10"}


def test_own_percentages_become_one_order_of_the_whole_position(guarded: GuardedWorld) -> None:
    follower = guarded.follower(OWN)
    guarded.run(guarded.world.entry())
    entry = guarded.position(follower).average_entry_price
    assert entry is not None
    ((size, stop, target),) = guarded.at_venue(follower)
    assert size == 10
    tick = D("0.1")
    assert 0 <= stop - entry * D("0.95") < tick
    assert 0 <= entry * D("1.1") - target < tick
    (row,) = guarded.rows()
    assert (row.state, row.quantity, row.side) == ("waiting", 10, "sell")
    assert guarded.state(follower).open_since is None


def test_the_leaders_prices_guard_those_who_take_them_over(guarded: GuardedWorld) -> None:
    follower = guarded.follower()
    stranger = guarded.follower({"stops_mode": "none"})
    guarded.run(guarded.world.entry(stop_loss=D(58000), take_profit=D(65000)))
    assert guarded.at_venue(follower) == [(D(10), D(58000), D(65000))]
    assert guarded.at_venue(stranger) == []


def test_targets_share_the_position_out(guarded: GuardedWorld) -> None:
    follower = guarded.follower()
    targets = [{"price": "62000", "fraction": "0.5"}, {"price": "64000", "fraction": "0.3"}]
    guarded.run(guarded.world.entry(stop_loss=D(58000), targets=targets))
    assert guarded.at_venue(follower) == [
        (D(5), D(58000), D(62000)),
        (D(3), D(58000), D(64000)),
        (D(2), D(58000), None),
    ]


def test_they_shrink_with_a_partial_close_and_go_with_the_rest(guarded: GuardedWorld) -> None:
    follower = guarded.follower()
    guarded.run(guarded.world.entry(stop_loss=D(58000), take_profit=D(65000)))
    reduce = {"size": D("0.5"), "size_basis": "position_fraction"}
    guarded.run(guarded.world.signal("reduce", side="", **reduce))
    assert guarded.at_venue(follower) == [(D(5), D(58000), D(65000))]
    assert [row.state for row in guarded.rows()] == ["waiting"]  # amended, not made anew

    guarded.run(guarded.world.signal("close", side=""))
    assert guarded.at_venue(follower) == []
    assert [row.state for row in guarded.rows()] == ["cancelled"]
    assert guarded.state(follower).open_since is None


def test_they_grow_with_a_further_entry(guarded: GuardedWorld) -> None:
    follower = guarded.follower()
    guarded.run(guarded.world.entry(stop_loss=D(58000)))
    guarded.run(guarded.world.entry("increase", "0.05"))
    assert guarded.at_venue(follower) == [(D(15), D(58000), None)]


def test_a_turned_position_has_the_other_sides_stops(guarded: GuardedWorld) -> None:
    own = {"stops_mode": "own", "stop_loss_percent": "5"}
    follower = guarded.follower(own, position_mode="long_short")
    guarded.run(guarded.world.entry())
    guarded.run(guarded.world.entry("flip", "0.03", side="short"))
    assert guarded.position(follower).filled == -3
    ((size, stop, _),) = guarded.at_venue(follower)
    assert size == 3
    assert stop > 60000


def test_two_copies_on_one_account_have_stops_of_their_own(guarded: GuardedWorld) -> None:
    follower = guarded.follower()
    world = guarded.world
    source = SourceFactory(tenant=world.tenant, venue="paper")
    strategy = StrategyFactory(tenant=world.tenant, source=source)
    other = World(world.paper, world.tenant, source, strategy, world.keys)
    SubscriptionFactory(
        tenant=world.tenant,
        strategy=strategy,
        account=follower.account,
        customer=follower.customer,
        sizing_mode="leader_ratio",
        ratio=D(1),
    )
    guarded.run(world.entry(stop_loss=D(58000)))
    guarded.run(other.entry(size="0.04", stop_loss=D(57000)))
    assert guarded.at_venue(follower) == [(D(4), D(57000), None), (D(10), D(58000), None)]

    guarded.run(other.signal("close", side=""))
    assert guarded.at_venue(follower) == [(D(10), D(58000), None)]


def test_a_stop_of_the_other_side_is_replaced_and_not_amended(guarded: GuardedWorld) -> None:
    follower = guarded.follower({"stops_mode": "own", "stop_loss_percent": "5"})
    guarded.run(guarded.world.entry())
    guarded.world.run(guarded.world.entry("flip", "0.03", side="short"))  # stops hear of both late
    guarded.until(lambda: guarded.state(follower).open_since is None, "the stops are in line")
    old, new = sorted(guarded.rows(), key=lambda row: row.pk)
    assert (old.side, old.state) == ("sell", "cancelled")
    assert (new.side, new.state, new.quantity) == ("buy", "waiting", 3)

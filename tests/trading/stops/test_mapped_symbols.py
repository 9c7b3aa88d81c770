"""Of a copy in another symbol than the leader's: the leader's are as far from the price there."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal as D

import pytest

from strategies.models import Subscription
from tests.trading.stops.guarded import GuardedWorld
from tests.trading.stops.test_watching import leader_moves, leads
from tests.trading.world import SYMBOL as BTC
from venues import markets

ETH = "ETH/USDT:USDT"
IN_ETH = "ETH-USDT-SWAP"


@pytest.fixture(autouse=True)
def prices(guarded: GuardedWorld) -> Iterator[None]:
    """BTC at 60,000 and ETH at 3,000."""
    yield
    guarded.price("60000")
    guarded.price("3000", IN_ETH)


def mapped(guarded: GuardedWorld, **settings: object) -> Subscription:
    return guarded.follower({"symbol_map": {BTC: ETH}, **settings})


def test_the_signals_prices_are_those_of_the_other_market(guarded: GuardedWorld) -> None:
    copy = mapped(guarded)
    guarded.run(guarded.world.entry(stop_loss=D(58_000), take_profit=D(66_000)))
    assert guarded.at_venue(copy) == [(D(20), D(2_900), D(3_300))]
    guarded.run(guarded.world.signal("close", side=""))
    assert guarded.at_venue(copy) == []


def test_own_percentages_are_of_the_copys_own_entry(guarded: GuardedWorld) -> None:
    copy = mapped(guarded, stops_mode="own", stop_loss_percent="10")
    guarded.run(guarded.world.entry(stop_loss=D(58_000)))
    ((size, stop, _target),) = guarded.at_venue(copy)
    assert (size, round(stop)) == (20, 2_700)


def test_a_stop_that_goes_off_ends_the_position_in_the_other_symbol(guarded: GuardedWorld) -> None:
    copy = mapped(guarded)
    guarded.run(guarded.world.entry(stop_loss=D(58_000)))
    guarded.price("57000")
    guarded.check()
    assert guarded.position(copy, ETH).filled == 20  # the leader's market is not its own
    guarded.price("2890", IN_ETH)
    guarded.until(lambda: guarded.position(copy, ETH).filled == 0, "it is closed")
    (order,) = guarded.exits()
    assert order.symbol == ETH


def test_what_the_leader_moves_moves_by_the_prices_of_then(guarded: GuardedWorld) -> None:
    leads(guarded)
    copy = mapped(guarded)
    guarded.run(guarded.world.entry(stop_loss=D(58_000)))
    guarded.price("66000")
    markets.forget_markets()  # prices of a second ago

    leader_moves(guarded, ("62700", None, "10"))

    assert guarded.at_venue(copy) == [(D(20), D(2_850), None)]  # 5 % below, as the leader's


def test_what_the_leader_set_before_the_entry_filled_counts(guarded: GuardedWorld) -> None:
    leads(guarded)
    leader_moves(guarded, ("58000", None, "10"))
    copy = mapped(guarded)
    guarded.run(guarded.world.entry())
    assert guarded.at_venue(copy) == [(D(20), D(2_900), None)]


def test_a_risk_is_sized_by_the_stop_that_is_placed(guarded: GuardedWorld) -> None:
    """1 % of 100,000 is lost when 3,000 falls to 2,850: 6⅔ coins. The leader's own price says
    nothing of it."""
    settings = {"symbol_map": {BTC: ETH}, "risk_percent": "1", "max_entry_slippage_percent": "50"}
    copy = guarded.follower(settings, sizing_mode="fixed_risk", ratio=None)
    guarded.run(guarded.world.entry(stop_loss=D(57_000), price=D(59_000)))
    ((size, stop, _target),) = guarded.at_venue(copy)
    assert (size, stop) == (D("66.66"), D(2_850))

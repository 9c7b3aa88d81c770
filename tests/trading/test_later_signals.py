"""Signals of one source that are planned in another order than they were sent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.trading.world import World
from trading.services.fanout.later_signals import OVERTAKES_BY


@pytest.mark.parametrize(
    "exit_", [{"action": "close", "side": ""}, {"action": "flip", "side": "short"}]
)
def test_an_entry_is_not_entered_after_the_exit_that_came_later(
    world: World, exit_: dict[str, Any]
) -> None:
    follower = world.follower()
    opened = world.entry()
    world.run(world.signal(**exit_))
    world.run(opened)
    (intent,) = world.intents(opened)
    assert (intent.status, intent.reason_code) == ("skipped", "later_exit")
    assert world.ledger_orders(follower) == []
    assert world.held(follower).target == 0

    world.run(world.entry())
    assert world.held(follower).filled == 10


def test_in_their_order_both_are_followed(world: World) -> None:
    follower = world.follower()
    opened, closed = world.entry(), world.signal("close", side="")
    world.run(opened)
    assert world.held(follower).filled == 10
    world.run(closed)
    assert world.held(follower).filled == 0


def test_a_later_entry_or_an_exit_in_another_symbol_holds_nobody_up(world: World) -> None:
    follower = world.follower()
    opened = world.entry()
    world.run(world.entry("increase"))
    world.run(world.signal("close", side="", symbol="ETH/USDT:USDT"))
    world.run(opened)
    assert world.held(follower).filled == 20


def test_a_copy_that_the_exit_did_not_reach_yet_enters_and_is_closed_then(world: World) -> None:
    """Its turn comes: for this copy they are in order."""
    follower = world.follower()
    opened, closed = world.entry(), world.signal("close", side="")
    world.dispatch(closed)  # not planned yet
    world.run(opened)
    assert world.held(follower).filled == 10


def test_what_came_in_well_before_is_not_later_whatever_its_time_says(world: World) -> None:
    follower = world.follower()
    closed = world.signal("close", side="")
    world.run(closed)
    opened = world.entry(
        emitted_at=closed.emitted_at - timedelta(seconds=1),
        received_at=closed.received_at + OVERTAKES_BY + timedelta(seconds=1),
    )
    world.run(opened)
    assert world.held(follower).filled == 10

"""What happens to a stop while something else does: to its own request, to its position."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any

import pytest

from customers.tenancy import tenant_scope
from tests.trading.stops.guarded import GuardedWorld
from tests.trading.stops.test_going_off import at_exchange, holds
from trading.models import Order, PositionStops, StopOrder
from venues import markets

OWN = {"stops_mode": "own", "stop_loss_percent": "5"}
TARGETS = [{"price": "62000", "fraction": "0.5"}, {"price": "64000", "fraction": "0.5"}]


def in_line(guarded: GuardedWorld, follower: Any) -> Any:
    return lambda: guarded.state(follower).open_since is None


def cancel_by_hand(guarded: GuardedWorld, follower: Any, stop: StopOrder) -> None:
    row = [{"instId": "BTC-USDT-SWAP", "algoClOrdId": stop.pk}]
    assert at_exchange(guarded, follower, "trade/cancel-algos", row) == "0"


def forget_answer(guarded: GuardedWorld, stop: StopOrder) -> None:
    """As if the process that sent it had been killed before it wrote down what came back."""
    with tenant_scope(guarded.world.tenant.pk):
        StopOrder.objects.filter(pk=stop.pk).update(state="sending", venue_stop_id="", seen_at=None)
        PositionStops.objects.update(due_at=stop.created_at, open_since=stop.created_at)


def test_one_that_is_gone_before_its_answer_was_written_is_replaced(guarded: GuardedWorld) -> None:
    follower = guarded.follower()
    guarded.run(guarded.world.entry(stop_loss=D(58000)))
    (stop,) = guarded.rows()
    forget_answer(guarded, stop)
    cancel_by_hand(guarded, follower, stop)

    guarded.until(in_line(guarded, follower), "another one is there")
    assert guarded.at_venue(follower) == [(D(10), D(58000), None)]
    assert [row.state for row in guarded.rows()] == ["cancelled", "waiting"]


def test_a_moved_stop_whose_price_is_passed_meanwhile_closes_its_part(
    guarded: GuardedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trailing stop is to move to 61,740, and the price is below that when it arrives."""
    monkeypatch.setattr(markets, "PRICE_LIFETIME_SECONDS", 0)
    follower = guarded.follower({"stops_mode": "own", "trailing_percent": "2"})
    guarded.run(guarded.world.entry())
    guarded.price("63000")
    with tenant_scope(guarded.world.tenant.pk):
        PositionStops.objects.update(best_price=D(63000), due_at=guarded.rows()[0].created_at)
    guarded.price("61700")
    guarded.until(holds(guarded, follower, "0"), "the position is closed")
    assert guarded.position(follower).target == 0
    guarded.until(lambda: guarded.at_venue(follower) == [], "nothing is left at the exchange")


def test_a_turned_position_begins_with_all_its_targets(guarded: GuardedWorld) -> None:
    """Closed and opened again before anybody looked over the stops."""
    follower = guarded.follower({"break_even_after_target": True})
    guarded.run(guarded.world.entry(stop_loss=D(58000), targets=TARGETS))
    guarded.price("62010")
    guarded.until(holds(guarded, follower, "5"), "the first target is booked")
    guarded.until(in_line(guarded, follower), "the others follow")
    assert guarded.state(follower).target_reached
    guarded.price("61000")
    shorts = [{"price": "57000", "fraction": "0.5"}, {"price": "56000", "fraction": "0.5"}]
    guarded.world.run(
        guarded.world.entry("flip", "0.04", side="short", stop_loss=D(63000), targets=shorts)
    )
    guarded.until(lambda: guarded.position(follower).filled == -4, "it is turned")
    guarded.until(in_line(guarded, follower), "the stops are in line")
    assert guarded.at_venue(follower) == [(D(2), D(63000), D(56000)), (D(2), D(63000), D(57000))]


def test_what_went_with_the_old_position_does_not_guard_the_new_one(guarded: GuardedWorld) -> None:
    """The exchange cancels a stop with its position; the same is opened again before we look."""
    follower = guarded.follower()
    world = guarded.world
    guarded.run(world.entry(stop_loss=D(58000)))
    world.run(world.signal("close", side=""))
    world.run(world.entry(stop_loss=D(58000)))
    assert guarded.at_venue(follower) == []
    guarded.keep()
    guarded.until(in_line(guarded, follower), "the stops are in line")
    assert guarded.at_venue(follower) == [(D(10), D(58000), None)]


def test_a_stop_goes_off_while_it_is_made_smaller(guarded: GuardedWorld) -> None:
    """The exchange had shrunk it when it went off, we had not heard of that: no rest is sold."""
    follower = guarded.follower()
    world = guarded.world
    guarded.run(world.entry(stop_loss=D(58000), targets=TARGETS))
    first = guarded.rows()[0]
    shrink = {"instId": "BTC-USDT-SWAP", "algoClOrdId": first.pk, "newSz": "2"}
    assert at_exchange(guarded, follower, "trade/amend-algos", shrink) == "0"
    guarded.price("62010")
    guarded.until(holds(guarded, follower, "8"), "the target is booked")
    guarded.until(in_line(guarded, follower), "the others follow")
    guarded.check()
    assert guarded.position(follower).filled == 8
    assert guarded.at_venue(follower) == [(D(8), D(58000), D(64000))]


def test_stops_are_of_the_positions_margin_mode(guarded: GuardedWorld) -> None:
    follower = guarded.follower(OWN | {"margin_mode": "isolated"})
    guarded.run(guarded.world.entry())
    (stop,) = guarded.rows()
    with tenant_scope(guarded.world.tenant.pk):
        Order.objects.update(margin_mode="cross")  # as of an entry that was settled elsewhere
    cancel_by_hand(guarded, follower, stop)
    guarded.until(lambda: len(guarded.at_venue(follower)) == 1, "it is replaced")
    assert [row.margin_mode for row in guarded.rows()] == ["isolated"] * 2
    guarded.price("50000")
    guarded.until(holds(guarded, follower, "0"), "it closes the position")

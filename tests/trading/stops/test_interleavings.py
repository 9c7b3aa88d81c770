"""What happens to a stop while something else does: to its own request, to its position."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from customers.tenancy import tenant_scope
from tests.trading.stops.guarded import GuardedWorld
from tests.trading.stops.test_going_off import at_exchange, holds
from trading.domain.reasons import Reason, ReasonCode
from trading.domain.stops.states import StopTrigger
from trading.models import Alert, Finding, Order, PositionStops, StopOrder
from trading.services.stops.alerting import stops_alert
from trading.services.stops.exits import exit_of_stop, position_exit
from trading.services.stops.learning import StopUpdate, stop_updates_apply
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


def test_one_that_the_exchange_could_not_carry_out_becomes_a_close(guarded: GuardedWorld) -> None:
    follower = guarded.follower()
    guarded.run(guarded.world.entry(stop_loss=D(58000)))
    (stop,) = guarded.rows()
    reason = Reason(ReasonCode.STOP_FAILED, {"code": "51008"})
    with tenant_scope(guarded.world.tenant.pk):
        update = StopUpdate(stop.pk, StopTrigger.FAIL, reason=reason)
        stop_updates_apply(tenant_id=guarded.world.tenant.pk, updates=[update])
    guarded.until(holds(guarded, follower, "0"), "the position is closed")
    (order,) = guarded.exits()
    assert (order.quantity, order.order_type, order.reduce_only) == (10, "market", True)


def test_a_refused_amendment_is_tried_again_later_and_not_at_once(guarded: GuardedWorld) -> None:
    follower = guarded.follower()
    guarded.run(guarded.world.entry(stop_loss=D(58000)))
    control = guarded.world.paper.control
    amend = {"endpoint": "trade/amend-algos", "method": "POST", "count": 50}
    control.add_fault("error_code", code="51000", **amend)
    guarded.run(guarded.world.entry("increase", "0.05"))
    state = guarded.state(follower)
    assert state.due_at is not None and state.due_at > timezone.now() - timedelta(seconds=1)
    assert (state.tries, state.reason_code) == (1, "venue_rejected")
    assert "51000" in state.reason_params["code"]
    control.clear_faults()
    guarded.until(in_line(guarded, follower), "it is amended")
    assert guarded.at_venue(follower) == [(D(15), D(58000), None)]


def test_stops_that_outlive_their_position_are_told_of(guarded: GuardedWorld) -> None:
    guarded.follower()
    world = guarded.world
    guarded.run(world.entry(stop_loss=D(58000)))
    world.run(world.signal("close", side=""))  # and nobody looks over the stops
    guarded.let_pass(30)
    assert stops_alert() == 0
    guarded.let_pass(31)
    assert stops_alert() == 1
    with tenant_scope(world.tenant.pk):
        assert Alert.objects.get(code="stops_left").open_key is not None
    guarded.keep()
    assert stops_alert() == 0


def written_exit(guarded: GuardedWorld, follower: Any, quantity: str, part: str) -> Order | None:
    position = guarded.position(follower)
    (stop,) = guarded.rows()
    instrument = markets.instrument("paper", position.symbol)
    assert instrument is not None
    with tenant_scope(guarded.world.tenant.pk), transaction.atomic():
        exit_ = exit_of_stop(stop, D(quantity), part=part)
        return position_exit(position, exit_, instrument, timezone.now())


def test_exits_together_are_never_more_than_is_held(guarded: GuardedWorld) -> None:
    follower = guarded.follower()
    guarded.run(guarded.world.entry(stop_loss=D(58000)))
    first = written_exit(guarded, follower, "7", ":a")
    second = written_exit(guarded, follower, "7", ":b")
    assert first is not None and second is not None
    assert (first.quantity, second.quantity) == (7, 3)
    assert written_exit(guarded, follower, "7", ":c") is None
    assert written_exit(guarded, follower, "7", ":a") is None


def test_after_a_refused_exit_nothing_is_placed_until_the_account_is_read(
    guarded: GuardedWorld,
) -> None:
    follower = guarded.follower()
    world = guarded.world
    guarded.run(world.entry(stop_loss=D(58000)))
    refused = written_exit(guarded, follower, "10", ":a")
    assert refused is not None
    with tenant_scope(world.tenant.pk):
        orders = Order.objects.filter(pk=refused.pk)
        orders.update(state="rejected", finished_at=timezone.now())
    cancel_by_hand(guarded, follower, guarded.rows()[0])
    with tenant_scope(world.tenant.pk):
        StopOrder.objects.update(state="cancelled")
        PositionStops.objects.update(due_at=timezone.now())
    guarded.keep()
    assert guarded.at_venue(follower) == []
    with tenant_scope(world.tenant.pk):
        orders.update(finished_at=timezone.now() - timedelta(seconds=11))
    guarded.keep()
    assert guarded.at_venue(follower) == [(D(10), D(58000), None)]


@pytest.mark.parametrize("heard", ["of the stop", "of the fills"])
def test_one_that_went_off_and_whose_order_is_not_known_yet(
    guarded: GuardedWorld, heard: str
) -> None:
    """Nothing takes its place, and what it closed is nobody's manual close."""
    follower = guarded.follower()
    world = guarded.world
    guarded.run(world.entry(stop_loss=D(58000)))
    with tenant_scope(world.tenant.pk):
        StopOrder.objects.update(state="triggered", check_at=None)
        PositionStops.objects.update(due_at=timezone.now())
    if heard == "of the stop":
        guarded.keep()
        assert len(guarded.rows()) == 1
        return
    guarded.price("57990")
    world.refresh(follower.account_id)
    guarded.until(holds(guarded, follower, "0"), "the stop's fills are booked")
    world.refresh(follower.account_id)
    with tenant_scope(world.tenant.pk):
        assert not Finding.objects.exists()

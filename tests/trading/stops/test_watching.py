"""Stops that follow the price, stops that the exchange cannot hold, and stops that leaders move."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from django.utils import timezone

from customers.tenancy import tenant_scope
from signals_app.models import Leader, LeaderStop, Signal, SignalSource
from tests.factories import LeaderFactory, TradingControlFactory
from tests.trading.stops.guarded import GuardedWorld
from trading import tasks
from trading.models import Intent, PositionStops, TradingControl
from trading.services.stops.exits import WATCHED_PROFIT
from trading.services.stops.watching import stops_watch
from trading.services.sweeps import stops_to_follow
from venues import markets


@pytest.fixture(autouse=True)
def _prices_are_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markets, "PRICE_LIFETIME_SECONDS", 0)


def stop_of(guarded: GuardedWorld, follower: Any) -> D:
    ((_, stop, _),) = guarded.at_venue(follower)
    return stop


def test_a_trailing_stop_follows_the_price_and_never_goes_back(guarded: GuardedWorld) -> None:
    follower = guarded.follower({"stops_mode": "own", "trailing_percent": "2"})
    guarded.run(guarded.world.entry())
    first = stop_of(guarded, follower)
    assert 58700 < first < 58900

    guarded.price("63000")
    stops_watch()
    assert stop_of(guarded, follower) == D("61740")
    guarded.price("62500")
    stops_watch()
    assert stop_of(guarded, follower) == D("61740")

    guarded.price("61700")
    stops_watch()  # and if no stream tells of it, it is looked up
    guarded.until(lambda: guarded.position(follower).filled == 0, "it went off")
    assert guarded.exits()[0].placed_by_venue


def test_a_small_move_is_not_worth_a_request(guarded: GuardedWorld) -> None:
    follower = guarded.follower({"stops_mode": "own", "trailing_percent": "2"})
    guarded.run(guarded.world.entry())
    first = stop_of(guarded, follower)
    guarded.price("60030")
    stops_watch()
    assert stop_of(guarded, follower) == first


SPOT, SPOT_ID = "BTC/USDT", "BTC-USDT"


def test_coins_are_sold_by_us_when_the_price_is_there(guarded: GuardedWorld) -> None:
    guarded.price("60000", SPOT_ID)
    follower = guarded.follower()
    targets = [{"price": "62000", "fraction": "0.5"}, {"price": "64000", "fraction": "0.5"}]
    entry = guarded.world.entry(symbol=SPOT, stop_loss=D(58000), targets=targets)
    guarded.run(entry)
    held = guarded.position(follower, SPOT).filled
    assert held > 0
    assert guarded.at_venue(follower) == []  # it could sell coins that are not the copy's
    assert guarded.state(follower).open_since is None
    stops_watch()
    assert guarded.exits() == []

    guarded.price("62100", SPOT_ID)
    stops_watch()
    stops_watch()
    guarded.until(lambda: guarded.position(follower, SPOT).filled < held, "the first target")
    (first,) = guarded.exits()
    assert abs(first.quantity - held / 2) < D("0.001")

    guarded.price("57900", SPOT_ID)
    stops_watch()
    guarded.until(lambda: len(guarded.exits()) == 2, "the rest is sold")
    guarded.until(lambda: guarded.exits()[-1].state == "filled", "it filled")
    assert guarded.position(follower, SPOT).filled < D("0.0001")
    assert not guarded.exits()[-1].reduce_only
    with tenant_scope(guarded.world.tenant.pk):
        keys = Intent.objects.filter(cause=Intent.Cause.STOP).order_by("pk")
        are_profits = [intent.key.endswith(WATCHED_PROFIT) for intent in keys]
    assert are_profits == [True, False], "for the pause after stops"

    # And so is what the copy buys again: such a stop is no repetition of the one before.
    for sold in (3, 4):
        guarded.price("60000", SPOT_ID)
        guarded.run(guarded.world.entry(symbol=SPOT, stop_loss=D(58000), targets=targets))
        guarded.price("57900", SPOT_ID)
        stops_watch()
        guarded.until(lambda sold=sold: len(guarded.exits()) == sold, "it is sold, too")  # type: ignore[misc]
        guarded.until(lambda: guarded.exits()[-1].state == "filled", "it filled")


def test_the_kill_switch_leaves_stops_alone_and_lets_them_be_placed(guarded: GuardedWorld) -> None:
    follower = guarded.follower()
    guarded.world.run(guarded.world.entry(stop_loss=D(58000)))
    TradingControlFactory(mode=TradingControl.Mode.HALTED)
    guarded.keep()
    assert guarded.at_venue(follower) == [(D(10), D(58000), None)]
    guarded.check()
    assert guarded.at_venue(follower) == [(D(10), D(58000), None)]


# --- leaders --------------------------------------------------------------------------------------


def leads(guarded: GuardedWorld) -> None:
    """The world's source is a leader's account."""
    source = guarded.world.source
    source.kind = SignalSource.Kind.LEADER
    with tenant_scope(guarded.world.tenant.pk):
        source.save(update_fields=["kind"])


def leader_moves(guarded: GuardedWorld, *stops: tuple[str | None, str | None, str]) -> None:
    """(stop loss, take profit, quantity) of what the leader has now; and the event is told."""
    world = guarded.world
    with tenant_scope(world.tenant.pk):
        source = SignalSource.objects.get(pk=world.source.pk)
        leader = Leader.objects.filter(source=source).first()
        leader = leader or LeaderFactory(tenant=world.tenant, source=source)
        LeaderStop.objects.filter(leader=leader).delete()
        for number, (loss, target, quantity) in enumerate(stops):
            LeaderStop.objects.create(
                tenant=world.tenant,
                leader=leader,
                venue_stop_id=str(number),
                symbol="BTC/USDT:USDT",
                stop_loss=loss and D(loss),
                take_profit=target and D(target),
                quantity=D(quantity),
                changed_at=timezone.now(),
            )
    signal = world.signal("stops", side="", status=Signal.Status.DONE, skip_code="leader_stops")
    tasks.stops_follow(signal_id=signal.pk, tenant_id=world.tenant.pk)
    guarded.keep()
    guarded.until(lambda: not _is_open(guarded), "the stops are in line")


def _is_open(guarded: GuardedWorld) -> bool:
    with tenant_scope(guarded.world.tenant.pk):
        return PositionStops.objects.exclude(open_since=None).exists()


def test_copies_follow_a_leader_that_sets_moves_and_removes_its_stops(
    guarded: GuardedWorld,
) -> None:
    follower = guarded.follower()
    alerted = guarded.follower({"on_stops_change": "alert"})
    own = guarded.follower({"stops_mode": "own", "stop_loss_percent": "50"})
    guarded.run(guarded.world.entry())
    assert guarded.at_venue(follower) == []

    leader_moves(guarded, ("58000", None, "20"))
    assert guarded.at_venue(follower) == [(D(10), D(58000), None)]
    leader_moves(guarded, ("59000", None, "20"), (None, "62000", "10"))
    assert guarded.at_venue(follower) == [(D(5), D(59000), D(62000)), (D(5), D(59000), None)]
    leader_moves(guarded)
    assert guarded.at_venue(follower) == []

    assert guarded.at_venue(alerted) == []
    ((size, _, _),) = guarded.at_venue(own)
    assert size == 10


def test_who_enters_later_has_what_the_leader_has_set_by_then(guarded: GuardedWorld) -> None:
    leads(guarded)
    leader_moves(guarded, ("58000", None, "20"), (None, "62000", "10"))
    follower = guarded.follower({"on_stops_change": "alert"})
    stranger = guarded.follower({"stops_mode": "none"})
    guarded.run(guarded.world.entry())
    both = [(D(5), D(58000), D(62000)), (D(5), D(58000), None)]
    assert guarded.at_venue(follower) == both
    assert guarded.at_venue(stranger) == []

    # What he agreed to he keeps: he is told of changes, and does not follow them.
    leader_moves(guarded, ("57000", None, "20"))
    guarded.run(guarded.world.entry("increase", "0.1"))
    assert guarded.at_venue(follower) == [(D(10), *both[0][1:]), (D(10), *both[1][1:])]


def test_what_the_leader_sets_before_an_entry_has_filled_guards_it(guarded: GuardedWorld) -> None:
    leads(guarded)
    follower = guarded.follower()
    guarded.world.fan_out(
        guarded.world.entry(price=D(59000), order_type="limit")  # rests
    )
    leader_moves(guarded, ("57000", None, "20"))
    guarded.price("58900")
    guarded.until(lambda: guarded.position(follower).filled == 10, "it filled")
    guarded.until(lambda: not _is_open(guarded), "the stops are in line")
    assert guarded.at_venue(follower) == [(D(10), D(57000), None)]


def test_what_is_left_of_the_leaders_last_position_closes_nothing(guarded: GuardedWorld) -> None:
    """It held a short until now; that its stops are gone is not known yet."""
    leads(guarded)
    leader_moves(guarded, ("62000", "57000", "20"))
    follower = guarded.follower()
    guarded.run(guarded.world.entry())
    guarded.check()
    assert guarded.position(follower).filled == 10
    assert guarded.at_venue(follower) == []


def test_a_further_entry_keeps_what_the_leader_set(guarded: GuardedWorld) -> None:
    follower = guarded.follower()
    guarded.run(guarded.world.entry())
    leader_moves(guarded, ("58000", None, "20"))
    guarded.run(guarded.world.entry("increase", "0.05"))
    assert guarded.at_venue(follower) == [(D(15), D(58000), None)]


def test_a_new_position_does_not_inherit_the_old_ones_stops(guarded: GuardedWorld) -> None:
    follower = guarded.follower()
    guarded.run(guarded.world.entry(stop_loss=D(58000)))
    guarded.run(guarded.world.signal("close", side=""))
    guarded.run(guarded.world.entry())
    assert guarded.position(follower).filled == 10
    guarded.check()
    assert guarded.at_venue(follower) == []


def test_what_nobody_followed_is_found_by_the_sweeper(guarded: GuardedWorld) -> None:
    earlier = timezone.now() - timedelta(seconds=5)
    signal = guarded.world.signal(
        "stops", side="", status=Signal.Status.DONE, skip_code="leader_stops", received_at=earlier
    )
    assert stops_to_follow() == {guarded.world.tenant.pk: [signal.pk]}
    tasks.stops_follow(signal_id=signal.pk, tenant_id=guarded.world.tenant.pk)
    assert stops_to_follow() == {}

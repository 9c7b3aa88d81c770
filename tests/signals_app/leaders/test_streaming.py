"""Leaders as the streamer's subjects: what it delivers moves followers once, in time, in order.

Here the streamer's part is played by hand with what the exchange really booked; with real streams
it runs in tests/processes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from customers.tenancy import system_scope, tenant_scope
from signals_app.services.leaders import gathering
from signals_app.services.leaders.keys import leader_keys
from signals_app.services.leaders.streaming import LeaderAccounts
from tests.signals_app.leaders.conftest import INST, LeaderWorld, MakeLeader
from venues.domain.types import FillSnapshot, OrderSnapshot, VenueOrderState
from venues.runtime import gateway_for, run
from venues.streams.events import Connected, OrderChanged, StopChanged
from venues.streams.registry import Delivery, Subject

ETH_INST = "ETH-USDT-SWAP"


@pytest.fixture
def kind() -> Iterator[LeaderAccounts]:
    made = LeaderAccounts()
    yield made
    assert made.fills.flush(10)


def subject_of(kind: LeaderAccounts, world: LeaderWorld) -> Subject:
    with system_scope("test"):
        return next(each for each in kind.subjects() if each.id == world.leader.pk)


def booked(world: LeaderWorld, count: int) -> list[FillSnapshot]:
    """The leader's last fills as the exchange has them, the oldest first."""
    with tenant_scope(world.leader.tenant_id):
        keys = leader_keys(tenant_id=world.leader.tenant_id, leader_id=world.leader.pk)
    credentials = keys["active"].opened
    assert credentials is not None
    fills = run(gateway_for("paper").fills_since(credentials, since_ms=0))
    return list(reversed(fills[:count]))


def push(fill: FillSnapshot, *, state: VenueOrderState = VenueOrderState.FILLED) -> OrderChanged:
    order = OrderSnapshot(
        venue_order_id=fill.venue_order_id,
        client_order_id="",
        symbol=fill.symbol,
        state=state,
        quantity=fill.quantity,
        filled_quantity=fill.quantity,
        average_price=fill.price,
        margin_mode="cross",
    )
    return OrderChanged(int(time.time() * 1000), order, fill)


def deliver(kind: LeaderAccounts, world: LeaderWorld, *events) -> None:
    with tenant_scope(world.leader.tenant_id):
        kind.deliver(world.leader.tenant_id, [Delivery(subject_of(kind, world), events)])


def reconcile(kind: LeaderAccounts, world: LeaderWorld) -> None:
    with tenant_scope(world.leader.tenant_id):
        kind.reconcile(world.leader.tenant_id, [subject_of(kind, world)])


def test_leaders_with_a_checked_key_are_subjects(kind, make_leader: MakeLeader) -> None:
    world = make_leader()
    without = make_leader(started=False, credential=False)
    subject = subject_of(kind, world)
    assert (subject.venue, subject.priority, subject.wants_stops) == ("paper", 0, True)
    with system_scope("test"):
        assert without.leader.pk not in {each.id for each in kind.subjects()}
    with tenant_scope(world.leader.tenant_id):
        opened = kind.credentials(subject)
    assert opened.api_key == world.keys.api_key


def test_pieces_of_one_order_are_one_signal(kind, make_leader: MakeLeader) -> None:
    """Twenty executions of one order, told twice over and by two streamers."""
    world = make_leader()
    world.change(window_ms=4_000)
    world.order("buy", "20")
    whole = booked(world, 1)[0]
    pieces = [
        replace(whole, trade_id=f"{whole.trade_id}-{n}", quantity=whole.quantity / 20)
        for n in range(20)
    ]
    partly = VenueOrderState.PARTIALLY_FILLED
    other = LeaderAccounts()
    for piece in pieces[:-1]:
        deliver(kind, world, push(piece, state=partly))
        deliver(other, world, push(piece, state=partly))
    deliver(kind, world, push(pieces[-1]))
    assert kind.fills.flush(10)
    assert other.fills.flush(10)
    assert world.told() == [("open", "0 → 20", "")]
    assert len(world.trades()) == 20
    assert world.signals()[0].external_id == f"{whole.symbol}:{pieces[-1].trade_id}"


def test_a_fill_told_again_after_everything_moves_nobody(kind, make_leader: MakeLeader) -> None:
    world = make_leader()
    world.order("buy", "5")
    event = push(booked(world, 1)[0])
    for _ in range(3):
        deliver(kind, world, event)
        assert kind.fills.flush(10)
    world.reconcile()
    assert world.told() == [("open", "0 → 5", "")]


def test_after_a_gap_what_was_missed_comes_first(kind, make_leader: MakeLeader) -> None:
    """The open was missed, its close is told by the new stream: taken as it comes, followers would
    go short."""
    world = make_leader()
    world.order("buy", "5")
    deliver(kind, world, Connected(0, "second"))
    world.order("sell", "5")
    deliver(kind, world, push(booked(world, 1)[0]))
    time.sleep(0.3)
    assert world.told() == []
    reconcile(kind, world)
    assert kind.fills.flush(10)
    assert world.positions() == {}
    assert all(signal.side != "short" for signal in world.signals())


def test_of_a_venue_that_streams_but_cannot_be_read_exits_are_followed_after_a_while(
    kind, make_leader: MakeLeader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What looks like an entry may close what was opened in the gap."""
    monkeypatch.setattr(gathering, "LONGEST_HOLD_SECONDS", 0.3)
    world = make_leader()
    world.order("buy", "5")
    world.reconcile()
    deliver(kind, world, Connected(0, "second"))
    world.order("buy", "8", inst="ETH-USDT-SWAP")  # in the gap
    for side, size, inst in (("sell", "2", INST), ("sell", "7", INST), ("sell", "8", ETH_INST)):
        world.order(side, size, inst=inst)
        deliver(kind, world, push(booked(world, 1)[0]))
        assert kind.fills.flush(30)
    assert world.told() == [
        ("open", "0 → 5", ""),
        ("reduce", "5 → 3", ""),
        ("close", "3 → 0", ""),
        ("open", "0 → -4", "entry_unread"),
        ("open", "0 → -8", "entry_unread"),
    ]
    assert world.signals()[-1].skip_params == {}
    reconcile(kind, world)
    assert world.positions() == {("BTC/USDT:USDT", "net"): -4}
    assert world.told()[5:] == [("close", "-8 → 0", "")]
    world.order("sell", "1")
    deliver(kind, world, push(booked(world, 1)[0]))
    assert kind.fills.flush(30)
    assert world.told()[6:] == [("increase", "-4 → -5", "")]


def test_a_new_order_in_a_gap_is_left_to_the_reading(kind, make_leader: MakeLeader) -> None:
    """It closes what was opened in the gap, and would be placed as an entry."""
    world = make_leader()
    world.change(follow_orders="working")
    deliver(kind, world, Connected(0, "second"))
    world.order("buy", "5")  # in the gap
    price = str(round(float(world.paper_price()) * 1.5))
    order_id = world.order("sell", "5", ordType="limit", px=price)
    resting = OrderSnapshot(
        venue_order_id=order_id,
        client_order_id="",
        symbol="BTC/USDT:USDT",
        state=VenueOrderState.WORKING,
        quantity=Decimal(5),
        filled_quantity=Decimal(0),
        average_price=None,
        side="sell",
        order_type="limit",
        price=Decimal(price),
    )
    deliver(kind, world, OrderChanged(int(time.time() * 1000), resting, None))
    assert world.told() == []
    reconcile(kind, world)
    assert {told[0] for told in world.told()} == {"open"}
    assert all(signal.side == "long" for signal in world.signals())


def test_a_changed_stop_is_read_at_once(kind, make_leader: MakeLeader, wakes) -> None:
    world = make_leader()
    wakes.clear()
    deliver(kind, world, StopChanged(0, None))  # what it says is read by REST
    ids = {"leader_id": world.leader.pk, "tenant_id": world.leader.tenant_id}
    assert ("signals_app.tasks.leader_check", ids) in wakes

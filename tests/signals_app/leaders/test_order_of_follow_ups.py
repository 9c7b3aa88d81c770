"""What could not be taken in is not overtaken: an exit before its entry would turn followers round.

A leader opens 5 and closes them. Whatever fails meanwhile, no follower may be told to go short.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

import pytest
from django.db import connection, transaction
from django.utils import timezone

from customers.tenancy import system_scope, tenant_scope
from signals_app.models import LeaderOrder, LeaderTrade
from signals_app.services.leaders import gathering
from signals_app.services.leaders.orders import leader_order_take, orders_into
from signals_app.services.leaders.reconciling import leader_locked
from signals_app.tasks import leader_trades_clean_up
from tests.processes.live import wait_for
from tests.signals_app.leaders.conftest import LeaderWorld, MakeLeader
from tests.signals_app.leaders.test_streaming import (  # noqa: F401  (kind is a fixture)
    booked,
    deliver,
    kind,
    push,
    reconcile,
)
from tests.signals_app.leaders.test_working_orders import resting
from venues.domain.types import VenueOrderState
from venues.streams.events import Connected
from venues.streams.registry import SubjectsUnreadError


@contextmanager
def nothing_can_be_added(table: str) -> Iterator[None]:
    """The database fails at each insert."""
    fails = {
        "sqlite": "BEGIN SELECT RAISE(ABORT, 'no room'); END",
        "mysql": "FOR EACH ROW SIGNAL SQLSTATE '45000'",
    }[connection.vendor]
    _execute(f"CREATE TRIGGER no_room BEFORE INSERT ON {table} {fails}")
    try:
        yield
    finally:
        _execute("DROP TRIGGER no_room")


def _execute(statement: str) -> None:
    with system_scope("test"), connection.cursor() as cursor:
        cursor.execute(statement)


def fails_to_read(world: LeaderWorld, endpoint: str) -> None:
    world.paper.control.add_fault(
        "http_status", endpoint=endpoint, account=world.keys.api_key, status=503
    )


def assert_nobody_goes_short(world: LeaderWorld) -> None:
    assert all(signal.side != "short" for signal in world.signals()), world.told()
    assert world.positions() == {}


@pytest.fixture
def leader(make_leader: MakeLeader) -> Iterator[LeaderWorld]:
    world = make_leader()
    yield world
    world.paper.control.clear_faults()


def test_an_exit_does_not_overtake_an_entry_that_is_tried_again(
    kind,  # noqa: F811
    leader: LeaderWorld,
    caplog: pytest.LogCaptureFixture,
) -> None:
    leader.order("buy", "5")
    leader.order("sell", "5")
    entry, out = booked(leader, 2)
    with nothing_can_be_added(LeaderTrade._meta.db_table):
        deliver(kind, leader, push(entry))
        wait_for(lambda: leader.leader.pk in caplog.text, seconds=30, what="a failed attempt")
    deliver(kind, leader, push(out))
    assert kind.fills.flush(30)
    assert_nobody_goes_short(leader)
    # Nothing of the first attempt stayed: signal, trade and cursor are committed together.
    assert leader.told() == []
    assert len(leader.trades()) == 2


def test_what_was_given_up_holds_back_what_comes_next(
    kind,  # noqa: F811
    leader: LeaderWorld,
    wakes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gathering, "MOST_ATTEMPTS", 1)
    monkeypatch.setattr(gathering, "leader_fills_take", _failing_once(gathering.leader_fills_take))
    leader.order("buy", "5")
    leader.order("sell", "5")
    entry, out = booked(leader, 2)
    deliver(kind, leader, push(entry))
    assert kind.fills.flush(30)
    assert wakes[-1][1]["leader_id"] == leader.leader.pk
    deliver(kind, leader, push(out))
    reconcile(kind, leader)
    assert kind.fills.flush(30)
    assert_nobody_goes_short(leader)


def _failing_once(real):
    failed = []

    def take(**arguments):
        if not failed:
            failed.append(True)
            raise ValueError("a defect")
        return real(**arguments)

    return take


def test_a_gap_that_could_not_be_read_stays_a_gap(
    kind,  # noqa: F811
    leader: LeaderWorld,
) -> None:
    """The open was missed. The reading after the connection fails, and the close is told."""
    leader.order("buy", "5")
    fails_to_read(leader, "trade/fills*")
    deliver(kind, leader, connected())
    with pytest.raises(SubjectsUnreadError):
        reconcile(kind, leader)
    leader.order("sell", "5")
    leader.paper.control.clear_faults()
    deliver(kind, leader, push(booked(leader, 1)[0]))
    time.sleep(0.3)
    assert leader.told() == []
    reconcile(kind, leader)  # the streamer's next attempt
    assert kind.fills.flush(30)
    assert_nobody_goes_short(leader)


def test_a_reading_that_was_quicker_than_the_word_of_the_connection_holds_up_nothing(
    kind,  # noqa: F811
    leader: LeaderWorld,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gathering, "LONGEST_HOLD_SECONDS", 3600)
    told = connected()
    time.sleep(0.005)
    reconcile(kind, leader)
    deliver(kind, leader, told)
    leader.order("buy", "5")
    deliver(kind, leader, push(booked(leader, 1)[0]))
    assert kind.fills.flush(30)
    assert leader.told() == [("open", "0 → 5", "")]


def connected() -> Connected:
    return Connected(time.time_ns() // 1_000_000, "another")


# --- resting orders -----------------------------------------------------------------------------


@pytest.fixture
def working(make_leader: MakeLeader) -> LeaderWorld:
    world = make_leader()
    world.change(follow_orders="working")
    return world


def take_order(world: LeaderWorld, **changes) -> None:
    with tenant_scope(world.leader.tenant_id):
        leader_order_take(
            tenant_id=world.leader.tenant_id,
            leader_id=world.leader.pk,
            order=resting(**changes),
        )


def take_list(world: LeaderWorld, orders, asked_at: datetime) -> None:
    with tenant_scope(world.leader.tenant_id), transaction.atomic():
        leader = leader_locked(tenant_id=world.leader.tenant_id, leader_id=world.leader.pk)
        assert leader is not None
        orders_into(leader, orders, timezone.now(), asked_at=asked_at)


def test_an_order_that_was_placed_after_the_list_was_made_is_not_cancelled(
    working: LeaderWorld,
) -> None:
    asked_at = timezone.now()
    take_order(working)
    take_list(working, [], asked_at)
    assert [action for action, _, _ in working.told()] == ["open"]
    take_list(working, [], timezone.now())
    assert [action for action, _, _ in working.told()] == ["open", "cancel"]


def test_an_order_that_was_amended_after_the_list_was_made_is_not_amended_back(
    working: LeaderWorld,
) -> None:
    take_order(working, updated_at_ms=1)
    asked_at = timezone.now()
    take_order(working, price=D(49_000), updated_at_ms=2)
    take_list(working, [resting(updated_at_ms=1)], asked_at)
    assert [signal.price for signal in working.signals()] == [D(50_000), D(49_000)]
    with tenant_scope(working.leader.tenant_id):
        assert LeaderOrder.objects.get().price == D(49_000)


def test_orders_that_ended_long_ago_are_forgotten(working: LeaderWorld) -> None:
    take_order(working)
    take_order(working, venue_order_id="2")
    take_order(working, venue_order_id="2", state=VenueOrderState.CANCELLED)
    long_ago = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=1)
    with tenant_scope(working.leader.tenant_id):
        LeaderOrder.objects.filter(venue_order_id="2").update(ended_at=long_ago)
    assert leader_trades_clean_up() == 1
    with tenant_scope(working.leader.tenant_id):
        assert [row.venue_order_id for row in LeaderOrder.objects.all()] == ["1"]

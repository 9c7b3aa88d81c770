"""A stop whose placement was not answered is looked up, never sent again."""

from __future__ import annotations

import threading
from decimal import Decimal as D
from typing import Any

import pytest
from django.db import connection

from customers.tenancy import tenant_scope
from tests.trading.stops.guarded import PLACE, GuardedWorld
from tests.trading.stops.test_going_off import close_by_hand
from trading import tasks
from trading.models import Alert, Fill, Finding, PositionStops, StopEvent, StopOrder
from trading.services.stops.alerting import stops_alert


def sent_to_venue(guarded: GuardedWorld, follower: Any) -> int:
    key = guarded.world.keys[follower.account_id].api_key
    return len(guarded.world.paper.control.ledger(key)["algos"])


@pytest.mark.parametrize("fault", ["drop", "cut_body", "empty_body", "http_status", "html"])
def test_one_that_was_booked_is_adopted(guarded: GuardedWorld, fault: str) -> None:
    follower = guarded.follower()
    guarded.world.paper.control.add_fault(fault, booked=True, **PLACE)
    guarded.run(guarded.world.entry(stop_loss=D(58000)))
    guarded.until(lambda: guarded.state(follower).open_since is None, "the stop is found")
    assert guarded.at_venue(follower) == [(D(10), D(58000), None)]
    (row,) = guarded.rows()
    assert row.state == "waiting"
    assert sent_to_venue(guarded, follower) == 1


def test_one_that_was_lost_is_replaced_when_that_is_proven(guarded: GuardedWorld) -> None:
    follower = guarded.follower()
    guarded.world.paper.control.add_fault("drop", booked=False, **PLACE)
    guarded.run(guarded.world.entry(stop_loss=D(58000)))
    for _ in range(2):
        guarded.check()
    guarded.let_pass(15)
    for _ in range(2):
        guarded.check()
    (row,) = guarded.rows()
    assert (row.state, row.misses) == ("unknown", 0)  # signed for 30 s: it may still come
    assert sent_to_venue(guarded, follower) == 0

    guarded.let_pass(40)
    guarded.until(lambda: guarded.state(follower).open_since is None, "another one is there")
    assert sorted(row.state for row in guarded.rows()) == ["not_placed", "waiting"]
    assert guarded.at_venue(follower) == [(D(10), D(58000), None)]


@pytest.mark.parametrize("watched", [True, False], ids=["watched", "given up"])
def test_one_that_is_absent_holds_up_no_books(guarded: GuardedWorld, watched: bool) -> None:
    """What the client sells by hand could be of a stop that is nowhere to be found."""
    follower, world = guarded.follower(), guarded.world
    world.paper.control.add_fault("drop", booked=False, **PLACE)
    guarded.run(world.entry(stop_loss=D(58000)))
    guarded.let_pass(60)
    guarded.until(lambda: guarded.state(follower).open_since is None, "another one is there")
    (absent,) = guarded.rows(state="not_placed")
    if not watched:
        with tenant_scope(world.tenant.pk):
            StopOrder.objects.filter(pk=absent.pk).update(check_at=None)
    world.refresh(follower.account_id)
    close_by_hand(guarded, follower, "4")
    world.refresh(follower.account_id)

    assert guarded.position(follower).filled == 6
    with tenant_scope(world.tenant.pk):
        assert Fill.objects.get(order=None).attribution == "manual"
        assert [row.kind for row in Finding.objects.all()] == ["manual_reduction"]


def test_no_books_are_closed_while_a_stop_may_have_gone_off(guarded: GuardedWorld) -> None:
    follower, world = guarded.follower(), guarded.world
    world.paper.control.add_fault("drop", booked=False, **PLACE)
    guarded.run(world.entry(stop_loss=D(58000)))
    guarded.let_pass(60)
    guarded.until(lambda: guarded.state(follower).open_since is None, "another one is there")
    world.refresh(follower.account_id)
    close_by_hand(guarded, follower, "4")
    with tenant_scope(world.tenant.pk):  # else it alone would hold up the books
        StopOrder.objects.filter(state="waiting").update(state="cancelled", check_at=None)
    world.paper.control.add_fault(
        "http_status", endpoint="trade/order-algo", method="GET", count=50
    )
    world.refresh(follower.account_id)
    assert guarded.position(follower).filled == 10
    world.paper.control.clear_faults()
    world.refresh(follower.account_id)
    assert guarded.position(follower).filled == 6


def test_who_stays_unguarded_is_told_of_with_the_reason(guarded: GuardedWorld) -> None:
    follower = guarded.follower()
    control = guarded.world.paper.control
    control.add_fault("error_code", code="51000", **{**PLACE, "count": 50})
    guarded.run(guarded.world.entry(stop_loss=D(58000)))
    assert guarded.at_venue(follower) == []
    assert stops_alert() == 0  # not yet
    guarded.let_pass(5)
    assert stops_alert() == 1
    with tenant_scope(guarded.world.tenant.pk):
        alert = Alert.objects.get(code="position_unguarded")
        assert alert.open_key is not None
        assert "51000" in alert.params["why"]
    control.clear_faults()
    guarded.until(lambda: guarded.state(follower).open_since is None, "it is guarded")
    assert stops_alert() == 0
    with tenant_scope(guarded.world.tenant.pk):
        assert Alert.objects.get(code="position_unguarded").open_key is None


def test_a_twin_that_shows_up_after_all_is_cancelled(guarded: GuardedWorld) -> None:
    """The lost one was only hidden: two stops for one position would close twice its size."""
    follower = guarded.follower()
    guarded.run(guarded.world.entry(stop_loss=D(58000)))
    (row,) = guarded.rows()
    with tenant_scope(guarded.world.tenant.pk):
        type(row).objects.filter(pk=row.pk).update(state="not_placed", watch_until=row.deadline_at)
        PositionStops.objects.update(due_at=row.created_at)
    guarded.keep()
    assert len(guarded.at_venue(follower)) == 2
    guarded.until(lambda: len(guarded.at_venue(follower)) == 1, "one of them is cancelled")
    assert guarded.at_venue(follower) == [(D(10), D(58000), None)]


def test_many_workers_place_each_stop_once(guarded: GuardedWorld) -> None:
    followers = [guarded.follower() for _ in range(3)]
    world = guarded.world
    targets = [{"price": "62000", "fraction": "0.5"}, {"price": "64000", "fraction": "0.5"}]
    world.run(world.entry(stop_loss=D(58000), targets=targets))
    ids = [guarded.position(follower).pk for follower in followers]
    start = threading.Barrier(4)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            start.wait(30)
            tasks.stops_keep(position_ids=ids, tenant_id=world.tenant.pk)
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    for follower in followers:
        guarded.until(lambda: not _is_open(guarded), "all are guarded")
        assert guarded.at_venue(follower) == [
            (D(5), D(58000), D(62000)),
            (D(5), D(58000), D(64000)),
        ]
        assert sent_to_venue(guarded, follower) == 2


def _is_open(guarded: GuardedWorld) -> bool:
    with tenant_scope(guarded.world.tenant.pk):
        return PositionStops.objects.exclude(open_since=None).exists()


def test_every_step_is_recorded(guarded: GuardedWorld) -> None:
    guarded.follower()
    guarded.run(guarded.world.entry(stop_loss=D(58000)))
    guarded.run(guarded.world.entry("increase", "0.05"))
    guarded.run(guarded.world.signal("close", side=""))
    with tenant_scope(guarded.world.tenant.pk):
        steps = StopEvent.objects.values_list("kind", "from_state", "to_state")
        assert list(steps) == [
            ("create", "", "sending"),
            ("accept", "sending", "waiting"),
            ("amend", "waiting", "waiting"),
            ("cancel", "waiting", "cancelled"),
        ]

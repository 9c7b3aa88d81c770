"""Between its last checks and the request an order may wait for seconds; then it is asked again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import OperationalError, connections

from customers.tenancy import tenant_scope
from signals_app.models import Signal
from strategies.models import Subscription
from tests.processes.live import wait_for
from tests.trading.test_draining import confirm_leverage, states
from tests.trading.world import World
from trading.services import control_state
from trading.services.controls import control_set
from venues.okx import transport

ANSWER_MS = 1500


@pytest.fixture
def one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes second waits until the first is answered."""
    monkeypatch.setattr(transport, "CONNECTIONS", 1)


@pytest.fixture
def followers(world: World, one_connection: None) -> list[Subscription]:
    world.paper.control.add_fault(
        "delay", booked=True, ms=ANSWER_MS, endpoint="trade/order", method="POST"
    )
    followers = [world.follower() for _ in range(3)]
    for follower in followers:
        confirm_leverage(world, follower)
    return followers


@contextmanager
def fanning_out(world: World, signal: Signal) -> Iterator[None]:
    """Inside, the first order is at the venue and the others wait for its connection."""

    def fan_out() -> None:
        try:
            world.fan_out(signal)
        finally:
            connections.close_all()

    before = len(booked(world))
    thread = threading.Thread(target=fan_out)
    thread.start()
    wait_for(lambda: len(booked(world)) > before, seconds=10, what="the first one is sent")
    yield
    thread.join()
    # The last answers are taken in by a thread of their own.
    wait_for(lambda: "sending" not in states(world), seconds=10, what="all are answered")


def booked(world: World) -> list[dict[str, Any]]:
    keys = {keys.api_key for keys in world.keys.values()}
    return [row for row in world.paper.control.ledger()["orders"] if row["apiKey"] in keys]


def press(world: World, mode: str) -> None:
    with tenant_scope(world.tenant.pk):
        control_set(level="tenant", subject_id=world.tenant.pk, mode=mode, reason="r", actor=None)


def test_entries_that_wait_do_not_leave_after_the_kill_switch(
    world: World, followers: list[Subscription]
) -> None:
    signal = world.entry()
    with fanning_out(world, signal):
        press(world, "reducing")

    assert len(booked(world)) == 1
    intents = world.intents(signal)
    stopped = [intent for intent in intents if intent.reason_code == "entries_stopped"]
    assert [(intent.status, intent.reason_params) for intent in stopped] == [
        ("rejected", {"level": "tenant"})
    ] * 2
    assert sorted(str(world.held(f).target) for f in followers) == ["0", "0", "10"]


def test_exits_that_wait_leave_after_the_kill_switch(
    world: World, followers: list[Subscription]
) -> None:
    world.paper.control.clear_faults()
    world.run(world.entry())
    world.paper.control.add_fault(
        "delay", booked=True, ms=500, endpoint="trade/order", method="POST"
    )
    with fanning_out(world, world.signal("close", side="")):
        press(world, "reducing")

    wait_for(lambda: len(booked(world)) == 6, seconds=10, what="all exits are sent")


def test_entries_that_wait_do_not_leave_once_the_switches_cannot_be_read(
    world: World, followers: list[Subscription], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> Any:
        raise OperationalError(2003, "no server")

    signal = world.entry()
    with fanning_out(world, signal):
        monkeypatch.setattr(control_state, "_read", away)

    assert len(booked(world)) == 1
    reasons = sorted(intent.reason_code for intent in world.intents(signal))
    assert reasons == ["", "control_stale", "control_stale"]


def test_the_copy_is_as_old_as_the_question(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that took longer than a second says nothing about now."""
    world.follower()
    read = control_state._read

    def slow() -> Any:
        found = read()
        time.sleep(control_state.STALE_SECONDS + 0.1)
        return found

    monkeypatch.setattr(control_state, "_read", slow)
    control_state.forget_controls()
    with tenant_scope(world.tenant.pk):
        controls = control_state.controls_for(
            tenant_id=world.tenant.pk, strategy_id="", customer_id="", venue="paper"
        )
    assert controls.is_stale

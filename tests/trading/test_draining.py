"""A worker that was told to stop: what has left is finished, the rest is another one's at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections

from customers.draining import drain_begin, drain_end
from customers.tenancy import tenant_scope
from signals_app.models import Signal
from strategies.models import Subscription
from tests.factories import InstrumentSettingFactory
from tests.processes.live import wait_for
from tests.trading.world import SYMBOL, World
from trading import tasks
from trading.services.control_state import forget_controls
from trading.services.fanout import shards
from trading.services.fanout.context import shard_context
from trading.services.fanout.shards import shard_claim, shard_plan
from trading.services.submission import OrderSender


@pytest.fixture(autouse=True)
def _drain_ends() -> Iterator[None]:
    yield
    drain_end()


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of tasks that other workers were asked for."""
    asked: list[str] = []

    def remember(name: str, **_: Any) -> None:
        asked.append(name.rpartition(".")[2])

    for module in ("fanout.shards", "submission.claims"):
        monkeypatch.setattr(f"trading.services.{module}.wake", remember)
    return asked


def states(world: World) -> list[str]:
    return sorted(order.state for order in world.orders())


def finish(world: World, signal: Signal) -> None:
    """What the next worker does with what is woken."""
    drain_end()
    with tenant_scope(world.tenant.pk):
        shard_ids = list(signal.shards.values_list("pk", flat=True))
    for shard_id in shard_ids:
        tasks.shard_run(shard_id=shard_id, tenant_id=world.tenant.pk)
    for _ in range(6):
        if not world.check():
            break


def test_the_rest_of_a_shard_is_left_to_the_next_worker(
    world: World, woken: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "CHUNKS", dict.fromkeys(shards.CHUNKS, 2))
    followers = [world.follower() for _ in range(6)]
    signal = world.entry()
    forget_controls()
    (shard_id,) = world.dispatch(signal)
    with tenant_scope(world.tenant.pk):
        shard = shard_claim(shard_id=shard_id, tenant_id=world.tenant.pk, claimed_by="ending")
        assert shard is not None
        sender = OrderSender(world.tenant.pk, "ending")
        chunks = shard_plan(shard_context(shard, "ending"))
        sender.send(next(chunks))
        drain_begin()
        assert list(chunks) == []
        sender.finish()
        shard.refresh_from_db()
    assert (shard.status, shard.claimed_until) == ("pending", None)
    assert "shard_run" in woken
    assert len(world.orders()) == 2, "nothing more was planned"

    finish(world, signal)
    assert states(world) == ["filled"] * 6
    for follower in followers:
        assert len(world.ledger_orders(follower)) == 1


def test_orders_that_are_claimed_and_not_sent_are_ready_again_at_once(
    world: World, woken: list[str]
) -> None:
    followers = [world.follower() for _ in range(3)]
    signal = world.entry()
    forget_controls()
    (shard_id,) = world.dispatch(signal)
    with tenant_scope(world.tenant.pk):
        shard = shard_claim(shard_id=shard_id, tenant_id=world.tenant.pk, claimed_by="ending")
        assert shard is not None
        sender = OrderSender(world.tenant.pk, "ending")
        (orders,) = shard_plan(shard_context(shard, "ending"))
        drain_begin()
        sender.send(orders)
        sender.finish()
    assert states(world) == ["ready"] * 3
    assert {order.claimed_by for order in world.orders()} == {""}
    assert woken == ["orders_submit"]
    assert [row for follower in followers for row in world.ledger_orders(follower)] == []

    finish(world, signal)
    assert states(world) == ["filled"] * 3
    for follower in followers:
        assert len(world.ledger_orders(follower)) == 1


def test_what_has_left_is_finished_and_what_is_being_prepared_does_not_leave(
    world: World, woken: list[str]
) -> None:
    """One order is at the venue by then; another account's leverage is just being set."""
    sent, preparing = world.follower(), world.follower()
    control = world.paper.control
    confirm_leverage(world, sent)
    control.add_fault(
        "delay", booked=True, ms=2000, endpoint="trade/order", account=_key(world, sent)
    )
    control.add_fault(
        "delay", ms=2000, endpoint="account/set-leverage", account=_key(world, preparing)
    )
    signal = world.entry()

    def fan_out() -> None:
        try:
            world.fan_out(signal)
        finally:
            connections.close_all()

    thread = threading.Thread(target=fan_out)
    thread.start()
    wait_for(lambda: bool(world.ledger_orders(sent)), seconds=10, what="the first is at the venue")
    drain_begin()
    thread.join()

    assert states(world) == ["accepted", "ready"]
    assert world.ledger_orders(preparing) == []
    assert woken == ["orders_submit"]

    control.clear_faults()
    finish(world, signal)
    assert states(world) == ["filled"] * 2
    assert len(world.ledger_orders(sent)) == len(world.ledger_orders(preparing)) == 1


def test_a_worker_that_is_ending_claims_nothing(world: World) -> None:
    world.follower()
    first, second = world.entry(), world.entry()
    (shard_id,) = world.dispatch(first)
    drain_begin()
    assert world.dispatch(second) == []
    tasks.shard_run(shard_id=shard_id, tenant_id=world.tenant.pk)
    assert world.reload(second).status == "received"
    assert world.orders() == []

    finish(world, first)
    assert states(world) == ["filled"]


def confirm_leverage(world: World, follower: Subscription) -> None:
    with tenant_scope(world.tenant.pk):
        InstrumentSettingFactory(
            tenant=world.tenant,
            account=follower.account,
            symbol=SYMBOL,
            margin_mode=follower.account.margin_mode,
            leverage=Decimal(5),
        )


def _key(world: World, follower: Subscription) -> str:
    return world.keys[follower.account_id].api_key

"""When a signal is done, and that it is told once."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from customers.tenancy import tenant_scope
from signals_app.models import Signal
from tests.trading.world import World
from trading import tasks
from trading.signals import fanout_settled


def _settle(world: World, signal: Signal) -> str:
    tasks.signal_settle(signal_id=signal.pk, tenant_id=world.tenant.pk)
    return str(world.reload(signal).status)


def test_a_signal_is_done_when_every_follower_has_an_outcome_and_says_so_once(
    world: World,
) -> None:
    heard: list[Any] = []

    def hear(trading_signal: Signal, **_: Any) -> None:
        heard.append(trading_signal.pk)

    fanout_settled.connect(hear)
    try:
        world.follower()
        world.follower(status="paused")
        signal = world.entry()
        world.fan_out(signal)
        assert _settle(world, signal) == "dispatched"  # accepted, not yet filled in our books
        for _ in range(4):
            world.check()
        assert _settle(world, signal) == "done"
        assert _settle(world, signal) == "done"
    finally:
        fanout_settled.disconnect(hear)
    assert heard == [signal.pk]


def test_a_signal_whose_shards_wait_for_a_worker_is_not_done_however_long(world: World) -> None:
    world.follower()
    signal = world.entry()
    world.dispatch(signal)
    with tenant_scope(world.tenant.pk):
        Signal.objects.filter(pk=signal.pk).update(
            planned_at=timezone.now() - timedelta(minutes=10)
        )
    assert _settle(world, signal) == "dispatched"


def test_an_outcome_that_stays_open_does_not_hold_up_the_summary_for_ever(world: World) -> None:
    world.follower()
    world.paper.control.add_fault("drop", booked=False, endpoint="trade/order", count=1)
    signal = world.entry()
    world.fan_out(signal)
    assert _settle(world, signal) == "dispatched"
    with tenant_scope(world.tenant.pk):
        Signal.objects.filter(pk=signal.pk).update(
            planned_at=timezone.now() - timedelta(minutes=10)
        )
    assert _settle(world, signal) == "done"


def test_a_signal_without_followers_is_done_at_once(world: World) -> None:
    signal = world.entry()
    world.dispatch(signal)
    assert _settle(world, signal) == "done"

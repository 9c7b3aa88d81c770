"""A resting order that followers rest with: amended and cancelled along with the leader's."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.utils import timezone

from signals_app.models import Signal
from tests.trading.world import World
from trading import tasks

LOW, LOWER = Decimal(58_000), Decimal(57_000)


def resting(world: World, size: str, price: Decimal, **fields: Any) -> Signal:
    return world.entry(size=size, order_type="limit", price=price, **fields)


def cancel(world: World, amends: Signal) -> Signal:
    return world.signal("cancel", side="", leverage=None, amends=amends)


def follow(world: World, signal: Signal) -> None:
    """As workers and sweepers would: dispatch until it is planned, look at orders meanwhile."""

    def planned() -> bool:
        world.fan_out(signal)
        return world.reload(signal).status != Signal.Status.RECEIVED

    world.check_until(planned, f"{signal} is planned")


def orders(world: World, signal: Signal) -> list[tuple[str, Decimal, Decimal | None]]:
    return [(o.state, o.quantity, o.price) for o in world.orders(signal_id=signal.pk)]


def test_an_amended_order_takes_the_place_of_the_one_before(world: World) -> None:
    world.follower()
    first = resting(world, "0.1", LOW)
    world.fan_out(first)
    assert orders(world, first) == [("accepted", 10, LOW)]
    second = resting(world, "0.25", LOWER, amends=first)
    world.fan_out(second)
    # Not before the first one's end is proven.
    assert orders(world, second) == []
    follow(world, second)
    assert [state for state, *_ in orders(world, first)] == ["cancelled"]
    assert orders(world, second) == [("accepted", 25, LOWER)]


def test_what_the_first_one_filled_counts(world: World) -> None:
    """Never more than the leader's new size."""
    subscription = world.follower()
    first = resting(world, "3", Decimal("60000.6"))  # more than the best ask has
    world.fan_out(first)
    world.paper.control.set_price("BTC-USDT-SWAP", "60100")
    try:
        world.check_until(lambda: world.held(subscription).filled > 0, "a part is filled")
        second = resting(world, "3.5", LOWER, amends=first)
        follow(world, second)
    finally:
        world.paper.control.set_price("BTC-USDT-SWAP", "60000")
    filled = world.held(subscription).filled
    assert 0 < filled < 300
    [(state, quantity, _)] = orders(world, second)
    assert (state, quantity) == ("accepted", 350 - filled)
    held = world.held(subscription)
    assert (held.filled, held.target) == (filled, 350)


def test_a_cancelled_order_leaves_nothing_resting(world: World) -> None:
    subscription = world.follower()
    first = resting(world, "0.1", LOW)
    world.fan_out(first)
    gone = cancel(world, first)
    follow(world, gone)
    world.check_until(lambda: world.check() == 0, "every order has ended")
    assert [state for state, *_ in orders(world, first)] == ["cancelled"]
    held = world.held(subscription)
    assert (held.filled, held.target) == (0, 0)
    assert world.reload(gone).status == Signal.Status.DONE
    assert all(row["state"] == "canceled" for row in world.ledger_orders(subscription))


def test_an_order_that_nobody_has_planned_yet_is_not_placed_any_more(world: World) -> None:
    world.follower()
    first = resting(world, "0.1", LOW)
    second = resting(world, "0.2", LOWER, amends=first)
    follow(world, second)
    tasks.signal_dispatch(signal_id=first.pk, tenant_id=world.tenant.pk)
    assert orders(world, first) == []
    assert orders(world, second) == [("accepted", 20, LOWER)]
    third = cancel(world, second)
    follow(world, third)
    assert world.reload(third).planned_at <= timezone.now()


def test_the_end_of_the_first_wakes_the_second(world: World, monkeypatch: Any) -> None:
    woken: list[str] = []
    monkeypatch.setattr(
        "customers.wakeup.wake", lambda name, **ids: woken.append(str(ids.get("signal_id")))
    )
    world.follower()
    first = resting(world, "0.1", LOW)
    world.fan_out(first)
    second = resting(world, "0.2", LOWER, amends=first)
    world.fan_out(second)
    world.check_until(lambda: world.check() == 0, "every order has ended")
    woken.clear()
    tasks.signal_settle(signal_id=first.pk, tenant_id=world.tenant.pk)
    assert second.pk in woken

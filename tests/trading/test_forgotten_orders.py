"""An accepted order that the venue does not know any more does not work for ever."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from customers.tenancy import tenant_scope
from tests.trading.world import World
from trading.domain.resolution import (
    FORGETS_FILLED,
    FORGETS_UNFILLED,
    MIN_MISSES,
    WATCH_AFTER,
    Conclusion,
    judge_forgotten,
)
from trading.models import Order
from venues import runtime
from venues.domain import clock

HOUR_MS = 3_600_000


def _limit(world: World, **fields: Any) -> Any:
    return world.entry(order_type="limit", price=Decimal(59_000), **fields)


def _hours_pass(world: World, hours: float) -> None:
    """For us and for the venue."""
    world.paper.control.call("POST", "clock", {"advanceMs": int(hours * HOUR_MS)})
    runtime.close_gateways()
    delta = timedelta(hours=hours)
    with tenant_scope(world.tenant.pk):
        for order in Order.objects.exclude(sent_at=None):
            Order.objects.filter(pk=order.pk).update(
                sent_at=order.sent_at - delta,
                deadline_at=order.deadline_at - delta,
                acknowledged_at=order.acknowledged_at and order.acknowledged_at - delta,
                seen_at=order.seen_at and order.seen_at - delta,
            )


def _cancel_at_venue(world: World, follower: Any) -> None:
    """By hand, on the venue's own page."""
    (row,) = [row for row in world.ledger_orders(follower) if row["state"] == "live"]
    world.paper.control.call("POST", "instruments", {"instId": row["instId"], "state": "delisted"})
    world.paper.control.call("POST", "instruments", {"instId": row["instId"], "state": "live"})


@pytest.fixture
def resting(world: World) -> Iterator[tuple[World, Any, Any]]:
    follower = world.follower()
    world.fan_out(signal := _limit(world))
    world.check()
    assert world.intent(signal, follower).status == "working"
    yield world, follower, signal


def test_cancelled_while_nobody_looked_for_hours(resting: tuple[World, Any, Any]) -> None:
    world, follower, signal = resting
    _cancel_at_venue(world, follower)
    _hours_pass(world, 2.5)
    for _ in range(MIN_MISSES + 1):
        world.check()
    intent = world.intent(signal, follower)
    assert (intent.status, intent.reason_code) == ("cancelled", "forgotten_by_venue")
    assert world.held(follower).target == 0
    assert world.orders()[0].check_at is None


def test_one_that_is_still_there_works_on(resting: tuple[World, Any, Any]) -> None:
    world, follower, signal = resting
    _hours_pass(world, 5)
    for _ in range(MIN_MISSES + 1):
        world.check()
    assert world.intent(signal, follower).status == "working"
    (order,) = world.orders()
    assert timezone.now() - order.seen_at < timedelta(minutes=1)


def test_one_that_filled_meanwhile_is_found_with_its_fills(
    resting: tuple[World, Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nine days later: not in the recent history, nor among the recent fills."""
    monkeypatch.setattr(clock, "PLAUSIBLE_MS", 20 * 24 * HOUR_MS)  # only the venue's clock moves
    world, follower, signal = resting
    world.paper.control.set_price("BTC-USDT-SWAP", "58000")
    world.paper.control.set_price("BTC-USDT-SWAP", "60000")
    _hours_pass(world, 9 * 24)
    world.paper.control.add_fault(  # the direct way fails, so it is searched
        "error_code", code="51603", endpoint="trade/order", method="GET"
    )
    for _ in range(MIN_MISSES + 1):
        world.check()
    assert world.intent(signal, follower).status == "filled"
    assert world.held(follower).filled == 10


def test_absence_before_the_venue_forgets_is_a_riddle_and_no_end(
    resting: tuple[World, Any, Any],
) -> None:
    world, follower, signal = resting
    for path in ("trade/order", "trade/orders-pending", "trade/orders-history"):
        action = {"code": "51603"} if path == "trade/order" else {}
        world.paper.control.add_fault(
            "error_code" if action else "empty_data", endpoint=path, method="GET", **action
        )
    _hours_pass(world, 1.5)
    for _ in range(MIN_MISSES + 3):
        world.check()
    assert world.intent(signal, follower).status == "working"
    world.paper.control.clear_faults()
    world.check()
    assert world.orders()[0].misses == 0


NOW = timezone.now()


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        ({}, True),
        ({"thorough": False}, False),
        ({"misses": MIN_MISSES - 1}, False),
        ({"seen_at": NOW - FORGETS_UNFILLED + timedelta(seconds=1)}, False),
        ({"is_filled": True}, False),
        ({"is_filled": True, "seen_at": NOW - FORGETS_FILLED}, True),
    ],
)
def test_what_it_takes_to_call_an_order_forgotten(changes: dict[str, Any], gone: bool) -> None:
    facts = {
        "now": NOW,
        "seen_at": NOW - FORGETS_UNFILLED,
        "checks": 100,
        "misses": MIN_MISSES,
        "thorough": True,
        "is_filled": False,
        **changes,
    }
    verdict = judge_forgotten(**facts)
    assert (verdict.conclusion is Conclusion.GONE) is gone
    if not gone:
        assert verdict.next_look_at is not None


def test_it_is_looked_up_often_at_first_and_seldom_later() -> None:
    facts: dict[str, Any] = {
        "now": NOW, "checks": 100, "misses": 0, "thorough": True, "is_filled": False,
    }  # fmt: skip
    early = judge_forgotten(seen_at=NOW - WATCH_AFTER + timedelta(seconds=1), **facts)
    late = judge_forgotten(seen_at=NOW - WATCH_AFTER, **facts)
    assert early.next_look_at == NOW + timedelta(seconds=10)
    assert late.next_look_at == NOW + timedelta(seconds=30)

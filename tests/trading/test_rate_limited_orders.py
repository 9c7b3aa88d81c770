"""What becomes of an order that the exchange, or our own limiter before it, has no room for."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from django.utils import timezone

from customers.tenancy import tenant_scope
from strategies.models import Subscription
from tests.processes.live import wait_for
from tests.trading.test_unclear_outcomes import PLACE, _age
from tests.trading.world import World
from trading import tasks
from trading.models import Order
from trading.services.controls import control_set
from trading.services.outgoing import outgoing_of
from trading.services.submission import denials, sender
from trading.services.submission.stragglers import stragglers
from trading.services.submission.wire import Job, request_for
from venues import markets, runtime
from venues.domain.types import Credentials
from venues.okx import OkxGateway
from venues.okx.budgets import NoTurnError

TOLD = 60
AT_ONCE = 24  # of 60, half of it for this process, and a fifth of that for exits


def _refuse_placements(world: World, **changes: Any) -> str:
    return world.paper.control.add_fault(
        "error_code", **{"code": "50011", "retryAfter": TOLD, **PLACE, "count": None, **changes}
    )


def _calls(world: World, rule: str) -> int:
    rules = world.paper.control.call("GET", "faults")["faults"]
    return next(int(row["hits"]) for row in rules if row["id"] == rule)


def test_an_entry_without_a_turn_is_refused_with_its_reason_and_takes_its_target_back(
    world: World,
) -> None:
    follower = world.follower()
    rule = _refuse_placements(world)
    for signal in (world.entry(), world.entry()):
        world.fan_out(signal)
        intent = world.intent(signal, follower)
        assert (intent.status, intent.reason_code) == ("rejected", "rate_limited")
        assert world.held(follower).target == 0
    by_venue, by_limiter = world.orders()
    assert by_venue.reason_params["code"] == "50011"
    assert by_limiter.reason_params["code"] == "not_sent"
    assert by_limiter.check_at is None, "an entry is not tried again"
    assert _calls(world, rule) == 1
    assert world.ledger_orders(follower) == []


def test_an_exit_is_tried_again_when_the_exchange_will_listen_and_not_before(
    world: World,
) -> None:
    follower = world.follower()
    world.run(world.entry())
    rule = _refuse_placements(world)
    world.fan_out(signal := world.signal("close", side=""))

    def rejected(code: str) -> Order:
        (order,) = (o for o in world.orders(state="rejected") if o.reason_params["code"] == code)
        assert order.finished_at is not None
        assert order.check_at is not None
        waits = order.check_at - order.finished_at
        assert timedelta(seconds=TOLD - 30) < waits <= timedelta(seconds=TOLD)
        return order

    first = rejected("50011")
    with tenant_scope(world.tenant.pk):  # as if a sweeper came too early
        Order.objects.filter(pk=first.pk).update(check_at=timezone.now())
    tasks.orders_check(order_ids=[first.pk], tenant_id=world.tenant.pk)
    world.check()
    second = rejected("not_sent")
    assert (second.attempt, second.intent_id) == (2, first.intent_id)
    assert _calls(world, rule) == 1, "nothing left before Retry-After"
    assert world.held(follower).filled == 10
    assert world.intent(signal, follower).status == "rejected"


def test_leverage_without_a_turn_is_a_rate_limit_too(world: World) -> None:
    follower = world.follower()
    _refuse_placements(world, endpoint="account/set-leverage")
    world.fan_out(signal := world.entry())
    intent = world.intent(signal, follower)
    assert (intent.status, intent.reason_code) == ("rejected", "rate_limited")
    assert world.ledger_orders(follower) == []


def test_exits_are_told_from_entries_in_spot_too(world: World) -> None:
    world.follower()
    spot = {"symbol": "BTC/USDT", "leverage": None}
    world.run(world.entry(**spot))
    world.run(world.signal("close", side="", **spot))
    instrument = markets.instrument("paper", "BTC/USDT")
    assert instrument is not None
    requests = []
    with tenant_scope(world.tenant.pk):
        for order in Order.objects.select_related("account").order_by("pk"):
            job = Job(outgoing_of(order), instrument, Credentials("", "", ""), False)
            requests.append(request_for(job))
    assert [(each.side, each.is_exit, each.reduce_only) for each in requests] == [
        ("buy", False, False),
        ("sell", True, False),
    ]


def test_what_an_exit_depends_on_may_use_what_is_kept_for_exits(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, set[bool]] = defaultdict(set)

    def record(name: str) -> None:
        honest = getattr(OkxGateway, name)

        async def recorded(self: OkxGateway, *args: Any, is_exit: bool, **names: Any) -> Any:
            asked[name].add(is_exit)
            return await honest(self, *args, **names, is_exit=is_exit)

        monkeypatch.setattr(OkxGateway, name, recorded)

    world.follower()
    names = ("find_order", "search_order", "order_fills", "positions")
    for name in names:
        record(name)
    world.run(world.entry())
    assert asked == {"find_order": {False}, "order_fills": {False}}
    asked.clear()
    world.paper.control.add_fault("drop", booked=False, **PLACE)
    world.fan_out(world.signal("close", side=""))
    for _ in range(9):
        _age(world, 60)
        world.check()
    assert world.orders(state="filled", is_entry=False)
    assert asked == {name: {True} for name in names}


@dataclass(frozen=True)
class Flooded:
    """A follower with a position, whose account has as many entries out as it may."""

    follower: Subscription
    fill: Callable[[], int]
    make_room: Callable[[], None]


@pytest.fixture
def flooded(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flooded]:
    monkeypatch.setattr(sender, "DEADLINE", timedelta(seconds=40))
    follower = world.follower()
    world.run(world.entry())
    account = world.keys[follower.account_id].api_key
    runtime.close_gateways()  # the next one knows nothing of that order
    gateway = runtime.gateway_for("paper")
    assert isinstance(gateway, OkxGateway)
    budgets = gateway._transport.budgets
    permits: list[Any] = []

    async def fill() -> int:
        names = {"account": account, "instrument": "BTC-USDT-SWAP", "is_spot": False}
        with suppress(NoTurnError):
            while True:
                permit = budgets.permit("POST trade/order", **names, is_exit=False, wait_seconds=0)
                permits.append(await permit)
        return len(permits)

    async def make_room() -> None:
        while permits:
            budgets.withdraw(permits.pop())

    assert runtime.run(fill()) == AT_ONCE
    yield Flooded(follower, lambda: runtime.run(fill()), lambda: runtime.run(make_room()))
    runtime.run(make_room())
    assert stragglers.wait(20)


def _sent_to_wait(world: World) -> Any:
    world.fan_out(signal := world.entry(), wait=False)
    assert world.orders(state="sending"), "it waits for its turn"
    return signal


def _wait_for_end(world: World, signal: Any, follower: Subscription) -> None:
    wait_for(
        lambda: world.intent(signal, follower).status == "rejected",
        seconds=20,
        what="the entry is refused",
    )


def test_no_entry_that_waits_leaves_after_the_kill_switch(world: World, flooded: Flooded) -> None:
    signal = _sent_to_wait(world)
    with tenant_scope(world.tenant.pk):
        control_set(
            level="tenant", subject_id=world.tenant.pk, mode="reducing", reason="r", actor=None
        )
    time.sleep(0.3)  # the copy of the switches is that old at most
    flooded.make_room()
    _wait_for_end(world, signal, flooded.follower)
    assert world.intent(signal, flooded.follower).reason_code == "entries_stopped"
    assert len(world.ledger_orders(flooded.follower)) == 1
    assert world.held(flooded.follower).target == 10
    assert flooded.fill() == AT_ONCE, "its turn is free again"


def test_an_entry_that_waits_does_not_follow_the_close_that_overtook_it(
    world: World, flooded: Flooded
) -> None:
    signal = _sent_to_wait(world)
    world.fan_out(close := world.signal("close", side=""), wait=False)
    wait_for(
        lambda: (world.check(), world.intent(close, flooded.follower).status)[1] == "filled",
        seconds=20,
        what="the exit is filled: it does not wait",
    )
    flooded.make_room()
    _wait_for_end(world, signal, flooded.follower)
    assert [row["side"] for row in world.ledger_orders(flooded.follower)] == ["buy", "sell"]
    held = world.held(flooded.follower)
    assert held.filled == held.target == 0


def test_an_entry_leaves_when_its_turn_comes(world: World, flooded: Flooded) -> None:
    signal = _sent_to_wait(world)
    flooded.make_room()
    wait_for(lambda: not world.orders(state="sending"), seconds=20, what="the entry has left")
    world.run(signal)
    assert world.intent(signal, flooded.follower).status == "filled"
    assert world.held(flooded.follower).filled == 20


def test_an_entry_that_cannot_be_checked_after_waiting_does_not_leave(
    world: World, flooded: Flooded, monkeypatch: pytest.MonkeyPatch
) -> None:
    signal = _sent_to_wait(world)

    def down(**_: Any) -> None:
        raise DatabaseError("down")

    monkeypatch.setattr(denials, "controls_for", down)
    flooded.make_room()
    _wait_for_end(world, signal, flooded.follower)
    assert world.intent(signal, flooded.follower).reason_code == "control_stale"
    assert len(world.ledger_orders(flooded.follower)) == 1

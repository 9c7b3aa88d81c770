"""An account whose venue hangs or answers nonsense delays and spoils nobody else's books."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from customers.tenancy import tenant_scope
from tests.trading.world import World, wait_for_stragglers
from trading import tasks
from trading.models import Balance, Order
from trading.services import order_checks
from venues.okx import OkxGateway


def _due(world: World) -> list[str]:
    with tenant_scope(world.tenant.pk):
        Order.objects.update(check_at=timezone.now() - timedelta(seconds=1))
        return list(Order.objects.values_list("pk", flat=True))


def _within(seconds: float, holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.05)
    return False


def _in_background(work: Callable[[], Any]) -> threading.Thread:
    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_hanging_look_up_holds_up_no_other_account(world: World) -> None:
    sick, well = world.follower(), world.follower()
    world.fan_out(signal := world.entry())
    world.paper.control.add_fault(
        "delay", ms=4000, endpoint="trade/order", method="GET", **_key(world, sick)
    )
    ids = _due(world)
    thread = _in_background(lambda: tasks.orders_check(order_ids=ids, tenant_id=world.tenant.pk))
    try:
        assert _within(2.5, lambda: world.intent(signal, well).status == "filled")
        assert world.intent(signal, sick).status == "working"
    finally:
        thread.join()
    assert world.intent(signal, sick).status == "filled"


def _key(world: World, follower: Any) -> dict[str, str]:
    return {"account": world.keys[follower.account_id].api_key}


def test_a_worker_leaves_a_silent_account_and_takes_the_next_signal(world: World) -> None:
    sick, well = world.follower(), world.follower()
    world.paper.control.add_fault(
        "delay", ms=3000, endpoint="trade/order", method="POST", **_key(world, sick)
    )
    first, second = world.entry(), world.entry("increase")

    world.fan_out(first, wait=False)

    with tenant_scope(world.tenant.pk):
        states = dict(Order.objects.values_list("account_id", "state"))
    assert states == {sick.account_id: "sending", well.account_id: "accepted"}
    world.paper.control.clear_faults()
    world.fan_out(second, wait=False)
    assert world.orders(signal_id=second.pk, account=well.account_id)[0].state == "accepted"

    wait_for_stragglers()
    assert {order.state for order in world.orders()} == {"accepted"}
    assert len(world.ledger_orders(sick)) == 2


def test_a_look_up_that_never_ends_loses_no_other_result(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sick, well = world.follower(), world.follower()
    world.fan_out(signal := world.entry())
    world.paper.control.add_fault(
        "delay", ms=6000, endpoint="trade/order", method="GET", **_key(world, sick)
    )
    monkeypatch.setattr(order_checks, "TIMEOUT_SECONDS", 1.5)

    tasks.orders_check(order_ids=_due(world), tenant_id=world.tenant.pk)

    assert world.intent(signal, well).status == "filled"
    assert world.intent(signal, sick).status == "working"


@pytest.mark.parametrize(
    ("field", "value"), [("ts", "9" * 14), ("fillSz", "9" * 30), ("fillSz", "9" * 15)]
)
def test_fills_of_nonsense_spoil_no_other_account(world: World, field: str, value: str) -> None:
    sick, well = world.follower(), world.follower()
    world.fan_out(signal := world.entry())
    garbage = {"endpoint": "trade/fills", "field": field, "value": value}
    world.paper.control.add_fault("garbage", **garbage, **_key(world, sick))
    tasks.orders_check(order_ids=_due(world), tenant_id=world.tenant.pk)
    assert world.intent(signal, well).status == "filled"
    assert world.intent(signal, sick).status == "working"

    world.paper.control.clear_faults()
    tasks.orders_check(order_ids=_due(world), tenant_id=world.tenant.pk)
    assert world.intent(signal, sick).status == "filled"


def test_an_answer_of_nonsense_spoils_no_other_account(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sick, well = world.follower(), world.follower()
    world.fan_out(signal := world.entry())
    sick_order = world.orders(account=sick.account)[0].pk
    honest = OkxGateway.find_order

    async def find_order(self: OkxGateway, *args: Any, **names: Any) -> Any:
        if names["client_order_id"] == sick_order:
            raise AttributeError("'str' object has no attribute 'get'")
        return await honest(self, *args, **names)

    monkeypatch.setattr(OkxGateway, "find_order", find_order)
    tasks.orders_check(order_ids=_due(world), tenant_id=world.tenant.pk)
    assert world.intent(signal, well).status == "filled"


def test_a_hanging_account_holds_up_no_others_balances(world: World) -> None:
    sick, well = world.follower(), world.follower()
    world.paper.control.add_fault("delay", ms=3000, endpoint="account/balance", **_key(world, sick))
    with tenant_scope(world.tenant.pk):
        Balance.objects.all().delete()
    ids = [sick.account_id, well.account_id]
    thread = _in_background(
        lambda: tasks.accounts_refresh(account_ids=ids, tenant_id=world.tenant.pk)
    )

    def has_balance(follower: Any) -> bool:
        with tenant_scope(world.tenant.pk):
            return Balance.objects.filter(account=follower.account).exists()

    try:
        assert _within(2, lambda: has_balance(well))
        assert not has_balance(sick)
    finally:
        thread.join()
    assert has_balance(sick)


@pytest.mark.parametrize(("field", "value"), [("eq", "9" * 30), ("eq", []), ("details", 7)])
def test_balances_of_nonsense_spoil_no_other_account(world: World, field: str, value: Any) -> None:
    sick, well = world.follower(), world.follower()
    with tenant_scope(world.tenant.pk):
        Balance.objects.all().delete()
    garbage = {"endpoint": "account/balance", "field": field, "value": value}
    world.paper.control.add_fault("garbage", **garbage, **_key(world, sick))
    ids = [sick.account_id, well.account_id]
    tasks.accounts_refresh(account_ids=ids, tenant_id=world.tenant.pk)
    with tenant_scope(world.tenant.pk):
        assert [row.account_id for row in Balance.objects.all()] == [well.account_id]

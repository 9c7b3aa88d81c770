"""Between the last check and the request: leverage is set first, and much may change meanwhile."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from customers.models import ExchangeAccount
from customers.tenancy import tenant_scope
from tests.trading.world import World, wait_for_stragglers
from trading.models import Position
from trading.services.controls import control_set
from trading.services.fanout import signals
from trading.services.submission import sender

LEVERAGE = {"endpoint": "account/set-leverage", "method": "POST"}


def test_the_kill_switch_stops_entries_whose_leverage_is_just_being_set(world: World) -> None:
    follower = world.follower()
    world.paper.control.add_fault("delay", ms=2000, **LEVERAGE)
    signal = world.entry()

    def fan_out() -> None:
        try:
            world.fan_out(signal)
        finally:
            connections.close_all()

    thread = threading.Thread(target=fan_out)
    thread.start()
    time.sleep(0.8)
    with tenant_scope(world.tenant.pk):
        control_set(
            level="tenant", subject_id=world.tenant.pk, mode="reducing", reason="r", actor=None
        )
    thread.join()

    assert world.intent(signal, follower).reason_code == "entries_stopped"
    assert world.ledger_orders(follower) == []


def test_an_entry_that_expires_while_its_leverage_is_set_does_not_leave(world: World) -> None:
    follower = world.follower()
    world.paper.control.add_fault("delay", ms=3500, **LEVERAGE)
    signal = world.entry(expires_at=timezone.now() + timedelta(seconds=3))

    world.fan_out(signal)

    assert world.intent(signal, follower).status == "expired"
    assert world.ledger_orders(follower) == []


def test_both_sides_of_an_isolated_hedge_get_the_leverage(world: World) -> None:
    follower = world.follower(position_mode="long_short")
    with tenant_scope(world.tenant.pk):
        ExchangeAccount.objects.filter(pk=follower.account_id).update(margin_mode="isolated")
    world.run(world.entry(leverage=Decimal(7)))
    world.run(world.signal("close", side=""))

    world.run(world.entry(side="short", leverage=Decimal(7)))

    world.refresh(follower.account_id)
    with tenant_scope(world.tenant.pk):
        held = Position.objects.get(account=follower.account)
    assert (held.position_side, held.leverage) == ("short", 7)


def test_accepted_orders_are_followed_up_while_another_accounts_answer_is_missing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sick, well = world.follower(), world.follower()
    world.paper.control.add_fault(
        "delay",
        ms=2500,
        endpoint="trade/order",
        method="POST",
        account=world.keys[sick.account_id].api_key,
    )
    woken: list[str] = []

    def wake(_: str, *, order_ids: list[str], **names: Any) -> None:
        woken.extend(order_ids)

    monkeypatch.setattr(signals, "wake", wake)
    monkeypatch.setattr(sender, "wake", wake)
    world.fan_out(world.entry(), wait=False)

    (of_well,) = world.orders(account=well.account)
    (of_sick,) = world.orders(account=sick.account)
    assert (of_sick.state, woken) == ("sending", [of_well.pk])
    wait_for_stragglers()
    assert woken == [of_well.pk, of_sick.pk]

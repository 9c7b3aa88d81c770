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
from trading.models import InstrumentSetting, LeverageRefusal, Position
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


def test_a_leverage_that_was_refused_is_not_asked_for_again(world: World) -> None:
    """Until what is held there is not the same any more, or an hour has passed."""
    follower = world.follower()
    refusal = {"code": "59109", "msg": "Account equity less than the required margin amount"}

    def entry() -> tuple[str, str]:
        signal = world.entry(size="0.01")
        world.run(signal)
        intent = world.intent(signal, follower)
        return intent.status, intent.reason_params.get("code", "")

    world.paper.control.add_fault("error_code", count=1, **refusal, **LEVERAGE)
    assert entry() == ("rejected", "59109")
    assert entry() == ("rejected", "59109"), "it would have been set now"
    assert world.ledger_orders(follower) == []
    with tenant_scope(world.tenant.pk):
        LeverageRefusal.objects.update(held="net 7 ")
    assert entry() == ("filled", "")
    world.run(world.signal("close", side=""))
    with tenant_scope(world.tenant.pk):
        InstrumentSetting.objects.all().delete()
        LeverageRefusal.objects.update(held="")
    world.refresh(follower.account_id)
    assert entry() == ("rejected", "59109")
    with tenant_scope(world.tenant.pk):
        LeverageRefusal.objects.update(refused_at=timezone.now() - timedelta(minutes=61))
    assert entry() == ("filled", "")


def test_a_venue_that_is_out_of_order_has_refused_no_leverage(world: World) -> None:
    follower = world.follower()
    world.paper.control.add_fault("http_status", status=503, count=1, **LEVERAGE)
    first, second = world.entry(), world.entry()
    world.run(first)
    world.run(second)
    assert world.intent(first, follower).reason_code == "leverage_not_set"
    assert world.intent(second, follower).status == "filled"


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

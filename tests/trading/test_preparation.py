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
from strategies.models import Subscription
from tests.trading.reconciliation.test_by_hand import Hand
from tests.trading.world import World, wait_for_stragglers
from trading import tasks
from trading.models import LeverageRefusal, Position
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


def refused(world: World, follower: Subscription, code: str) -> tuple[str, str]:
    """An entry whose leverage is refused; it would be set from the next one on."""
    world.paper.control.add_fault("error_code", count=1, code=code, msg="Not possible", **LEVERAGE)
    return enters(world, follower)


def enters(world: World, follower: Subscription) -> tuple[str, str]:
    signal = world.entry(size="0.01")
    world.run(signal)
    intent = world.intent(signal, follower)
    return intent.status, intent.reason_params.get("code", "")


def reread(world: World, follower: Subscription) -> None:
    """As the sweep does; nobody asked for it."""
    tasks.accounts_compare(account_ids=[follower.account_id], tenant_id=world.tenant.pk)


@pytest.mark.parametrize("code", ["59109", "51000"])
def test_a_leverage_that_was_refused_is_not_asked_for_again(world: World, code: str) -> None:
    """However long that is, until what is held there is not the same any more."""
    follower = world.follower()
    assert refused(world, follower, code) == ("rejected", code)
    reread(world, follower)
    with tenant_scope(world.tenant.pk):
        LeverageRefusal.objects.update(refused_at=timezone.now() - timedelta(days=40))
    assert enters(world, follower) == ("rejected", code), "it would have been set now"
    reread(world, follower)
    assert enters(world, follower) == ("rejected", code)
    assert world.ledger_orders(follower) == []
    with tenant_scope(world.tenant.pk):
        LeverageRefusal.objects.update(held="net 7 ")
    assert enters(world, follower) == ("filled", "")


def test_what_is_held_keeps_its_leverage_when_another_one_is_refused(world: World) -> None:
    """Caps count the margin of what is held by it."""
    follower = world.follower()
    world.run(world.entry())
    assert world.held(follower).leverage == 5
    world.paper.control.add_fault("error_code", count=1, code="59108", msg="No", **LEVERAGE)
    for _ in range(2):  # refused, and refused as before
        world.run(world.entry("increase", size="0.01", leverage=Decimal(9)))
        assert world.held(follower).leverage == 5
    tasks.account_check(account_id=follower.account_id, tenant_id=world.tenant.pk)
    world.run(world.entry("increase", size="0.01", leverage=Decimal(9)))
    assert world.held(follower).leverage == 9


def test_in_the_other_position_mode_it_is_asked_for_again(world: World) -> None:
    follower = world.follower()
    assert refused(world, follower, "59109") == ("rejected", "59109")
    with tenant_scope(world.tenant.pk):
        LeverageRefusal.objects.update(held="long and short: ")
    assert enters(world, follower) == ("filled", "")


def test_what_is_said_of_the_moment_holds_for_an_hour(world: World) -> None:
    follower = world.follower()
    assert refused(world, follower, "51030") == ("rejected", "51030")
    assert enters(world, follower) == ("rejected", "51030")
    with tenant_scope(world.tenant.pk):
        LeverageRefusal.objects.update(refused_at=timezone.now() - timedelta(minutes=61))
    assert enters(world, follower) == ("filled", "")


def test_with_more_funds_it_is_asked_for_again(world: World) -> None:
    follower = world.follower(usdt="1000")
    assert refused(world, follower, "59108") == ("rejected", "59108")
    for amount, answer in (("40", ("rejected", "59108")), ("20", ("filled", ""))):
        key = world.keys[follower.account_id].api_key
        world.paper.control.call("POST", "deposits", {"apiKey": key, "ccy": "USDT", "amt": amount})
        reread(world, follower)
        assert enters(world, follower) == answer


def test_when_an_order_of_the_clients_is_gone_it_is_asked_for_again(world: World) -> None:
    follower = world.follower()
    hand = Hand(world, follower)
    hand.order("buy", "1", ordType="limit", px="50000", clOrdId="mine")
    reread(world, follower)
    assert refused(world, follower, "59101") == ("rejected", "59101")
    reread(world, follower)
    reread(world, follower)
    assert enters(world, follower) == ("rejected", "59101")
    hand.cancel("mine")
    reread(world, follower)
    assert enters(world, follower) == ("filled", "")


def test_when_somebody_has_the_account_checked_it_is_asked_for_again(world: World) -> None:
    follower = world.follower()
    assert refused(world, follower, "59102") == ("rejected", "59102")
    tasks.account_check(account_id=follower.account_id, tenant_id=world.tenant.pk)
    assert enters(world, follower) == ("filled", "")


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

"""Entries that wait when a copy is set to close only or monitor only, at any level."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from customers.tenancy import tenant_scope
from strategies.models import (
    CustomerSettings,
    PlatformSettings,
    StatedSettings,
    Subscription,
    TenantSettings,
)
from strategies.selectors.settings import settings_content
from strategies.services.settings import settings_change
from tests.trading.test_resting_entries import (
    books,
    chasing,
    its_time_is_over,
    opened,
    sent,
    settled,
    waiting_better,
)
from tests.trading.test_sliced_entries import comes, large, slicing, swept
from tests.trading.world import SYMBOL, World
from trading.services.entries_by_settings import entries_stop_where_settings_say

INST = "BTC-USDT-SWAP"


@pytest.fixture(autouse=True)
def price(world: World) -> Any:
    yield
    world.paper.control.set_price(INST, "60000")


def state(world: World, copy: Subscription, level: str, name: str, *, symbol: str = "",
          on: bool = True) -> None:  # fmt: skip
    """By the service that console, portal and API use."""
    with tenant_scope(world.tenant.pk):
        copy = Subscription.objects.select_related("strategy", "account").get(pk=copy.pk)
        rows: dict[str, Any] = {
            "platform": lambda: PlatformSettings.objects.get_or_create(pk=1)[0],
            "tenant": lambda: TenantSettings(tenant=world.tenant),
            "strategy": lambda: copy.strategy,
            "customer": lambda: CustomerSettings(tenant=world.tenant, customer=copy.customer),
            "copy": lambda: copy,
        }
        row: StatedSettings = rows[level]()
        content = settings_content(row)
        stated = content["symbols"].setdefault(symbol, {}) if symbol else content["values"]
        stated[name] = on
        settings_change(row=row, content=content, actor=None)


@pytest.mark.parametrize("name", ["close_only", "monitor_only"])
@pytest.mark.parametrize("level", ["platform", "tenant", "strategy", "customer", "copy"])
def test_what_rests_leaves_the_book(world: World, level: str, name: str) -> None:
    copy, other = waiting_better(world), waiting_better(world)
    opened(world)
    assert entries_stop_where_settings_say() == 0
    state(world, copy, level, name)
    both = level in ("platform", "tenant", "strategy")
    assert entries_stop_where_settings_say() == (2 if both else 1)
    assert entries_stop_where_settings_say() == 0
    world.check_until(lambda: sent(world, copy)[0][2] == "canceled", "it is cancelled")
    world.check()
    assert sent(world, other)[0][2] == ("canceled" if both else "live")
    assert books(world, copy) == (0, 0)


@pytest.mark.parametrize("stored", ["broken", {"values": ["x"]}, {"symbols": {SYMBOL: "x"}}])
def test_what_is_no_object_at_all_stops_nobodys_sweep(world: World, stored: Any) -> None:
    """Of another copy, whose entry waits as well."""
    spoilt, copy = waiting_better(world), waiting_better(world)
    opened(world)
    state(world, copy, "copy", "close_only")
    with tenant_scope(world.tenant.pk):
        Subscription.objects.filter(pk=spoilt.pk).update(settings=stored)
    assert entries_stop_where_settings_say() == 1
    world.check_until(lambda: sent(world, copy)[0][2] == "canceled", "it is cancelled")


def test_for_one_symbol_only_what_waits_in_it(world: World) -> None:
    copy = waiting_better(world)
    opened(world)
    state(world, copy, "copy", "close_only", symbol="ETH/USDT:USDT")
    assert entries_stop_where_settings_say() == 0
    state(world, copy, "copy", "close_only", symbol=SYMBOL)
    assert entries_stop_where_settings_say() == 1
    world.check_until(lambda: sent(world, copy)[0][2] == "canceled", "it is cancelled")


def test_what_is_held_stays_and_is_exited(world: World) -> None:
    copy = slicing(world)
    large(world)
    world.check_until(lambda: world.held(copy).filled == 4, "the first slice is filled")
    state(world, copy, "copy", "close_only")
    assert entries_stop_where_settings_say() == 2
    settled(world)
    assert books(world, copy) == (4, 4)
    world.run(world.signal("close"))
    assert books(world, copy) == (0, 0)


def test_switched_off_again_at_once_it_enters_nothing_twice(world: World) -> None:
    copy = waiting_better(world)
    opened(world)
    state(world, copy, "copy", "close_only")
    assert entries_stop_where_settings_say() == 1
    state(world, copy, "copy", "close_only", on=False)
    opened(world, size="0.05")  # the end of the first is not proven yet
    world.check_until(lambda: world.orders()[0].state == "cancelled", "it is cancelled")
    assert [row[2:] for row in sent(world, copy)] == [("canceled", "10", "0"), ("live", "5", "0")]
    assert books(world, copy) == (0, 5)


def test_what_comes_before_the_sweep_does_not_leave_either(world: World) -> None:
    sliced = slicing(world, max_entry_slippage_percent="4")
    resting = chasing(world)
    large(world, price=Decimal(58_800))
    world.check_until(lambda: len(sent(world, resting)) == 1, "it rests")
    for copy in (sliced, resting):
        state(world, copy, "copy", "monitor_only")
    comes(world, 2)
    its_time_is_over(world)
    swept(world)
    settled(world)
    assert len(sent(world, sliced)) == 1
    assert [row[0] for row in sent(world, resting)] == ["limit"]
    assert books(world, resting) == (0, 0)

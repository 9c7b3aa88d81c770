"""By which of the two symbols each rule goes."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any

import pytest
from django.db import transaction

from customers.tenancy import tenant_scope
from strategies.models import Subscription
from strategies.signals import subscription_started
from tests.trading.mapped_symbols.mapped import (
    ETH,
    IN_ETH,
    mapped,
    reason,
    sent,
)
from tests.trading.test_changed_entries import amend, refused
from tests.trading.test_copy_starts import start
from tests.trading.world import SYMBOL as BTC
from tests.trading.world import World
from trading.models import CopiedPosition


def test_exceptions_are_those_of_the_traded_symbol(world: World) -> None:
    symbols = {BTC: {"ratio": "5"}, ETH: {"ratio": "0.5"}}
    copy = world.follower(
        ratio=None, settings={"values": {"symbol_map": {BTC: ETH}}, "symbols": symbols}
    )
    world.run(world.entry())
    assert sent(world, copy) == [(IN_ETH, "buy", 10)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"denied_symbols": [BTC]}, BTC),
        ({"denied_symbols": [ETH]}, ETH),
        ({"allowed_symbols": [BTC]}, ETH),
        ({"allowed_symbols": [ETH]}, BTC),
        ({"allowed_symbols": [ETH, BTC]}, ""),
    ],
)
def test_lists_of_symbols_go_by_both(world: World, values: Any, expected: str) -> None:
    copy = mapped(world, values=values)
    signal = world.entry()
    world.run(signal)
    intent = world.intent(signal, copy)
    assert intent.reason_code == ("symbol_not_allowed" if expected else "")
    assert intent.reason_params.get("symbol", "") == expected


def test_what_the_venue_does_not_list_is_a_reason(world: World) -> None:
    copy = mapped(world, "NEVER/USDT:USDT")
    signal = world.entry()
    world.run(signal)
    assert reason(world, signal, copy) == "symbol_not_listed"
    assert sent(world, copy) == []


def test_the_leaders_price_is_compared_with_the_leaders_market(world: World) -> None:
    """3,000 is nowhere near 60,000, and that says nothing; that the leader bought 2 % cheaper
    does."""
    copy = mapped(world, values={"max_entry_slippage_percent": "1"})
    near, far = world.entry(price=D(59_800)), world.entry(price=D(58_800))
    world.run(near)
    world.run(far)
    assert reason(world, near, copy) == ""
    assert reason(world, far, copy) == "price_deviation"
    assert world.held(copy, ETH).filled == D("19.93")  # a value of 5,980


@pytest.mark.parametrize("venue", ["paper", "nowhere"])
def test_entries_need_the_price_of_the_leaders_market(
    world: World, monkeypatch: Any, venue: str
) -> None:
    from venues import markets

    copy = mapped(world, sizing_mode="fixed_amount", fixed_amount=D(600), ratio=None)
    world.run(world.entry())
    real = markets.last_price
    monkeypatch.setattr(
        "trading.services.fanout.context.markets.last_price",
        lambda venue, symbol: None if symbol == BTC else real(venue, symbol),
    )
    signal = world.entry(price=D(60_000))
    world.run(signal)
    assert reason(world, signal, copy) == "price_unknown"
    world.run(world.signal("close", side=""))
    assert world.held(copy, ETH).filled == 0


@pytest.mark.parametrize(
    ("takes", "leaders", "held", "code"),
    [
        ("all", 59_000, 20, ""),
        ("no_worse", 61_200, 20, ""),
        ("no_worse", 58_800, 0, "start_price_worse"),
    ],
)
def test_what_the_leader_held_at_the_start(
    world: World, takes: str, leaders: int, held: int, code: str
) -> None:
    """By value it is the leader's size at the leader's price."""
    world.run(world.entry(price=D(leaders), size=str(D(6_000) / leaders)[:20]))
    values = {"existing_positions": takes, "symbol_map": {BTC: ETH}}
    copy = world.follower(settings={"values": values, "symbols": {}})
    with tenant_scope(world.tenant.pk), transaction.atomic():
        subscription_started.send(sender=Subscription, subscription=copy)
    [signal] = start(world, copy)
    assert reason(world, signal, copy) == code
    with tenant_scope(world.tenant.pk):
        found = CopiedPosition.objects.filter(subscription=copy).values_list("symbol", "filled")
        assert [(symbol, round(filled)) for symbol, filled in found if filled] == (
            [(ETH, held)] if held else []
        )


def test_own_styles_rest_at_the_leaders_price_as_it_is_in_the_other_market(world: World) -> None:
    copy = mapped(world, values={"execution": "limit_follow", "limit_follow_percent": "1"})
    world.fan_out(world.entry(price=D(60_600)))  # 1 % above its market
    ((inst, side, _size),) = sent(world, copy)
    assert (inst, side) == (IN_ETH, "buy")
    (order,) = world.orders(subscription_id=copy.pk)
    assert order.price == D("2999.7")  # 3,030 less 1 %


def test_a_price_changed_by_hand_is_judged_by_the_traded_market(world: World) -> None:
    values = {"execution": "limit_follow", "limit_follow_percent": "1"}
    copy = mapped(world, values=values)
    world.fan_out(world.entry(price=D(60_000)))
    world.check()
    assert refused(world, "3100", 20) == "price_beyond_market"
    amend(world, "2980", 20)
    world.check_until(lambda: len(world.orders()) == 2, "it is replaced")
    old, new = world.orders(subscription_id=copy.pk)
    assert (old.price, new.price, new.symbol) == (2970, 2980, ETH)

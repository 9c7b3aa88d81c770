"""In which margin mode, and at which leverage, entries and exits reach the exchange."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.utils.translation import override

from customers.models import ExchangeAccount
from customers.tenancy import tenant_scope
from strategies.models import Subscription
from tests.trading.plans import BTC
from tests.trading.world import World, other_copy
from trading.models import Intent
from trading.reason_texts import reason_text
from trading.services.closing import Selection, positions_close
from trading.services.fanout.loading import PositionRow
from trading.services.fanout.margin_terms import freed_margin
from venues.domain.types import Instrument, InstrumentKind


def state(world: World, copy: Subscription, **values: Any) -> None:
    with tenant_scope(world.tenant.pk):
        settings = {"values": values, "symbols": {}}
        Subscription.objects.filter(pk=copy.pk).update(settings=settings)


def set_account(world: World, copy: Subscription, **values: Any) -> None:
    with tenant_scope(world.tenant.pk):
        ExchangeAccount.objects.filter(pk=copy.account_id).update(**values)


def modes(world: World, copy: Subscription) -> list[tuple[str, str]]:
    """Side and margin mode of what the exchange filled."""
    rows = world.ledger_orders(copy)
    return [(row["side"], row["tdMode"]) for row in rows if row["state"] == "filled"]


@pytest.mark.parametrize(
    ("setting", "account", "leader", "expected"),
    [
        ("as_account", "cross", "isolated", "cross"),
        ("as_account", "isolated", "cross", "isolated"),
        ("as_leader", "cross", "isolated", "isolated"),
        ("as_leader", "isolated", "cross", "cross"),
        ("as_leader", "isolated", "", "isolated"),
        ("cross", "isolated", "isolated", "cross"),
        ("isolated", "cross", "cross", "isolated"),
    ],
)
def test_the_margin_mode_of_an_entry(
    world: World, setting: str, account: str, leader: str, expected: str
) -> None:
    copy = world.follower()
    set_account(world, copy, margin_mode=account)
    state(world, copy, margin_mode=setting)
    signal = world.entry(margin_mode=leader)

    world.run(signal)

    assert modes(world, copy) == [("buy", expected)]
    with tenant_scope(world.tenant.pk):
        pinned = Intent.objects.get(signal=signal).settings
        assert pinned.content["margin_mode"] == expected


@pytest.mark.parametrize("position_mode", ["net", "long_short"])
def test_what_is_held_keeps_its_margin_mode_to_its_end(world: World, position_mode: str) -> None:
    copy = world.follower(position_mode=position_mode)
    state(world, copy, margin_mode="isolated")
    world.run(world.entry())
    state(world, copy, margin_mode="cross")
    set_account(world, copy, margin_mode="cross")

    world.run(world.entry("increase"))
    world.run(world.signal("close", side=""))
    world.run(world.entry())

    assert modes(world, copy) == [
        ("buy", "isolated"),
        ("buy", "isolated"),
        ("sell", "isolated"),
        ("buy", "cross"),
    ]
    assert world.held(copy).margin_mode == "cross"


def test_a_close_without_a_signal_is_in_the_positions_margin_mode(world: World) -> None:
    copy = world.follower()
    state(world, copy, margin_mode="isolated")
    world.run(world.entry())

    with tenant_scope(world.tenant.pk):
        positions_close(
            tenant_id=world.tenant.pk,
            selection=Selection(subscription_id=copy.pk),
            cause=Intent.Cause.RISK,
            action_id="a",
        )
    world.check_until(lambda: world.held(copy).filled == 0, "it is closed")

    assert modes(world, copy) == [("buy", "isolated"), ("sell", "isolated")]


LINEAR, INVERSE = BTC, replace(BTC, kind=InstrumentKind.INVERSE, contract_size=Decimal(100))


@pytest.mark.parametrize(
    ("instrument", "filled", "mode", "price", "expected"),
    [
        # 10 contracts at 50,000 and 5×, each 0.01 BTC, or 100 dollars.
        (LINEAR, 10, "cross", 50_000, 1000),
        (LINEAR, -10, "cross", 40_000, 800),
        (LINEAR, 10, "isolated", 50_000, 1000),
        (LINEAR, 10, "isolated", 45_000, 500),
        (LINEAR, -10, "isolated", 45_000, 1500),
        (LINEAR, 10, "isolated", 39_000, 0),
        (INVERSE, 10, "cross", 40_000, 200),
        (INVERSE, 10, "isolated", 50_000, 200),
        # 0.004 BTC of margin less 0.005 lost: (1/40,000 − 1/50,000) × 1,000.
        (INVERSE, 10, "isolated", 40_000, 0),
        (INVERSE, -10, "isolated", 40_000, 360),
        (LINEAR, 0, "cross", 50_000, 0),
        (LINEAR, 10, "", 50_000, 1000),
        (LINEAR, 10, "cross", None, 0),
        (replace(BTC, kind=InstrumentKind.SPOT), 10, "cash", 50_000, 0),
    ],
)
def test_what_the_close_of_a_position_frees(
    instrument: Instrument, filled: int, mode: str, price: int | None, expected: int
) -> None:
    position = PositionRow(
        "", "", "", Decimal(0), Decimal(filled), Decimal(5), 0, mode, Decimal(50_000)
    )
    freed = freed_margin(position, "cross", instrument, None if price is None else Decimal(price))
    assert freed == expected


def test_a_flip_of_more_than_half_of_the_account_turns_it(world: World) -> None:
    """While the first side is held there is not enough for the other one."""
    copy = world.follower(usdt="1500")
    world.run(world.entry(size="0.1"))
    assert world.held(copy).filled == 10
    world.refresh(copy.account_id)

    world.run(world.entry("flip", size="0.1", side="short"))

    assert world.held(copy).filled == -10


@pytest.mark.parametrize("position_mode", ["net", "long_short"])
def test_a_second_copy_at_another_leverage_is_told_what_to_do(
    world: World, position_mode: str
) -> None:
    copy = world.follower(position_mode=position_mode)
    other, second = other_copy(world, copy)
    world.run(world.entry(leverage=Decimal(5)))
    signal = other.entry(leverage=Decimal(10))

    other.run(signal)

    intent = other.intent(signal, second)
    assert (intent.reason_code, intent.reason_params) == (
        "leverage_shared",
        {"symbol": signal.symbol, "held": "5", "wanted": "10"},
    )
    assert "another account" in reason_text(intent.reason_code, intent.reason_params)
    assert len(world.ledger_orders(copy)) == 1

    world.run(world.signal("close", side=""))
    other.run(other.entry(leverage=Decimal(10)))
    assert other.held(second).leverage == 10


def test_a_second_copy_in_another_margin_mode_is_told_what_to_do(world: World) -> None:
    copy = world.follower()
    other, second = other_copy(world, copy)
    world.run(world.entry())
    state(world, second, margin_mode="isolated")
    signal = other.entry()

    other.run(signal)

    intent = other.intent(signal, second)
    assert (intent.reason_code, intent.reason_params) == (
        "margin_mode_shared",
        {"symbol": signal.symbol, "held_mode": "cross", "wanted_mode": "isolated"},
    )
    with override("zh-hans"):
        text = reason_text(intent.reason_code, intent.reason_params)
    assert "全仓" in text and "逐仓" in text
    assert modes(world, copy) == [("buy", "cross")]


def test_a_silent_signal_enters_at_the_leverage_that_the_account_has_there(world: World) -> None:
    copy = world.follower()
    other, second = other_copy(world, copy)
    world.run(world.entry(leverage=Decimal(7)))

    other.run(other.entry(leverage=None))

    assert other.held(second).leverage == 7

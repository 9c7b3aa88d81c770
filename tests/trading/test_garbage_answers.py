"""What a venue answers cannot be read: a reason that people can read, and no books made of it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone, translation

from customers.tenancy import tenant_scope
from strategies.models import Subscription
from tests.trading.test_unclear_outcomes import PLACE, _age
from tests.trading.world import World
from trading import tasks
from trading.alert_texts import alert_text
from trading.models import Alert, Balance, Fill, Order, Position
from trading.reason_texts import reason_text
from trading.services import unreadable
from trading.services.instruments import forget_noted
from venues import markets, runtime

LOOK = {"endpoint": "trade/order", "method": "GET"}
FILLS = {"endpoint": "trade/fills"}


def spoil(world: World, follower: Subscription | None = None, **rule: Any) -> None:
    """Garbage in one field, of everybody's answers or of this follower's."""
    if follower is not None:
        rule["account"] = world.keys[follower.account_id].api_key
    world.paper.control.add_fault("garbage", **rule)


def assert_told(code: str, params: dict[str, Any], *words: str) -> None:
    english = reason_text(code, params)
    with translation.override("zh-hans"):
        chinese = reason_text(code, params)
    assert all(word in english and word in chinese for word in words)
    assert english != chinese
    assert "%(" not in english + chinese


def open_alerts(world: World) -> list[Alert]:
    with tenant_scope(world.tenant.pk):
        return list(Alert.objects.filter(code="answers_unreadable", open_key__isnull=False))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("accFillSz", "NaN"),
        ("sz", "1000"),
        ("sz", "-10"),
        ("state", "done"),
        ("ordId", []),
        ("instId", "ETH-USDT-SWAP"),
        ("side", "sell"),
        ("row", None),
    ],
)
def test_an_order_that_cannot_be_read_waits_with_a_reason(
    world: World, field: str, value: Any
) -> None:
    sick, well = world.follower(), world.follower()
    world.fan_out(signal := world.entry())
    spoil(world, sick, field=field, value=value, **LOOK)
    for _ in range(2):
        world.check()
    assert world.intent(signal, well).status == "filled"
    intent = world.intent(signal, sick)
    assert (intent.status, intent.reason_code) == ("working", "order_unreadable")
    assert_told(intent.reason_code, intent.reason_params, intent.reason_params["field"])
    assert (world.held(sick).filled, world.held(sick).target) == (0, 10)
    (alert,) = open_alerts(world)
    assert "paper" in alert_text(alert.code, alert.params)

    world.paper.control.clear_faults()
    world.check()
    intent = world.intent(signal, sick)
    assert (intent.status, intent.reason_code) == ("filled", "")
    assert world.held(sick).filled == 10


def test_an_order_of_unknown_outcome_stays_so_while_it_cannot_be_read(world: World) -> None:
    follower = world.follower()
    world.paper.control.add_fault("drop", booked=True, **PLACE)
    world.fan_out(signal := world.entry())
    world.paper.control.clear_faults()
    spoil(world, field="state", value="gone", **LOOK)
    for _ in range(7):
        _age(world, 60)
        world.check()
    (order,) = world.orders()
    assert (order.state, order.misses, order.reason_code) == ("unknown", 0, "order_unreadable")
    assert world.held(follower).target == 10

    world.paper.control.clear_faults()
    world.check()
    intent = world.intent(signal, follower)
    assert (intent.status, intent.reason_code) == ("filled", "")
    assert len(world.ledger_orders(follower)) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fillSz", "1e999"),
        ("fillSz", "11"),
        ("fillPx", "-1"),
        ("fillPx", "9999999"),
        ("fee", None),
        ("fee", "-100000"),
        ("feeCcy", "DOGE"),
        ("side", "sell"),
        ("tradeId", ""),
        ("ordId", "1"),
        ("clOrdId", "somebodyelse"),
        ("instId", "ETH-USDT-SWAP"),
        ("ts", "yesterday"),
    ],
)
def test_no_books_are_made_of_a_fill_that_cannot_be_right(
    world: World, field: str, value: Any
) -> None:
    follower = world.follower()
    world.fan_out(signal := world.entry())
    spoil(world, field=field, value=value, **FILLS)
    world.check()
    intent = world.intent(signal, follower)
    assert (intent.status, intent.reason_code) == ("working", "order_unreadable")
    assert intent.reason_params == {"field": field}
    held = world.held(follower)
    assert (held.filled, held.fees, held.realised_pnl) == (0, 0, 0)
    with tenant_scope(world.tenant.pk):
        assert not Fill.objects.exists()

    world.paper.control.clear_faults()
    world.check()
    assert (world.intent(signal, follower).status, world.held(follower).filled) == ("filled", 10)


def test_fills_that_can_be_read_count_although_another_cannot(world: World) -> None:
    follower = world.follower(usdt="100000000")
    world.fan_out(signal := world.entry(size="15"))
    spoil(world, field="fillPx", value="?", row=0, **FILLS)
    world.check()
    intent = world.intent(signal, follower)
    assert (intent.status, intent.reason_code) == ("partial", "order_unreadable")
    assert 0 < world.held(follower).filled < 1500
    world.paper.control.clear_faults()
    world.check()
    intent = world.intent(signal, follower)
    assert (intent.status, intent.reason_code) == ("filled", "")
    with tenant_scope(world.tenant.pk):
        booked = sum(Fill.objects.values_list("quantity", flat=True), Decimal(0))
    assert booked == world.held(follower).filled == 1500


@pytest.mark.parametrize(
    ("endpoint", "field", "what"),
    [
        ("account/balance", "eq", "balances"),
        ("account/positions", "pos", "positions"),
        ("account/config", "posMode", "configuration"),
    ],
)
def test_an_account_that_cannot_be_read_opens_nothing_and_gets_out(
    world: World, endpoint: str, field: str, what: str
) -> None:
    sick, well = world.follower(), world.follower()
    world.run(world.entry())
    world.refresh(sick.account_id)
    spoil(world, sick, endpoint=endpoint, field=field, value="Infinity")
    world.refresh(sick.account_id)

    account = world.reload(sick.account)
    assert (account.health, account.health_code) == ("unhealthy", "account_unreadable")
    with tenant_scope(world.tenant.pk):
        assert Balance.objects.filter(account=sick.account).exists()
        assert Position.objects.filter(account=sick.account).exists()
    assert world.reload(well.account).health == "healthy"
    world.run(entry := world.entry("increase"))
    assert world.intent(entry, well).status == "filled"
    denied = world.intent(entry, sick)
    assert (denied.status, denied.reason_code) == ("skipped", "account_unreadable")
    assert denied.reason_params == {"what": what, "field": field}
    assert_told(denied.reason_code, denied.reason_params, field)
    world.run(world.signal("close"))
    assert world.held(sick).filled == 0

    world.paper.control.clear_faults()
    world.refresh(sick.account_id)
    assert world.reload(sick.account).health == "healthy"
    world.run(again := world.entry())
    assert world.intent(again, sick).status == "filled"


def test_a_reading_without_the_keys_check_says_it_too_and_takes_it_back(world: World) -> None:
    follower = world.follower()
    reread = {"account_ids": [follower.account_id], "tenant_id": world.tenant.pk}
    spoil(world, endpoint="account/balance", field="eq", value=[])
    tasks.accounts_refresh(**reread)
    assert world.reload(follower.account).health_code == "account_unreadable"
    world.paper.control.clear_faults()
    tasks.accounts_refresh(**reread)
    assert world.reload(follower.account).health == "healthy"


def test_a_market_that_cannot_be_read_is_not_opened_and_can_be_left(world: World) -> None:
    follower = world.follower()
    world.run(world.entry())
    swaps = [i for i in markets.instruments("paper").values() if i.kind != "spot"]
    row = next(n for n, item in enumerate(swaps) if item.symbol == "BTC/USDT:USDT")
    spoil(world, endpoint="public/instruments", field="lotSz", value="NaN", row=row)
    runtime.close_gateways()
    markets.forget_markets()
    forget_noted()
    world.run(entry := world.entry("increase"))
    intent = world.intent(entry, follower)
    assert (intent.status, intent.reason_code) == ("skipped", "market_unreadable")
    assert_told(intent.reason_code, intent.reason_params, "paper", "BTC/USDT:USDT", "lotSz")
    assert open_alerts(world)
    world.run(closing := world.signal("close"), rounds=20)
    left = world.intent(closing, follower)
    assert (left.status, left.reason_code, left.reason_params) == ("filled", "", {})
    assert world.held(follower).filled == 0


def test_an_alert_of_unreadable_answers_ends_when_there_are_none(world: World) -> None:
    with tenant_scope(world.tenant.pk):
        unreadable.unreadable_note(world.tenant.pk, "paper", "orders", "sz")
        unreadable.unreadable_note(world.tenant.pk, "paper", "orders", "sz")
    assert len(open_alerts(world)) == 1
    assert unreadable.unreadable_alerts_end() == 0
    with tenant_scope(world.tenant.pk):
        Alert.objects.update(seen_at=timezone.now() - timedelta(minutes=11))
    assert unreadable.unreadable_alerts_end() == 1
    assert open_alerts(world) == []


def test_garbage_in_the_answers_to_orders_places_each_once(world: World) -> None:
    followers = [world.follower() for _ in range(12)]
    spoil(world, seed=2, **PLACE)
    world.fan_out(signal := world.entry())
    with tenant_scope(world.tenant.pk):
        states = set(Order.objects.values_list("state", flat=True))
    assert "unknown" in states
    world.paper.control.clear_faults()
    for _ in range(3):
        world.check()
    assert {intent.status for intent in world.intents(signal)} == {"filled"}
    assert [len(world.ledger_orders(follower)) for follower in followers] == [1] * 12

"""A copy that lost as much as its settings allow is closed, ended, and told of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone, translation

from customers.models import Event
from customers.tenancy import tenant_scope
from strategies.end_texts import end_text
from strategies.models import Subscription
from tests.factories import TenantSettingsFactory
from tests.trading.test_ending_copies import end, step
from tests.trading.world import World
from trading import tasks
from trading.alert_texts import alert_text
from trading.models import Alert, Balance, CopiedPosition, EquityDay, Intent
from trading.services.control_state import forget_controls
from trading.services.controls import control_set
from trading.services.instruments import instrument_note
from trading.services.portfolio import valuing
from venues import markets

INST = "BTC-USDT-SWAP"


@pytest.fixture(autouse=True)
def the_price_comes_back(world: World) -> Iterator[None]:
    yield
    world.paper.control.set_price(INST, "60000")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Accounts that are to be compared at once."""
    found: list[str] = []

    def take(task: str, *, account_ids: Sequence[str] = (), **_: Any) -> None:
        if task == "trading.tasks.accounts_compare":
            found.extend(account_ids)

    monkeypatch.setattr(valuing, "wake_swept", take)
    return found


def follower(world: World, **limits: str) -> Subscription:
    return world.follower(settings={"values": limits})


def price_is(world: World, price: str, *copies: Subscription) -> None:
    """As the venue's stream would tell of it."""
    world.paper.control.set_price(INST, price)
    markets.forget_markets()
    for copy in copies:
        world.refresh(copy.account_id)


def watch(world: World, *copies: Subscription) -> list[str]:
    forget_controls()
    tasks.copies_watch()
    return [world.reload(copy).status for copy in copies]


def test_a_market_that_is_gone_leaves_the_limit_in_force(world: World) -> None:
    """Lost there while it was listed: 200. The limit is reached with what is lost elsewhere."""
    copy = follower(world, copy_loss_limit="500")
    world.run(world.entry())
    known = markets.instrument("paper", world.held(copy).symbol)
    assert known is not None
    gone = replace(known, symbol="OLD/USDT:USDT", venue_symbol="OLD-USDT-SWAP")
    instrument_note("paper", gone)
    with tenant_scope(world.tenant.pk):
        CopiedPosition.objects.create(
            tenant=world.tenant,
            subscription=copy,
            account=copy.account,
            customer=copy.customer,
            symbol=gone.symbol,
            realised_pnl=Decimal(-200),
            changed_at=timezone.now(),
        )
    price_is(world, "58000", copy)  # about −200 more
    assert watch(world, copy) == ["active"]
    price_is(world, "56000", copy)  # about −400 more
    assert watch(world, copy) == ["ending"]


def test_the_loss_limit_closes_the_copy_and_ends_it_with_its_reason(world: World) -> None:
    copy, unlimited = follower(world, copy_loss_limit="500"), follower(world)
    world.run(world.entry())  # 0.1 BTC at about 60,000
    price_is(world, "57000", copy, unlimited)  # about −300
    assert watch(world, copy, unlimited) == ["active", "active"]
    price_is(world, "54000", copy, unlimited)  # about −600
    assert watch(world, copy, unlimited) == ["ending", "active"]
    watch(world, copy)
    end(world, copy)

    assert world.held(copy).filled == 0
    assert world.held(unlimited).filled > 0
    ended = world.reload(copy)
    assert ended.end_code == "loss_limit"
    assert Decimal(ended.end_params["loss"]) >= 500
    with tenant_scope(world.tenant.pk):
        assert Intent.objects.get(is_entry=False).cause == Intent.Cause.RISK
        alert = Alert.objects.get(code="copy_limit_reached")
        told = Event.objects.filter(
            kind="subscription.changed", audience=f"customer:{copy.customer_id}"
        )
        assert [event.payload["end_code"] for event in told] == ["loss_limit"] * 2
    for language, words in (("en", "Ended by its loss limit"), ("zh-hans", "亏损上限")):
        with translation.override(language):
            assert words in end_text(ended.end_code, ended.end_params)
            assert words in alert_text(alert.code, alert.params)


def test_what_was_lost_before_counts_while_nothing_is_held(world: World) -> None:
    copy = follower(world, copy_loss_limit="500")
    world.run(world.entry())
    price_is(world, "54000")
    world.run(world.signal("close"))
    assert world.held(copy).filled == 0
    assert watch(world, copy) == ["ending"]
    step(world)
    assert world.reload(copy).status == "stopped"


def test_a_limit_of_the_firm_holds_for_every_copy(world: World) -> None:
    TenantSettingsFactory(tenant=world.tenant, settings={"values": {"copy_loss_limit": "500"}})
    copy = follower(world)
    world.run(world.entry())
    price_is(world, "54000", copy)
    assert watch(world, copy) == ["ending"]


def test_a_fall_of_the_account_s_equity_ends_the_copy(world: World) -> None:
    copy = world.follower(usdt="2000", settings={"values": {"copy_equity_fall_percent": "20"}})
    assert watch(world, copy) == ["active"]
    assert world.reload(copy).equity_base == 2000
    world.run(world.entry())
    price_is(world, "57000", copy)  # −300 of 2,000
    assert watch(world, copy) == ["active"]
    price_is(world, "55000", copy)  # −500 of 2,000
    assert watch(world, copy) == ["ending"]
    assert world.reload(copy).end_code == "equity_fall"
    end(world, copy)
    assert world.held(copy).filled == 0


def test_the_equity_is_that_of_the_present_price(world: World) -> None:
    copy = world.follower(usdt="2000", settings={"values": {"copy_equity_fall_percent": "20"}})
    world.run(world.entry())
    price_is(world, "60000", copy)
    assert watch(world, copy) == ["active"]
    price_is(world, "55000")  # nobody has read the account since
    assert watch(world, copy) == ["ending"]


def test_what_is_moved_out_is_no_loss(world: World, asked: list[str]) -> None:
    copy = world.follower(usdt="2000", settings={"values": {"copy_equity_fall_percent": "20"}})
    watch(world, copy)
    with tenant_scope(world.tenant.pk):
        balance = Balance.objects.filter(account=copy.account)
        day = EquityDay.objects.filter(account=copy.account)
        # A stream tells of the balance first, and only bills tell what became of the rest.
        balance.update(equity=Decimal(1000), equity_usd=Decimal(1000))
        assert watch(world, copy) == ["active"]
        assert asked == [copy.account_id]
        day.update(last=Decimal(1000), moved=Decimal(-1000), cash={"USDT": "1000"})
        assert watch(world, copy) == ["active"]
        day.update(moved=Decimal(-700))
        assert watch(world, copy) == ["ending"]
    assert asked == [copy.account_id]


def test_under_a_halt_it_ends_and_is_closed_when_the_halt_is_over(world: World) -> None:
    copy = follower(world, copy_loss_limit="500")
    world.run(world.entry())
    switch: dict[str, Any] = {
        "level": "tenant",
        "subject_id": world.tenant.pk,
        "reason": "why",
        "actor": None,
    }
    with tenant_scope(world.tenant.pk):
        control_set(mode="halted", **switch)
    price_is(world, "54000", copy)
    assert watch(world, copy) == ["ending"]
    step(world)
    assert world.held(copy).filled > 0
    with tenant_scope(world.tenant.pk):
        control_set(mode="active", **switch)
    end(world, copy)
    assert world.held(copy).filled == 0

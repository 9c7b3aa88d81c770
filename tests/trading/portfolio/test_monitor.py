"""The monitor over accounts on the paper exchange: figures, actions once, nothing twice."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from customers.services.leases import lease_acquire, lease_release
from customers.tenancy import system_scope, tenant_scope
from strategies.end_texts import end_text
from strategies.models import Subscription
from tests.factories import RiskThresholdFactory
from tests.trading.test_ending_copies import end
from tests.trading.world import World
from trading import tasks
from trading.alert_texts import alert_text
from trading.models import AccountRisk, Alert, Intent, Order, RiskAction, TradingControl
from trading.services.control_state import forget_controls
from trading.services.controls import control_set
from trading.services.portfolio.watching import LEASE_NAME, risk_watch
from venues import markets

INST = "BTC-USDT-SWAP"


def price_is(world: World, price: str) -> None:
    world.paper.control.set_price(INST, price)
    markets.forget_markets()


def watch(world: World) -> None:
    forget_controls()
    tasks.risk_watch()


def declare(world: World, copy: Subscription, measure: str, limit: str, action: str,
            **more: Any) -> None:  # fmt: skip
    RiskThresholdFactory(
        tenant=world.tenant, account=copy.account, measure=measure, limit=Decimal(limit),
        action=action, **more,
    )  # fmt: skip


def entered(world: World, usdt: str = "3000") -> Subscription:
    """0.1 BTC at about 60,000, read once since."""
    copy = world.follower(usdt=usdt)
    world.run(world.entry())
    world.refresh(copy.account_id)
    return copy


def left(world: World, copy: Subscription) -> Decimal:
    """By the exchange's ledger."""
    api_key = world.keys[copy.account_id].api_key
    fills = world.paper.control.ledger(api_key)["fills"]
    signed = (Decimal(row["fillSz"]) * (1 if row["side"] == "buy" else -1) for row in fills)
    return sum(signed, Decimal(0))


def actions(world: World) -> list[RiskAction]:
    with tenant_scope(world.tenant.pk):
        return list(RiskAction.objects.order_by("pk"))


def alerts(world: World) -> list[Alert]:
    with tenant_scope(world.tenant.pk):
        return list(Alert.objects.filter(code="risk_threshold").order_by("pk"))


def risk_of(world: World, copy: Subscription) -> AccountRisk:
    with tenant_scope(world.tenant.pk):
        return AccountRisk.objects.get(account=copy.account)


def test_the_figures_are_of_the_present_price(crashing: World) -> None:
    copy = entered(crashing)
    price_is(crashing, "54000")
    watch(crashing)
    row = risk_of(crashing, copy)
    # 3000 − 600 and the fee and spread of the entry; 0.1 BTC
    assert row.equity is not None
    assert 2390 < row.equity < 2400
    assert (row.gross, row.net) == (5400, 5400)
    assert -610 < row.unrealised < -599
    # 3003 ÷ 0.09955 = 30165 is where 0.1 BTC have lost all but 0.45 %
    assert row.distance_percent is not None
    assert row.distance_percent.quantize(Decimal(1)) == 44
    assert row.nearest["symbol"] == "BTC/USDT:USDT"
    assert row.margin_ratio_percent is not None
    assert 11_000 < row.margin_ratio_percent < 11_100  # of 0.4 % of 5400
    assert row.drawdown_percent is not None
    assert row.drawdown_percent.quantize(Decimal(1)) == 20
    assert Decimal(row.strategies[crashing.strategy.pk]["gross"]) == 5400
    assert row.is_complete


def test_a_liquidation_is_foretold_in_words_once_until_it_is_far_again(crashing: World) -> None:
    copy = entered(crashing, usdt="1500")
    watch(crashing)
    assert alerts(crashing) == []
    price_is(crashing, "49000")  # it is liquidated at about 45,200
    for _ in range(3):
        watch(crashing)
    (alert,) = alerts(crashing)
    for language, words in (("en", "will be liquidated when the price"), ("zh-hans", "强平")):
        with translation.override(language):
            assert words in alert_text(alert.code, alert.params)
    assert alert.params["distance"] == alert.params["value"]
    price_is(crashing, "60000")
    watch(crashing)
    (alert,) = alerts(crashing)
    assert alert.resolved_at is not None
    assert crashing.held(copy).filled == 10


def test_positions_are_reduced_once(crashing: World) -> None:
    copy = entered(crashing)
    declare(crashing, copy, "drawdown", "15", "reduce", reduce_percent=Decimal(30))
    price_is(crashing, "54000")
    watch(crashing)
    watch(crashing)
    crashing.check_until(lambda: crashing.held(copy).filled == 7, "three tenths are sold")
    watch(crashing)
    assert left(crashing, copy) == Decimal(7)
    (action,) = actions(crashing)
    assert action.outcome["orders"] == "1"
    assert crashing.held(copy).target == 7
    with tenant_scope(crashing.tenant.pk):
        assert Intent.objects.get(is_entry=False).cause == Intent.Cause.RISK
    # The leader closes half, and so does the copy of what it has left.
    crashing.run(crashing.signal("reduce", size=Decimal("0.5"), size_basis="position_fraction"))
    assert crashing.held(copy).filled == Decimal("3.5")


def test_everything_is_closed_and_the_copies_end(crashing: World) -> None:
    copy, other = entered(crashing), crashing.follower()
    declare(crashing, copy, "daily_loss_percent", "15", "close")
    price_is(crashing, "54000")
    watch(crashing)
    watch(crashing)
    ended = crashing.reload(copy)
    with translation.override("zh-hans"):
        assert "风险" in end_text(ended.end_code, ended.end_params)
    assert (ended.status, ended.end_code) == ("ending", "risk")
    assert crashing.reload(other).status == "active"
    end(crashing, copy)
    assert crashing.reload(copy).status == "stopped"
    assert left(crashing, copy) == 0
    watch(crashing)
    assert len(actions(crashing)) == 1
    with tenant_scope(crashing.tenant.pk):
        assert Order.objects.filter(is_entry=False).count() == 1


def test_entries_stop_and_exits_go_on(crashing: World) -> None:
    copy = entered(crashing)
    declare(crashing, copy, "unrealised_loss", "500", "stop_entries")
    price_is(crashing, "54000")
    watch(crashing)
    forget_controls()
    signal = crashing.entry("increase")
    crashing.run(signal)
    assert crashing.intent(signal, copy).reason_code == "entries_stopped"
    crashing.run(crashing.signal("close"))
    assert crashing.held(copy).filled == 0


def test_a_halt_is_not_loosened(crashing: World) -> None:
    copy = entered(crashing)
    declare(crashing, copy, "unrealised_loss", "500", "stop_entries")
    with tenant_scope(crashing.tenant.pk):
        control_set(
            level="customer", subject_id=copy.customer_id, mode="halted", reason="why", actor=None
        )
    price_is(crashing, "54000")
    watch(crashing)
    with system_scope("test"):
        assert TradingControl.objects.get(subject_id=copy.customer_id).mode == "halted"


def test_what_was_written_down_and_not_done_is_done_later(crashing: World) -> None:
    copy = entered(crashing)
    declare(crashing, copy, "drawdown", "15", "close")
    price_is(crashing, "54000")
    watch(crashing)
    with tenant_scope(crashing.tenant.pk):  # as if the process had died in between
        RiskAction.objects.update(done_at=None)
        Subscription.objects.update(status="active", closes_positions=False, end_code="")
    watch(crashing)
    assert crashing.reload(copy).status == "ending"
    (action,) = actions(crashing)
    assert action.done_at is not None


def test_one_round_at_a_time(crashing: World) -> None:
    lifetime = timedelta(seconds=30)
    assert lease_acquire(name=LEASE_NAME, holder="another", lifetime=lifetime)
    assert not risk_watch()
    lease_release(name=LEASE_NAME, holder="another")
    assert risk_watch()


@pytest.mark.parametrize("more", [4])
def test_the_number_of_queries_is_that_of_one_account(crashing: World, more: int) -> None:
    entered(crashing, usdt="100000")
    watch(crashing)
    with CaptureQueriesContext(connection) as one:
        risk_watch()
    for _ in range(more):
        crashing.follower()
    crashing.run(crashing.entry())
    watch(crashing)
    with CaptureQueriesContext(connection) as many:
        risk_watch()
    assert len(many) == len(one), [query["sql"][:90] for query in many.captured_queries]


def test_figures_of_what_holds_nothing_are_written_seldom(crashing: World) -> None:
    copy = crashing.follower()
    watch(crashing)
    with tenant_scope(crashing.tenant.pk):
        before = timezone.now() - timedelta(seconds=20)
        AccountRisk.objects.update(updated_at=before)
    watch(crashing)
    assert risk_of(crashing, copy).updated_at == before


def test_what_lasted_on_an_account_that_was_closed_is_over(crashing: World) -> None:
    copy = crashing.follower()
    with tenant_scope(crashing.tenant.pk):
        RiskAction.objects.create(
            tenant=crashing.tenant, account=copy.account, measure="drawdown", action="alert",
            value=Decimal(30), limit=Decimal(20), open_key=f"{copy.account_id}:gone",
            reached_at=timezone.now(), done_at=timezone.now(),
        )  # fmt: skip
        type(copy.account).objects.filter(pk=copy.account_id).update(status="closed")
    watch(crashing)
    (action,) = actions(crashing)
    assert action.over_at is not None

"""Thresholds on the sums of a customer, a strategy, a firm and the platform: over accounts on the
paper exchange, once, and for nobody else."""

from __future__ import annotations

import threading
from datetime import timedelta
from decimal import Decimal
from typing import Any
from unittest import mock

import pytest
from django.db import connections
from django.utils import timezone, translation

from customers.models import AuditEntry, ExchangeAccount
from customers.tenancy import system_scope, tenant_scope
from strategies.end_texts import end_text
from strategies.models import Strategy, Subscription
from tests.factories import (
    PlatformThresholdFactory,
    RiskThresholdFactory,
    StrategyFactory,
    TenantFactory,
)
from tests.trading.portfolio.test_monitor import actions, left, price_is, watch
from tests.trading.world import World
from trading.alert_texts import alert_text
from trading.models import (
    Alert,
    Balance,
    PlatformAction,
    PlatformThreshold,
    RiskAction,
    RiskThreshold,
    TradingControl,
)
from trading.risk_texts import action_done_text, action_found_text
from trading.services.control_state import forget_controls
from trading.services.portfolio import acting, valuing, watching
from trading.services.portfolio.watching import risk_watch


def declare(world: World, level: str, measure: str, limit: str, action: str, **more: Any) -> None:
    make = RiskThresholdFactory
    if level == "platform":
        make = PlatformThresholdFactory
    else:
        more = {"tenant": world.tenant, "level": level, **more}
    make(measure=measure, limit=Decimal(limit), action=action, **more)


def two_enter(world: World) -> tuple[Subscription, Subscription]:
    """0.1 BTC at about 60,000 each."""
    copies = world.follower(usdt="3000"), world.follower(usdt="3000")
    world.run(world.entry())
    for copy in copies:
        world.refresh(copy.account_id)
    return copies


def same_customer(world: World, copies: tuple[Subscription, Subscription]) -> str:
    """Both accounts are the first one's customer's."""
    first, second = copies
    with tenant_scope(world.tenant.pk):
        customer_id = first.customer_id
        type(second.account).objects.filter(pk=second.account_id).update(customer_id=customer_id)
        Subscription.objects.filter(pk=second.pk).update(customer_id=customer_id)
        second.copied_positions.update(customer_id=customer_id)
    return customer_id


def platform_actions() -> list[PlatformAction]:
    return list(PlatformAction.objects.order_by("pk"))


def level_alerts(world: World) -> list[Alert]:
    with tenant_scope(world.tenant.pk):
        return list(Alert.objects.filter(code="risk_level").order_by("pk"))


def mode_of(level: str, subject_id: str = "") -> TradingControl | None:
    with system_scope("test"):
        return TradingControl.objects.filter(level=level, subject_id=subject_id).first()


def test_a_sum_is_reached_where_no_account_alone_would(crashing: World) -> None:
    two_enter(crashing)
    declare(crashing, "tenant", "gross_exposure", "11000", "alert")
    declare(crashing, "account", "gross_exposure", "11000", "close")
    for _ in range(3):
        watch(crashing)
    (action,) = actions(crashing)
    assert (action.level, action.account_id) == ("tenant", None)
    assert action.value == 12000
    (alert,) = level_alerts(crashing)
    for language, words in (
        ("en", "All accounts of the firm: The gross exposure is $12000"),
        ("zh-hans", "总敞口"),
    ):
        with translation.override(language):
            assert words in alert_text(alert.code, alert.params)


def test_it_is_over_when_it_has_recovered_and_may_then_come_again(crashing: World) -> None:
    copies = two_enter(crashing)
    declare(crashing, "tenant", "unrealised_loss", "1000", "alert", recovery_percent=Decimal(20))
    for price, reached, lasts in (
        ("54000", 1, True),
        ("55500", 1, True),  # 900: not below 800 yet
        ("56500", 1, False),
        ("54000", 2, True),
    ):
        price_is(crashing, price)
        watch(crashing)
        found = actions(crashing)
        assert len(found) == reached, price
        assert (found[-1].over_at is None) is lasts, price
    assert [alert.resolved_at is None for alert in level_alerts(crashing)] == [False, True]
    assert crashing.held(copies[0]).filled == 10


def test_a_customers_entries_stop_by_his_switch_and_nobody_elses(crashing: World) -> None:
    copies = two_enter(crashing)
    other = crashing.follower()
    customer_id = same_customer(crashing, copies)
    declare(crashing, "customer", "unrealised_loss", "1000", "stop_entries")
    price_is(crashing, "54000")
    watch(crashing)
    control = mode_of("customer", customer_id)
    assert control is not None
    assert control.mode == "reducing"
    assert "unrealised_loss 12" in control.reason
    assert "1000.00" in control.reason
    assert mode_of("customer", other.customer_id) is None
    forget_controls()
    signal = crashing.entry("increase")
    crashing.run(signal)
    assert crashing.intent(signal, copies[1]).reason_code == "entries_stopped"
    assert crashing.intent(signal, other).reason_code != "entries_stopped"


def test_a_strategy_is_reduced_once_and_others_are_not(crashing: World) -> None:
    copies = two_enter(crashing)
    with tenant_scope(crashing.tenant.pk):
        source = crashing.strategy.source
        elsewhere = StrategyFactory(source=source, tenant=crashing.tenant)
    declare(
        crashing, "strategy", "gross_exposure", "11000", "reduce", reduce_percent=Decimal(30),
        strategy=elsewhere,
    )  # fmt: skip
    watch(crashing)
    assert actions(crashing) == []  # that one holds nothing
    declare(
        crashing, "strategy", "gross_exposure", "11000", "reduce", reduce_percent=Decimal(30),
        strategy=crashing.strategy,
    )  # fmt: skip
    watch(crashing)
    watch(crashing)
    for copy in copies:
        crashing.check_until(lambda copy=copy: crashing.held(copy).filled == 7, "three tenths")
    watch(crashing)
    assert [left(crashing, copy) for copy in copies] == [7, 7]
    (action,) = actions(crashing)
    assert (action.strategy_id, action.outcome["orders"]) == (crashing.strategy.pk, "2")


def test_the_whole_firm_is_closed_and_another_firm_is_not(crashing: World) -> None:
    copies = two_enter(crashing)
    stranger = make_stranger(crashing)
    declare(crashing, "tenant", "daily_loss_percent", "15", "close")
    price_is(crashing, "54000")
    watch(crashing)
    for copy in copies:
        ended = crashing.reload(copy)
        assert (ended.status, ended.end_code) == ("ending", "risk")
        with translation.override("zh-hans"):
            assert "多" in end_text(ended.end_code, ended.end_params)
    with tenant_scope(stranger.tenant_id):
        stranger.refresh_from_db()
        assert not RiskAction.objects.exists()
        assert not Alert.objects.exists()
    assert stranger.status == "active"


def make_stranger(world: World, *, enters: bool = False) -> Subscription:
    """Another firm's copy, on an account that is on the same exchange."""
    own = world.tenant, world.source, world.strategy
    world.tenant = TenantFactory()
    with tenant_scope(world.tenant.pk):
        world.strategy = StrategyFactory(tenant=world.tenant, source__tenant=world.tenant)
        world.source = world.strategy.source
        copy = world.follower()
    if enters:
        world.run(world.entry())
        world.refresh(copy.account_id)
    world.tenant, world.source, world.strategy = own
    return copy


@pytest.mark.parametrize("dies_at", ["_end_copies", "alert_raise"])
def test_what_a_dying_process_left_is_done_once_later(crashing: World, dies_at: str) -> None:
    copies = two_enter(crashing)
    declare(crashing, "tenant", "drawdown", "15", "close")
    price_is(crashing, "54000")
    with mock.patch.object(acting, dies_at, side_effect=SystemExit), pytest.raises(SystemExit):
        watch(crashing)
    watch(crashing)
    watch(crashing)
    assert {crashing.reload(copy).status for copy in copies} == {"ending"}
    (action,) = actions(crashing)
    assert action.done_at is not None
    assert action.outcome == {"copies": "2"}
    assert len(level_alerts(crashing)) == 1


def test_a_process_that_dies_after_reducing_leaves_a_true_account_of_it(crashing: World) -> None:
    copies = two_enter(crashing)
    declare(crashing, "tenant", "drawdown", "15", "reduce", reduce_percent=Decimal(30))
    price_is(crashing, "54000")
    with (
        mock.patch.object(acting, "alert_raise", side_effect=SystemExit),
        pytest.raises(SystemExit),
    ):
        watch(crashing)
    watch(crashing)
    (action,) = actions(crashing)
    assert action.outcome["orders"] == "2"
    assert len(level_alerts(crashing)) == 1
    for copy in copies:
        crashing.check_until(lambda copy=copy: crashing.held(copy).filled == 7, "three tenths")


def test_one_copy_that_cannot_end_keeps_no_other_from_it(crashing: World) -> None:
    first, second = two_enter(crashing)
    declare(crashing, "tenant", "drawdown", "15", "close")
    price_is(crashing, "54000")
    sound = acting.subscription_end

    def broken(*, subscription: Subscription, **more: Any) -> Subscription:
        if subscription.pk == min(first.pk, second.pk):
            raise RuntimeError("broken")
        return sound(subscription=subscription, **more)

    with mock.patch.object(acting, "subscription_end", broken):
        watch(crashing)
    found = sorted((first, second), key=lambda copy: copy.pk)
    assert [crashing.reload(copy).status for copy in found] == ["active", "ending"]
    assert actions(crashing)[0].done_at is None
    watch(crashing)
    assert {crashing.reload(copy).status for copy in found} == {"ending"}
    assert actions(crashing)[0].outcome == {"copies": "2"}


def test_two_monitors_at_once_do_it_once(crashing: World) -> None:
    """Without the lease that has one of them wait."""
    copies = two_enter(crashing)
    declare(crashing, "tenant", "drawdown", "15", "reduce", reduce_percent=Decimal(30))
    declare(crashing, "customer", "daily_loss", "500", "stop_entries")
    declare(crashing, "account", "daily_loss", "500", "alert")
    price_is(crashing, "54000")
    meeting = threading.Barrier(2)

    def monitor() -> None:
        try:
            meeting.wait(30)
            for _ in range(3):
                risk_watch()
        finally:
            connections.close_all()

    with mock.patch.object(watching, "lease_acquire", return_value=True):
        threads = [threading.Thread(target=monitor) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
    watch(crashing)
    found = actions(crashing)
    assert sorted(action.level for action in found) == [
        *["account"] * 2,
        *["customer"] * 2,
        "tenant",
    ]
    assert all(action.done_at for action in found)
    (reduction,) = [action for action in found if action.level == "tenant"]
    assert reduction.outcome["orders"] == "2"
    for copy in copies:
        crashing.check_until(lambda copy=copy: crashing.held(copy).filled == 7, "three tenths")
    crashing.check()
    assert [left(crashing, copy) for copy in copies] == [7, 7]
    assert len(level_alerts(crashing)) == 3
    for copy in copies:
        control = mode_of("customer", copy.customer_id)
        assert control is not None
        assert control.mode == "reducing"
    with tenant_scope(crashing.tenant.pk):
        assert AuditEntry.objects.filter(action="control.set").count() == 2


@pytest.mark.parametrize("level", ["account", "tenant"])
def test_a_deposit_does_not_reduce_twice(crashing: World, level: str) -> None:
    """A stream tells of a higher balance before bills tell that it was not won."""
    copies = two_enter(crashing)
    declare(crashing, level, "daily_loss", "500", "reduce", reduce_percent=Decimal(30))
    price_is(crashing, "54000")
    watch(crashing)
    for copy in copies:
        crashing.check_until(lambda copy=copy: crashing.held(copy).filled == 7, "three tenths")
        crashing.refresh(copy.account_id)
    done = len(actions(crashing))
    for copy in copies:
        crashing.paper.control.call(
            "POST", "deposits",
            {"apiKey": crashing.keys[copy.account_id].api_key, "ccy": "USDT", "amt": "5000"},
        )  # fmt: skip
        with tenant_scope(crashing.tenant.pk):
            (balance,) = Balance.objects.filter(account=copy.account_id)
            for name in ("equity", "available", "equity_usd"):
                setattr(balance, name, getattr(balance, name) + 5000)
            balance.save()
    watch(crashing)
    assert [action.over_at for action in actions(crashing)] == [None] * done
    for copy in copies:
        crashing.refresh(copy.account_id)
    watch(crashing)
    watch(crashing)
    assert [action.over_at for action in actions(crashing)] == [None] * done
    assert [left(crashing, copy) for copy in copies] == [7, 7]


def test_a_strategy_that_was_closed_may_be_closed_again_at_once(crashing: World) -> None:
    copy = two_enter(crashing)[0]
    declare(
        crashing, "strategy", "leverage", "1.5", "reduce", reduce_percent=Decimal(99),
        strategy=crashing.strategy,
    )  # fmt: skip
    watch(crashing)
    crashing.check_until(lambda: crashing.held(copy).filled < 1, "all but a rest")
    crashing.run(crashing.signal("close"))
    watch(crashing)
    assert [action.over_at is None for action in actions(crashing)] == [False]
    crashing.run(crashing.entry())
    watch(crashing)
    assert [action.over_at is None for action in actions(crashing)] == [False, True]


def test_nothing_is_over_because_a_market_is_not_known_for_a_while(crashing: World) -> None:
    two_enter(crashing)
    declare(crashing, "strategy", "gross_exposure", "11000", "alert", strategy=crashing.strategy)
    watch(crashing)
    with mock.patch.object(valuing, "instrument_of_order", return_value=None):
        watch(crashing)
    (action,) = actions(crashing)
    assert action.over_at is None


def test_a_threshold_that_became_another_one_is_judged_anew(crashing: World) -> None:
    copies = two_enter(crashing)
    declare(crashing, "tenant", "gross_exposure", "11000", "alert")
    declare(crashing, "account", "gross_exposure", "5000", "alert")
    declare(crashing, "platform", "gross_exposure", "11000", "alert")
    watch(crashing)
    with system_scope("test"):
        RiskThreshold.objects.update(action="stop_entries")
    PlatformThreshold.objects.update(action="stop_entries")
    watch(crashing)
    watch(crashing)
    with tenant_scope(crashing.tenant.pk):
        lasting = RiskAction.objects.filter(open_key__isnull=False)
        found = {action.action for action in lasting}
    assert found == {"stop_entries"}
    assert [action.action for action in platform_actions()] == ["alert", "stop_entries"]
    for level, subject in (("tenant", crashing.tenant.pk), ("customer", copies[0].customer_id)):
        control = mode_of(level, subject)
        assert control is not None
        assert control.mode == "reducing"


def test_a_sum_of_old_readings_says_so_and_does_not_end_what_lasts(crashing: World) -> None:
    copies = two_enter(crashing)
    declare(crashing, "tenant", "unrealised_loss", "1000", "alert")
    with tenant_scope(crashing.tenant.pk):
        old = timezone.now() - timedelta(hours=1)
        ExchangeAccount.objects.filter(pk=copies[0].account_id).update(synced_at=old)
    price_is(crashing, "54000")
    watch(crashing)
    (action,) = actions(crashing)
    assert "Of the 2 accounts in it, 1 count as they were read a while ago" in action_found_text(
        action
    )
    price_is(crashing, "60000")
    watch(crashing)
    assert actions(crashing)[0].over_at is None  # what it holds today is not known
    crashing.refresh(copies[0].account_id)
    watch(crashing)
    assert actions(crashing)[0].over_at is not None


def test_the_platforms_sum_is_of_all_firms_and_told_to_none(crashing: World) -> None:
    copies = two_enter(crashing)
    stranger = make_stranger(crashing)
    declare(crashing, "platform", "gross_exposure", "11000", "stop_entries")
    for _ in range(3):
        watch(crashing)
    (action,) = platform_actions()
    assert action.value == 12000
    assert "whole platform" in action_done_text(action)
    control = mode_of("platform")
    assert control is not None
    assert control.mode == "reducing"
    assert "gross_exposure" in control.reason
    assert "12000" not in control.reason  # a firm reads this, and could tell what others hold
    for tenant_id in (crashing.tenant.pk, stranger.tenant_id):
        with tenant_scope(tenant_id):
            alert = Alert.objects.get(code="risk_level")
            assert "12000" not in str(alert.params)
            assert "whole platform" in alert_text(alert.code, alert.params)
    crashing.run(crashing.signal("close"))
    assert crashing.held(copies[0]).filled == 0
    for copy in copies:
        crashing.refresh(copy.account_id)
    watch(crashing)
    (action,) = platform_actions()
    assert action.over_at is not None
    with system_scope("test"):
        assert not Alert.objects.filter(open_key__isnull=False, code="risk_level").exists()
    assert mode_of("platform").mode == "reducing"  # type: ignore[union-attr]  # staff let it go


def test_the_platform_is_reduced_and_closed_in_every_firm(crashing: World) -> None:
    copies = two_enter(crashing)
    stranger = make_stranger(crashing, enters=True)
    declare(crashing, "platform", "gross_exposure", "17000", "reduce", reduce_percent=Decimal(30))
    watch(crashing)
    for copy in copies:
        crashing.check_until(lambda copy=copy: crashing.held(copy).filled == 7, "three tenths")
    declare(crashing, "platform", "gross_exposure", "5000", "close")
    watch(crashing)
    assert {crashing.reload(copy).status for copy in copies} == {"ending"}
    with tenant_scope(stranger.tenant_id):
        assert Subscription.objects.get().status == "ending"
    assert [action.action for action in platform_actions()] == ["reduce", "close"]


def test_what_lasted_of_a_threshold_that_is_gone_is_over(crashing: World) -> None:
    two_enter(crashing)
    declare(crashing, "tenant", "gross_exposure", "11000", "alert")
    declare(crashing, "platform", "gross_exposure", "11000", "alert")
    watch(crashing)
    with tenant_scope(crashing.tenant.pk):
        type(RiskThresholdFactory._meta.model.objects.get()).objects.all().delete()
    type(platform_actions()[0].threshold).objects.all().delete()
    watch(crashing)
    assert actions(crashing)[0].over_at is not None
    assert platform_actions()[0].over_at is not None


def test_a_strategy_has_no_share_of_its_followers_other_losses(crashing: World) -> None:
    """Only what its copies hold counts: another strategy of the same source holds the same."""
    copy = two_enter(crashing)[0]
    with tenant_scope(crashing.tenant.pk):
        assert Strategy.objects.count() == 1
    declare(crashing, "strategy", "margin_used", "35", "alert")
    watch(crashing)
    (action,) = actions(crashing)
    # 12000 at five times of about 6000
    assert 39 < action.value < 41
    assert action.strategy_id == copy.strategy_id

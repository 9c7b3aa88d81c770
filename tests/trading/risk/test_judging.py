"""All rules on one entry, and what is true of every rule whatever the facts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D
from pathlib import Path

import pytest
from django.utils import translation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strategies.domain.settings import SPECS, CopySettings
from tests.trading.plans import follower, held, orders, say
from tests.trading.risk.entries import DOGE, INVERSE, LINEAR, NOW, SPOT, book, entry
from trading.domain.planning import Instruction, plan_follower
from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk import (
    ALLOW,
    RULES,
    ControlMode,
    Controls,
    CopyFacts,
    Deny,
    EntryFacts,
    EquityFacts,
    Fact,
    MarketFacts,
    Reduce,
    facts_asked,
    judge_entry,
    order_book,
)
from trading.reason_texts import reason_text

OPEN = Controls()


# --- the registry --------------------------------------------------------------------------------


def test_every_rule_has_a_place_of_its_own_and_a_table_of_cases() -> None:
    places = [rule.place for rule in RULES]
    assert places == sorted(set(places))
    assert len(RULES) >= 23
    here = Path(__file__).parent
    for rule in RULES:
        assert (here / f"test_{rule.name}.py").exists(), rule.name
        assert (Path(rule.judge.__code__.co_filename)).stem == rule.name


def test_rules_are_switched_by_settings_that_exist() -> None:
    for rule in RULES:
        assert set(rule.settings) <= set(SPECS), rule.name
        assert not rule.asks or rule.settings, f"{rule.name} would be loaded for everybody"


def test_nobody_is_loaded_anything_for_who_asks_for_nothing() -> None:
    assert facts_asked(CopySettings()) == frozenset()
    assert facts_asked(CopySettings(total_cap=D(5))) == {Fact.EXPOSURE}
    both = CopySettings(max_depth_percent=D(5), funding_guard_minutes=5)
    assert facts_asked(both) == {Fact.ORDER_BOOK, Fact.DEMAND, Fact.FUNDING}
    assert facts_asked(CopySettings(funding_guard_minutes=0)) == frozenset()


# --- together ------------------------------------------------------------------------------------


def test_the_first_denial_wins_and_the_kill_switch_is_before_all() -> None:
    facts = entry(account_healthy=False, settings={"close_only": True}, available=None)
    assert judge_entry(facts, OPEN) == Deny(Reason(ReasonCode.ACCOUNT_UNHEALTHY))
    halted = Controls(tenant=ControlMode.HALTED)
    assert judge_entry(facts, halted) == Deny(Reason(ReasonCode.TENANT_HALTED))


def test_each_reduction_is_judged_by_the_rules_after_it() -> None:
    facts = entry(
        replace(LINEAR, max_market_size=D(8)),
        settings={
            "symbol_exposure_cap": "3000",
            "account_exposure_cap": "5000",
            "total_cap": "400",
        },
        copy={"symbol_exposure": "0", "account_exposure": "3000", "invested": "0"},
    )
    # 10 → 8 by the venue → 6 by the symbol → 4 by the account; 4 × 500 ÷ 5 = 400 is the cap.
    verdict = judge_entry(facts, OPEN)
    assert isinstance(verdict, Reduce)
    assert (verdict.quantity, verdict.reason.code) == (D(4), ReasonCode.ACCOUNT_EXPOSURE)


def test_what_is_cut_below_the_venues_minimum_says_which_rule_cut_it() -> None:
    facts = entry(settings={"symbol_exposure_cap": "400"}, copy={"symbol_exposure": "0"})
    verdict = judge_entry(facts, OPEN)
    assert isinstance(verdict, Deny)
    assert verdict.reason.code is ReasonCode.SYMBOL_EXPOSURE


def test_an_entry_cut_by_a_cap_is_ordered_in_lots_and_the_rest_is_forgotten() -> None:
    """1,750 of room are three contracts and a half."""
    one = follower(
        settings=CopySettings(symbol_exposure_cap=D(1750)), copy=CopyFacts(symbol_exposure=D(0))
    )
    plan = plan_follower(say("open", 10), one)
    assert [leg.quantity for leg in plan.legs] == [D(3)]
    assert plan.target == 3


def test_a_sale_is_judged_as_a_sale() -> None:
    """49,500 is a better price than the leader's for who buys, and 1 % worse for who sells."""
    one = follower(leader_price=D(50_000), price=D(49_500))
    assert orders(plan_follower(say("open", 4, 1), one))
    plan = plan_follower(say("open", 4, -1), one)
    assert plan.legs[0].reason is not None
    assert plan.legs[0].reason.code is ReasonCode.PRICE_DEVIATION


# --- whatever the facts --------------------------------------------------------------------------

AMOUNTS = (
    st.none()
    | st.sampled_from([D(0), D(-7), D("0.00000001"), D(10) ** 15])
    | st.decimals(min_value=-(10**6), max_value=10**6, places=4)
)
POSITIVE = st.none() | st.decimals(min_value="0.0001", max_value=10**6, places=4)
COUNTS = st.none() | st.integers(1, 10)
FLAGS = st.booleans()
TIMES = st.integers(-10_000, 10_000).map(lambda seconds: NOW + timedelta(seconds=seconds))
LEVELS = st.lists(
    st.tuples(st.decimals(1, 10**5, places=1), st.decimals(0, 100, places=2)), max_size=5
)
SETTINGS = st.builds(
    CopySettings,
    total_cap=POSITIVE,
    symbol_exposure_cap=POSITIVE,
    account_exposure_cap=POSITIVE,
    max_leverage=st.none() | st.decimals(1, 125, places=1),
    free_margin_reserve_percent=st.none() | st.decimals(0, 100, places=1),
    allowed_symbols=st.none() | st.just(frozenset({LINEAR.symbol, SPOT.symbol})),
    denied_symbols=st.sampled_from([frozenset(), frozenset({INVERSE.symbol})]),
    close_only=FLAGS,
    trading_hours=st.none() | st.just(("thu 09:00-13:00",)),
    max_entry_slippage_percent=POSITIVE,
    signal_lifetime_seconds=COUNTS,
    max_open_positions=COUNTS,
    max_orders_per_minute=COUNTS,
    max_spread_percent=POSITIVE,
    max_depth_percent=POSITIVE,
    min_liquidation_distance_percent=st.none() | st.decimals(0, 100, places=1),
    funding_guard_minutes=st.none() | st.integers(0, 480),
    daily_loss_limit=POSITIVE,
    daily_loss_limit_percent=POSITIVE,
    drawdown_limit_percent=POSITIVE,
    cooldown_after_stops=COUNTS,
    cooldown_minutes=st.none() | st.integers(0, 100),
)
ENTRIES = st.builds(
    EntryFacts,
    now=st.just(NOW),
    expires_at=TIMES,
    symbol=st.sampled_from([LINEAR.symbol, INVERSE.symbol]),
    strategy_active=FLAGS,
    subscription_active=FLAGS,
    account_active=FLAGS,
    account_checked=FLAGS,
    account_healthy=FLAGS,
    customer_active=FLAGS,
    account_reconciled=FLAGS,
    instrument=st.sampled_from(
        [LINEAR, INVERSE, SPOT, DOGE, replace(LINEAR, max_market_size=D(2))]
    ),
    quantity=st.decimals(0, 10**6, places=3),
    price=st.sampled_from([D(0), D("0.00001"), D(50_000)]),
    leverage=st.sampled_from([D(0), D(1), D(5), D(125)]),
    available=AMOUNTS,
    equity=AMOUNTS,
    currency=st.just("USDT"),
    settings=SETTINGS,
    is_limit=FLAGS,
    direction=st.sampled_from([1, -1]),
    signal_at=st.none() | TIMES,
    local_now=st.none() | st.just(NOW),
    leader_price=AMOUNTS,
    margin_mode=st.sampled_from(["cross", "isolated", "cash", ""]),
    copy=st.builds(
        CopyFacts,
        invested=AMOUNTS,
        symbol_exposure=AMOUNTS,
        account_exposure=AMOUNTS,
        open_positions=st.none() | st.integers(0, 20),
        is_in_symbol=FLAGS,
        recent_orders=st.none() | st.integers(0, 20),
        stops=st.none()
        | st.lists(TIMES, max_size=12).map(lambda at: tuple(sorted(at, reverse=True))),
    ),
    account=st.builds(EquityFacts, now=AMOUNTS, day_start=AMOUNTS, peak=AMOUNTS),
    market=st.builds(
        MarketFacts,
        book=st.none() | st.builds(order_book, LEVELS, LEVELS),
        demand=AMOUNTS,
        funding_rate=st.none() | st.decimals(-1, 1, places=4),
        funding_at=st.none() | TIMES,
    ),
)
MANY = settings(max_examples=800, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@MANY
@given(ENTRIES)
def test_no_rule_raises_and_none_makes_an_entry_larger(facts: EntryFacts) -> None:
    for rule in RULES:
        verdict = rule.judge(facts)
        if isinstance(verdict, Reduce):
            assert 0 <= verdict.quantity <= facts.quantity, rule.name
        if verdict is not ALLOW:
            assert not isinstance(verdict, Deny | Reduce) or "%(" not in reason_text(
                verdict.reason.code, verdict.reason.params
            ), rule.name
    judge_entry(facts, OPEN)


@MANY
@given(ENTRIES)
def test_a_rule_that_is_off_allows_everything(facts: EntryFacts) -> None:
    for rule in RULES:
        if not rule.is_on(facts.settings):
            assert rule.judge(facts) is ALLOW, rule.name


EXITS = [
    say("close", direction=0),
    say("reduce", fraction="0.5", direction=0),
    say("reduce", 3),
    say("set_target", 2),
    say("set_target", 0),
]


@MANY
@given(st.sampled_from(EXITS), ENTRIES)
def test_no_rule_blocks_or_changes_an_exit(exit_signal: Instruction, facts: EntryFacts) -> None:
    free = follower(held(6))
    barred = replace(free, entry=facts)
    plan = plan_follower(exit_signal, free)
    assert orders(plan)
    assert plan_follower(exit_signal, barred) == plan


# --- what is said --------------------------------------------------------------------------------


@pytest.mark.parametrize("code", list(ReasonCode))
def test_every_reason_has_a_text_in_both_languages(code: ReasonCode) -> None:
    english = reason_text(code)
    assert english != code.value
    with translation.override("zh-hans"):
        assert reason_text(code) != english


def test_a_reason_is_told_with_its_numbers() -> None:
    facts = entry(price="50255", leader_price="50000")
    verdict = judge_entry(facts, OPEN)
    assert isinstance(verdict, Deny)
    said = reason_text(verdict.reason.code, verdict.reason.params)
    assert said == "The price of 50255 is 0.51 % worse than the leader's 50000; the limit is 0.5 %."


def test_an_order_book_counts_from_the_best_price_on() -> None:
    found = book("49900×50 49750×200", "50250×200 50100×100")
    assert found.asks == ((D(50100), D(100)), (D(50250), D(300)))
    assert found.bids == ((D(49900), D(50)), (D(49750), D(250)))
    depths = [found.depth(1, D(price)) for price in (50_000, 50_100, 50_249, 50_250, 60_000)]
    assert depths == [0, 100, 100, 300, 300]
    assert [found.depth(-1, D(price)) for price in (49_901, 49_900, 49_000)] == [0, 50, 250]

"""When thresholds are reached, stay so and are over, by hand-made numbers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from decimal import Decimal

import pytest

from tests.trading.portfolio.holdings import D, account, linear, record, usdt
from trading.domain.portfolio.figures import Figures
from trading.domain.portfolio.thresholds import (
    FORECAST,
    Measure,
    Reached,
    RiskAct,
    Threshold,
    is_undecided,
    measured,
    thresholds_compared,
    thresholds_in_force,
)

NONE = account(usdt(20000), since=record(20000, 20000))
"""Nothing held."""


def held(price: int, **more: object) -> Figures:
    """1 BTC at 60000 on 20000, which were there this morning and never more."""
    position = linear(100, 60000, price, reported_price=60000, reported_pnl=0, **more)
    return account(usdt(20000), holds=(position,), since=record(20000, 20000))


def compared(
    figures: Figures, thresholds: list[Threshold], lasting: Collection[str]
) -> tuple[list[Reached], list[str]]:
    return thresholds_compared(figures.as_kept(), figures.as_earned(), thresholds, lasting)


def limit(measure: Measure, value: str, recovery: str = "10", id_: str = "a") -> Threshold:
    return Threshold(id_, measure, D(value), D(recovery), RiskAct.ALERT)


@pytest.mark.parametrize(
    ("measure", "price", "value"),
    [
        (Measure.UNREALISED_LOSS, 54000, "6000"),
        (Measure.UNREALISED_LOSS, 61000, "-1000"),
        (Measure.DAILY_LOSS, 54000, "6000"),
        (Measure.DAILY_LOSS_PERCENT, 54000, "30"),
        (Measure.DRAWDOWN, 54000, "30"),
        (Measure.GROSS_EXPOSURE, 54000, "54000"),
        (Measure.NET_EXPOSURE, 54000, "54000"),
        (Measure.LEVERAGE, 50000, "5"),
        (Measure.MARGIN_RATIO, 50000, "2000"),
    ],
)
def test_what_is_measured(measure: Measure, price: int, value: str) -> None:
    assert measured(held(price), measure) == D(value)


@pytest.mark.parametrize(
    ("threshold", "figures", "lasts", "reached", "over"),
    [
        (limit(Measure.DRAWDOWN, "30"), held(54000), False, True, False),  # exactly
        (limit(Measure.DRAWDOWN, "30"), held(54001), False, False, False),
        (limit(Measure.DRAWDOWN, "30"), held(53000), True, False, False),  # not once more
        (limit(Measure.DRAWDOWN, "30"), held(54500), True, False, False),  # 27.5: not under 27 yet
        (limit(Measure.DRAWDOWN, "30"), held(54700), True, False, True),  # 26.5
        (limit(Measure.DAILY_LOSS, "6000", "50"), held(56500), True, False, False),  # 3500
        (limit(Measure.DAILY_LOSS, "6000", "50"), held(57100), True, False, True),  # 2900
        # 10 %, by the venue's liquidation price of 48600
        (limit(Measure.LIQUIDATION_DISTANCE, "10"), held(54000, liquidation_price=48600),
         False, True, False),
        (limit(Measure.LIQUIDATION_DISTANCE, "10"), held(54500, liquidation_price=48600),
         False, False, False),
        (limit(Measure.LIQUIDATION_DISTANCE, "10"), held(54500, liquidation_price=48600),
         True, False, False),  # 10.8: not above 11 yet
        (limit(Measure.LIQUIDATION_DISTANCE, "10"), held(54700, liquidation_price=48600),
         True, False, True),  # 11.2
        (limit(Measure.LIQUIDATION_DISTANCE, "10"), NONE, False, False, False),
        (limit(Measure.LIQUIDATION_DISTANCE, "10"), NONE, True, False, True),  # closed meanwhile
        (limit(Measure.MARGIN_RATIO, "2000"), held(50000), False, True, False),
        (limit(Measure.MARGIN_RATIO, "2000"), NONE, True, False, True),
        (limit(Measure.LEVERAGE, "5"), held(50000), False, True, False),
        (limit(Measure.LEVERAGE, "5"), held(39000), False, True, False),  # worth less than nothing
        (limit(Measure.LEVERAGE, "5"), account(usdt(0)), True, False, True),  # all is gone
        (limit(Measure.UNREALISED_LOSS, "1"), NONE, False, False, False),
        # a balance that is not known: nothing is reached, nothing is over
        (limit(Measure.DRAWDOWN, "1"), account(), False, False, False),
        (limit(Measure.DRAWDOWN, "1"), account(), True, False, False),
        (limit(Measure.LIQUIDATION_DISTANCE, "10"), account(), True, False, False),
    ],
)  # fmt: skip
def test_once_until_it_has_recovered(
    threshold: Threshold, figures: Figures, lasts: bool, reached: bool, over: bool
) -> None:
    found, ended = compared(figures, [threshold], {"a"} if lasts else set())
    assert bool(found) is reached
    assert bool(ended) is over


def test_what_cannot_be_priced_ends_nothing() -> None:
    unpriced = account(usdt(20000), holds=(linear(100, 60000, None),), since=record(20000, 20000))
    assert compared(unpriced, [limit(Measure.DRAWDOWN, "30")], {"a"}) == ([], [])


def test_a_withdrawal_reaches_nothing_and_a_loss_ends_nothing() -> None:
    """1000 are missing of 20000, and nobody knows yet where they went."""
    missing = account(usdt(19000), since=record(20000, 20000), compared=(usdt(20000),))
    assert compared(missing, [limit(Measure.DRAWDOWN, "5")], ()) == ([], [])
    assert compared(missing, [limit(Measure.DRAWDOWN, "5")], {"a"}) == ([], [])
    lost = account(usdt(19000), since=record(20000, 20000), compared=(usdt(19000),))
    assert compared(lost, [limit(Measure.DRAWDOWN, "5")], ())[0]
    withdrawn = account(usdt(19000), since=record(19000, 19000), compared=(usdt(19000),))
    assert compared(withdrawn, [limit(Measure.DRAWDOWN, "5")], {"a"})[1] == ["a"]


def test_a_deposit_ends_nothing_before_it_is_counted() -> None:
    """2000 of 20000 were lost, and 2000 came that might as well have been won."""
    lost = [limit(Measure.DRAWDOWN, "5"), limit(Measure.DAILY_LOSS, "1000", id_="b")]
    came = account(usdt(20000), since=record(20000, 20000), compared=(usdt(18000),))
    assert compared(came, lost, {"a", "b"}) == ([], [])
    assert compared(came, lost, ()) == ([], [])
    counted = account(usdt(20000), since=record(22000, 22000), compared=(usdt(20000),))
    assert compared(counted, lost, {"a", "b"}) == ([], [])
    won = account(usdt(20000), since=record(20000, 20000), compared=(usdt(20000),))
    assert sorted(compared(won, lost, {"a", "b"})[1]) == ["a", "b"]


@pytest.mark.parametrize(
    ("now", "counted", "lasting", "undecided"),
    [
        (19000, 20000, (), True),  # a withdrawal, or a loss of 5 %
        (19500, 20000, (), False),
        (19000, 20000, ("a",), True),  # it lasts, or nothing was lost
        (20000, 19000, (), True),  # a deposit hides what was lost, or it was won back
        (20000, 19000, ("a",), True),
        (18000, 19000, ("a",), False),
    ],
)
def test_what_only_the_bills_can_decide(
    now: int, counted: int, lasting: tuple[str, ...], undecided: bool
) -> None:
    figures = account(usdt(now), since=record(20000, 20000), compared=(usdt(counted),))
    rows = [limit(Measure.DRAWDOWN, "5")]
    assert is_undecided(figures.as_kept(), figures.as_earned(), rows, lasting) is undecided


def test_a_threshold_that_is_gone_is_over() -> None:
    assert compared(held(50000), [], {"gone"}) == ([], ["gone"])


def test_each_of_several_is_for_itself() -> None:
    mild = limit(Measure.DRAWDOWN, "10", id_="mild")
    hard = replace(limit(Measure.DRAWDOWN, "40", id_="hard"), act=RiskAct.CLOSE)
    found, _ = compared(held(54000), [mild, hard], set())
    assert [(each.threshold.id, each.value) for each in found] == [("mild", Decimal(30))]
    found, _ = compared(held(52000), [mild, hard], {"mild"})
    assert [each.threshold.id for each in found] == ["hard"]


def test_who_states_nothing_of_liquidations_is_warned_all_the_same() -> None:
    stated = limit(Measure.DRAWDOWN, "10")
    assert thresholds_in_force([stated]) == [stated, FORECAST]
    own = limit(Measure.LIQUIDATION_DISTANCE, "5")
    assert thresholds_in_force([own]) == [own]

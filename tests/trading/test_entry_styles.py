"""How an entry goes out by the copy's settings, and in which order it goes on; each by hand.

Contracts of 0.01 BTC; the leader traded at 50,000 unless a row says otherwise.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from strategies.domain.settings import CopySettings, Execution, TradeDirection, sizing_terms
from strategies.domain.sizing import SizingMode
from tests.trading.plans import BTC, LONG, NOW, SHORT, follower, held, orders, reason, say
from trading.domain.going_on import (
    NextOrder,
    Unchangeable,
    WaitingEntry,
    amendment_problem,
    next_order,
)
from trading.domain.planning import AT_MARKET, Follower, Style, in_style, plan_follower
from trading.domain.risk import CopyFacts

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
IOC = {"execution": Execution.IOC_LIMIT}
BETTER = {"execution": Execution.LIMIT_FOLLOW, "limit_follow_percent": D(2)}
ODD = BETTER | {"limit_follow_percent": D("1.0001")}
ODD_PRICE = {"leader_price": D("50000.07")}
SLICED = {
    "execution": Execution.SLICED,
    "slice_count": 4,
    "slice_interval_seconds": 30,
    "sliced_above": D(5_000),
}
THEN = {"execution": Execution.LIMIT_THEN_MARKET, "limit_timeout_seconds": 60}


def choosing(settings: dict[str, Any], *, last: object = 50_000, **facts: Any) -> Follower:
    """A follower whose signal leaves the style to these settings."""
    values = {"leader_price": D(50_000), **facts}
    found = follower(settings=CopySettings(**settings), **values)
    price = None if last is None else D(str(last))
    return replace(found, chooses_style=True, price=price)


@pytest.mark.parametrize(
    ("settings", "direction", "facts", "style"),
    [
        ({}, LONG, {}, AT_MARKET),
        # BTC may slip by 0.5 % where nothing is stated
        (IOC, LONG, {}, Style("ioc", D(50_250))),
        (IOC, SHORT, {}, Style("ioc", D(49_750))),
        (IOC | {"max_entry_slippage_percent": D("0.0333")}, LONG, {}, Style("ioc", D("50016.6"))),
        (IOC | {"max_entry_slippage_percent": D("0.0333")}, SHORT, {}, Style("ioc", D("49983.4"))),
        (IOC, LONG, {"leader_price": None, "last": 40_000}, Style("ioc", D(40_200))),
        (BETTER, LONG, {}, Style("limit", D(49_000), DAY)),
        (BETTER, SHORT, {}, Style("limit", D(51_000), DAY)),
        (BETTER, LONG, {"last": 45_000}, Style("limit", D(49_000), DAY)),
        (ODD, LONG, {}, Style("limit", D("49499.9"), DAY)),
        (ODD, SHORT, {}, Style("limit", D("50500.1"), DAY)),
        (BETTER | {"limit_timeout_seconds": 60}, LONG, {}, Style("limit", D(49_000), MINUTE)),
        (THEN, LONG, {}, Style("limit", D(50_000), MINUTE, D(50_250))),
        (THEN, SHORT, {}, Style("limit", D(50_000), MINUTE, D(49_750))),
        (THEN, LONG, ODD_PRICE, Style("limit", D(50_000), MINUTE, D(50_250))),
        (THEN, SHORT, ODD_PRICE, Style("limit", D("50000.1"), MINUTE, D("49750.1"))),
        (
            SLICED,
            SHORT,
            {},
            Style("ioc", D(49_750), None, None, 4, timedelta(seconds=30), D(5_000)),
        ),
        # without any price there is nothing to be better than; planning says so
        (BETTER, LONG, {"leader_price": None, "last": None}, AT_MARKET),
    ],
)  # fmt: skip
def test_the_style(
    settings: dict[str, Any], direction: int, facts: dict[str, Any], style: Style
) -> None:
    assert in_style(choosing(settings, **facts), direction).style == style


def test_a_price_is_at_least_one_tick() -> None:
    penny = choosing(BETTER, leader_price=D("0.05"), last="0.05")
    assert in_style(penny, LONG).style.price == BTC.tick


def test_what_the_leader_says_goes_before_the_style() -> None:
    told = replace(choosing(BETTER), chooses_style=False)
    assert in_style(told, LONG) == told


def test_a_reversed_copy_waits_on_its_own_side() -> None:
    settings = CopySettings(**BETTER, direction=TradeDirection.REVERSED)
    found = replace(choosing({}), is_reversed=True)
    found = replace(found, entry=replace(found.entry, settings=settings))
    assert orders(plan_follower(say("open", 4), found)) == [(0, "entry", "sell", D(4), 0)]
    assert in_style(found, SHORT).style.price == 51_000


def test_an_order_that_rests_is_sized_and_paid_by_its_own_price() -> None:
    """980 of margin at leverage 5 are 4,900 of notional: 10 contracts at 49,000, 9.6 at 51,000."""
    amount = {"sizing_mode": SizingMode.FIXED_AMOUNT, "fixed_amount": D(980)}
    for direction, contracts in ((LONG, 10), (SHORT, 9)):
        found = choosing(BETTER | amount, available=D(1100))
        terms = sizing_terms(found.settings, leverage=D(5), equity=D(10_000))
        plan = plan_follower(say("open", 4, direction), replace(found, terms=terms))
        assert [leg.quantity for leg in plan.legs] == [contracts]
    short = choosing(BETTER | amount, available=D(1029))  # 980 × 1.05 + 4,900 × 0.002 = 1038.8
    plan = plan_follower(say("open", 4), replace(short, terms=terms))
    assert reason(plan) == "insufficient_balance"


def test_a_price_that_ran_away_stops_what_is_entered_at_once_and_not_what_rests() -> None:
    away = {"last": 51_000}
    assert reason(plan_follower(say("open", 4), choosing(IOC, **away))) == "price_deviation"
    assert orders(plan_follower(say("open", 4), choosing(BETTER, **away)))
    assert orders(plan_follower(say("open", 4), choosing(THEN, **away)))


def test_only_what_rests_is_counted_as_waiting() -> None:
    full = {"copy": CopyFacts(waiting_entries=1)}
    limit = {"max_working_orders": 1}
    assert reason(plan_follower(say("open", 4), choosing(BETTER | limit, **full))) == (
        "too_many_waiting"
    )
    assert orders(plan_follower(say("open", 4), choosing(IOC | limit, **full)))


@pytest.mark.parametrize(
    ("contracts", "changes", "slices"),
    [
        (20, {}, [5, 5, 5, 5]),
        (22, {}, [6, 6, 5, 5]),
        (11, {}, [3, 3, 3, 2]),
        (10, {}, [10]),  # 5,000 of notional, which is not above it
        (3, {"sliced_above": None}, [1, 1, 1]),  # a contract is the smallest
        (1, {"sliced_above": None}, [1]),
        (20, {"per_order_cap": D(1_100)}, [3, 3, 3, 2]),  # of the whole entry: 11 contracts
        # only the venue's minimum is one of a slice: the copy's is one of the entry
        (20, {"min_order_amount": D(9_000)}, [5, 5, 5, 5]),
    ],
)
def test_an_entry_in_slices(contracts: int, changes: dict[str, Any], slices: list[int]) -> None:
    plan = plan_follower(say("open", contracts), choosing(SLICED | changes))
    assert [leg.quantity for leg in plan.legs] == slices
    assert [leg.delay.total_seconds() for leg in plan.legs] == [
        30 * place for place in range(len(slices))
    ]
    assert plan.target == sum(slices)  # what is still to come counts


def test_not_in_fewer_slices_than_the_exchange_takes() -> None:
    small = replace(choosing(SLICED), instrument=replace(BTC, max_limit_size=D(2)))
    plan = plan_follower(say("open", 12), small)
    assert [leg.quantity for leg in plan.legs] == [2, 2, 2, 2, 2, 2]
    assert [leg.delay.total_seconds() for leg in plan.legs] == [0, 30, 60, 90, 120, 150]


@pytest.mark.parametrize("settings", [IOC, BETTER, THEN, SLICED])
def test_exits_are_not_delayed_by_any_style(settings: dict[str, Any]) -> None:
    found = replace(choosing(settings, last=60_000), book=held(5))
    plan = plan_follower(say("close"), found)
    assert orders(plan) == [(0, "exit", "sell", D(5), 0)]
    turned = plan_follower(say("flip", 3, SHORT), found)
    assert orders(turned) == [(1, "exit", "sell", D(5), 0), (0, "entry", "sell", D(3), 1)]


def amended(filled: D, **more: Any) -> WaitingEntry:
    """Ten contracts that shall be eight, at 490."""
    values = {"is_withdrawn": True, "amended_price": D(490), "amended_quantity": D(8), **more}
    return WaitingEntry(D(10), filled, **values)


EARLIER, LATER = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("entry", "following"),
    [
        (WaitingEntry(D(10), D(0)), None),
        (WaitingEntry(D(10), D(0), EARLIER), None),
        (WaitingEntry(D(10), D(0), EARLIER, D(500)), NextOrder("ioc", D(10), D(500))),
        (WaitingEntry(D(10), D(0), NOW, D(500)), NextOrder("ioc", D(10), D(500))),
        (WaitingEntry(D(10), D(4), EARLIER, D(500)), NextOrder("ioc", D(6), D(500))),
        # cancelled before its time: by hand at the exchange, or by the exchange
        (WaitingEntry(D(10), D(4), LATER, D(500)), None),
        (WaitingEntry(D(10), D(4), EARLIER, D(500), is_overtaken=True), None),
        (WaitingEntry(D(10), D(10), EARLIER, D(500)), None),
        (WaitingEntry(D(10), D("9.5"), EARLIER, D(500)), None),  # a contract is the smallest
        (WaitingEntry(D(10), D(9), EARLIER, D(500)), NextOrder("ioc", D(1), D(500))),
        # by a person: gone, or at another price and size
        (WaitingEntry(D(10), D(4), is_withdrawn=True), None),
        (WaitingEntry(D(10), D(4), EARLIER, D(500), is_withdrawn=True), None),
        (amended(D(4)), NextOrder("limit", D(4), D(490))),
        (amended(D(8)), None),
        (amended(D("7.5")), None),
        (amended(D(4), is_overtaken=True), None),
        (amended(D(4), rests_until=LATER), NextOrder("limit", D(4), D(490), LATER)),
        (
            amended(D(4), rests_until=LATER, chase_price=D(500)),
            NextOrder("limit", D(4), D(490), LATER, D(500)),
        ),
        # its time came to an end meanwhile
        (amended(D(4), rests_until=EARLIER), None),
        (
            amended(D(4), rests_until=EARLIER, chase_price=D(500)),
            NextOrder("ioc", D(4), D(500)),
        ),
    ],
)
def test_in_which_order_an_entry_goes_on(entry: WaitingEntry, following: NextOrder | None) -> None:
    assert next_order(entry, now=NOW, smallest=D(1)) == following


@pytest.mark.parametrize(
    ("entry", "leaves"),
    [
        (WaitingEntry(D(1), D(0)), False),
        (WaitingEntry(D(1), D(0), LATER), False),
        (WaitingEntry(D(1), D(0), NOW), True),
        (WaitingEntry(D(1), D(0), LATER, is_overtaken=True), True),
        (WaitingEntry(D(1), D(0), LATER, is_withdrawn=True), True),
    ],
)
def test_when_an_entry_is_to_leave_the_book(entry: WaitingEntry, leaves: bool) -> None:
    assert entry.is_to_leave(NOW) is leaves


@pytest.mark.parametrize(
    ("price", "quantity", "problem"),
    [
        (510, 10, None),
        (600, 4, None),
        (400, "3", None),
        (0, 10, Unchangeable.PRICE_NOT_POSITIVE),
        (-500, 10, Unchangeable.PRICE_NOT_POSITIVE),
        ("600.1", 10, Unchangeable.PRICE_FAR_OFF),
        ("399.9", 10, Unchangeable.PRICE_FAR_OFF),
        (500, 11, Unchangeable.NOT_LARGER),
        (500, "9.5", Unchangeable.ABOVE_LOT),
        (500, 2, Unchangeable.ALREADY_FILLED),
        (500, 10, Unchangeable.NOTHING_CHANGES),
        (500, 0, Unchangeable.NOT_POSITIVE),
    ],
)
def test_what_a_person_may_change(
    price: object, quantity: object, problem: Unchangeable | None
) -> None:
    """Ten contracts at 500, of which two are filled."""
    found = amendment_problem(
        WaitingEntry(D(10), D(2)),
        at=D(500),
        price=D(str(price)),
        quantity=D(str(quantity)),
        instrument=BTC,
    )
    assert found == problem


def test_what_would_be_left_is_an_order_that_the_exchange_takes() -> None:
    fives = replace(BTC, min_size=D(5))
    for quantity, problem in ((7, None), (6, Unchangeable.BELOW_MINIMUM)):
        found = amendment_problem(
            WaitingEntry(D(10), D(2)),
            at=D(500),
            price=D(500),
            quantity=D(quantity),
            instrument=fives,
        )
        assert found == problem

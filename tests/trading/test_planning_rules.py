"""From a signal to one follower's orders, by hand; docs/flow.md tells the same stories."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from strategies.domain.settings import CopySettings
from strategies.domain.sizing import SizingMode
from tests.trading.plans import (
    BTC,
    LONG,
    NOW,
    SHORT,
    follower,
    held,
    orders,
    reason,
    say,
    settled,
    side,
    working,
)
from trading.domain.planning import (
    CLOSE_LEG,
    FIRST_EXTRA_LEG,
    MAIN_LEG,
    Action,
    Book,
    Instruction,
    plan_follower,
)
from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk import ControlMode, Controls, CopyFacts

# --- the stories ---------------------------------------------------------------------------------


def test_open_add_and_close() -> None:
    book = Book()
    plan = plan_follower(say("open", 4), follower(book))
    assert orders(plan) == [(MAIN_LEG, "entry", "buy", D(4), 0)]
    assert plan.target == 4

    book = settled(plan, book)
    plan = plan_follower(say("increase", 2), follower(book))
    assert orders(plan) == [(MAIN_LEG, "entry", "buy", D(2), 0)]
    assert plan.target == 6

    book = settled(plan, book)
    plan = plan_follower(say("close", direction=0), follower(book))
    assert orders(plan) == [(MAIN_LEG, "exit", "sell", D(6), 0)]
    assert plan.target == 0
    assert settled(plan, book) == Book()


def test_an_addition_before_the_first_fill_orders_only_the_addition() -> None:
    book = Book(target=D(4), working_entries=D(4))
    plan = plan_follower(say("increase", 2), follower(book))
    assert orders(plan) == [(MAIN_LEG, "entry", "buy", D(2), 0)]
    assert plan.target == 6


def test_shorts_mirror_longs() -> None:
    plan = plan_follower(say("open", 4, SHORT), follower())
    assert orders(plan) == [(MAIN_LEG, "entry", "sell", D(4), 0)]
    assert plan.target == -4
    plan = plan_follower(say("reduce", fraction="0.5", direction=0), follower(held(-4)))
    assert orders(plan) == [(MAIN_LEG, "exit", "buy", D(2), 0)]
    assert plan.target == -2


# A third said with as many digits as the wire has, as a float prints it, and exactly.
THIRDS = [D("0.333333333333333333"), D("0.3333333333333333"), D(1) / 3]


@pytest.mark.parametrize("third", THIRDS)
def test_a_close_in_thirds_is_exact(third: D) -> None:
    book = held(9)
    sold = []
    for fraction in (third, D("0.5"), D(1)):
        plan = plan_follower(say("reduce", fraction=fraction), follower(book))
        sold.append(plan.legs[0].quantity)
        book = settled(plan, book)
    assert sold == [3, 3, 3]
    assert book == Book()


@pytest.mark.parametrize("third", THIRDS)
def test_thirds_of_what_cannot_be_divided_carry_the_rest_in_the_target(third: D) -> None:
    """10 contracts: 6⅔ wanted, 7 held; 3⅓ wanted, 4 held; then flat. Nothing is lost."""
    book = held(10)
    sold = []
    for fraction in (third, D("0.5"), D(1)):
        plan = plan_follower(say("reduce", fraction=fraction), follower(book))
        sold.append(plan.legs[0].quantity)
        book = settled(plan, book)
    assert sold == [3, 3, 4]
    assert book == Book()


def test_a_fraction_that_is_only_near_is_taken_as_it_is_said() -> None:
    plan = plan_follower(say("reduce", fraction="0.3333"), follower(held(9)))
    assert plan.target == D("6.0003")
    assert orders(plan) == [(MAIN_LEG, "exit", "sell", D(2), 0)]


def test_a_residual_below_the_minimum_is_carried_and_then_released() -> None:
    book = Book()
    plan = plan_follower(say("open", "0.4"), follower(book))
    assert reason(plan) is ReasonCode.BELOW_MINIMUM_SIZE
    assert plan.legs[0].reason.params == {"size": "0.4", "minimum": "1", "unit": "contracts"}
    assert plan.target == D("0.4")
    book = settled(plan, book)

    plan = plan_follower(say("increase", "0.4"), follower(book))
    assert reason(plan) is ReasonCode.BELOW_MINIMUM_SIZE
    book = settled(plan, book)

    plan = plan_follower(say("increase", "0.4"), follower(book))
    assert orders(plan) == [(MAIN_LEG, "entry", "buy", D(1), 0)]
    assert plan.target == D("1.2")
    book = settled(plan, book)

    plan = plan_follower(say("close"), follower(book))
    assert orders(plan) == [(MAIN_LEG, "exit", "sell", D(1), 0)]
    assert settled(plan, book) == Book()


def test_a_close_of_what_was_only_carried_forgets_it() -> None:
    plan = plan_follower(say("close"), follower(Book(target=D("0.4"))))
    assert reason(plan) is ReasonCode.NOTHING_TO_REDUCE
    assert plan.target == 0


def test_the_size_in_a_reason_is_readable() -> None:
    third = replace(say("open", 1), leader=replace(say("open", 1).leader, size=D(1) / 3))
    params = plan_follower(third, follower()).legs[0].reason.params
    assert params["size"] == "0.33333333"


def test_an_exit_below_the_minimum_is_carried_and_comes_with_the_next() -> None:
    book = held(3)
    plan = plan_follower(say("reduce", fraction="0.25"), follower(book))
    assert reason(plan) is ReasonCode.BELOW_MINIMUM_SIZE
    assert plan.target == D("2.25")
    book = replace(book, target=plan.target)
    plan = plan_follower(say("reduce", fraction="0.5"), follower(book))
    assert plan.target == D("1.125")
    assert orders(plan) == [(MAIN_LEG, "exit", "sell", D(1), 0)]


def test_a_reduction_by_an_amount() -> None:
    plan = plan_follower(say("reduce", 3), follower(held(10)))
    assert orders(plan) == [(MAIN_LEG, "exit", "sell", D(3), 0)]
    plan = plan_follower(say("reduce", 30, SHORT), follower(held(-10)))
    assert orders(plan) == [(MAIN_LEG, "exit", "buy", D(10), 0)]
    assert plan.target == 0


@pytest.mark.parametrize(("before", "direction"), [(5, SHORT), (-5, LONG)])
def test_a_flip_closes_and_then_opens_the_other_side(before: int, direction: int) -> None:
    there, back = side(-before // 5), side(direction)
    assert there == back
    plan = plan_follower(say("flip", 3, direction), follower(held(before)))
    assert orders(plan) == [
        (CLOSE_LEG, "exit", there, D(5), 0),
        (MAIN_LEG, "entry", there, D(3), 1),  # waits for the close
    ]
    assert plan.target == 3 * direction


def test_a_flip_without_a_size_turns_what_is_held() -> None:
    plan = plan_follower(say("flip", None, SHORT), follower(held(5)))
    assert [leg.quantity for leg in plan.legs] == [5, 5]
    assert plan.target == -5


def test_a_flip_from_flat_is_an_entry_and_a_flip_to_the_same_side_nothing() -> None:
    plan = plan_follower(say("flip", 3, SHORT), follower())
    assert orders(plan) == [(MAIN_LEG, "entry", "sell", D(3), 0)]
    plan = plan_follower(say("flip", 3, SHORT), follower(held(-3)))
    assert reason(plan) is ReasonCode.ALREADY_AT_TARGET
    assert plan.target == -3


def test_a_flip_that_may_not_enter_still_closes() -> None:
    plan = plan_follower(say("flip", 3, SHORT), follower(held(5), subscription_active=False))
    assert orders(plan) == [(CLOSE_LEG, "exit", "sell", D(5), 0)]
    assert reason(plan) is ReasonCode.SUBSCRIPTION_PAUSED
    assert plan.target == 0


@pytest.mark.parametrize(
    ("available", "cap", "invested", "expected"),
    [
        # 10 contracts of 500 at 5×: 1,000 of margin, and with reserve for price and fees 1,060.
        (60, 1000, 1000, ""),
        (59, 1000, 1000, "insufficient_balance"),
        (60, 1100, 1101, "total_cap"),  # 101 are elsewhere
        (60, 999, 1000, "total_cap"),
    ],
)
def test_a_flip_has_what_its_close_frees(
    available: int, cap: int, invested: int, expected: str
) -> None:
    one = follower(
        held(10),
        available=D(available),
        freed=D(1000),
        settings=CopySettings(total_cap=D(cap), symbol_exposure_cap=D(5000)),
        copy=CopyFacts(
            invested=D(invested), invested_here=D(1000), symbol_exposure=D(5000), is_in_symbol=True
        ),
    )
    plan = plan_follower(say("flip", 10, SHORT), one)
    assert orders(plan)[0] == (CLOSE_LEG, "exit", "sell", D(10), 0)
    assert [row[1:] for row in orders(plan)[1:]] == (
        [] if expected else [("entry", "sell", D(10), 1)]
    )
    assert (reason(plan) or "") == expected
    more = plan_follower(say("increase", 1), one)
    assert orders(more) == [], "what is held stays held"


def test_a_flip_whose_close_is_impossible_opens_nothing() -> None:
    halted = Controls(tenant=ControlMode.HALTED)
    plan = plan_follower(say("flip", 3, SHORT), follower(held(5), controls=halted))
    assert orders(plan) == []
    assert reason(plan) is ReasonCode.TENANT_HALTED
    assert plan.target == 5


@pytest.mark.parametrize(
    ("before", "size", "direction", "expected", "target"),
    [
        (0, 4, LONG, [(MAIN_LEG, "entry", "buy", D(4), 0)], 4),
        (4, 7, LONG, [(MAIN_LEG, "entry", "buy", D(3), 0)], 7),
        (7, 2, LONG, [(MAIN_LEG, "exit", "sell", D(5), 0)], 2),
        (-7, 2, SHORT, [(MAIN_LEG, "exit", "buy", D(5), 0)], -2),
        (
            2,
            3,
            SHORT,
            [(CLOSE_LEG, "exit", "sell", D(2), 0), (MAIN_LEG, "entry", "sell", D(3), 1)],
            -3,
        ),
        (3, 0, LONG, [(MAIN_LEG, "exit", "sell", D(3), 0)], 0),
        (3, 3, LONG, [], 3),
        (0, 0, LONG, [], 0),
    ],
)
def test_set_target_goes_up_down_across_and_to_zero(
    before: int, size: int, direction: int, expected: list, target: int
) -> None:
    plan = plan_follower(say("set_target", size, direction), follower(held(before)))
    assert orders(plan) == expected
    assert plan.target == target


@pytest.mark.parametrize(
    ("terms", "changes"),
    [
        ({"mode": SizingMode.EQUITY_PROPORTIONAL, "equity": None}, {}),
        ({"mode": SizingMode.EQUITY_PROPORTIONAL, "equity": D(-5)}, {}),
        ({"mode": SizingMode.FIXED_AMOUNT, "fixed_amount": None}, {}),
        ({"mode": SizingMode.FIXED_RISK, "risk_percent": D(1)}, {}),
        ({}, {"price": None}),
    ],
)
def test_a_target_on_the_other_side_closes_even_if_its_size_is_not_known(
    terms: dict[str, Any], changes: dict[str, Any]
) -> None:
    one = follower(held(5))
    plan = plan_follower(
        say("set_target", 3, SHORT), replace(one, terms=replace(one.terms, **terms), **changes)
    )
    assert orders(plan) == [(CLOSE_LEG, "exit", "sell", D(5), 0)]
    assert (reason(plan) is not None, plan.target) == (True, 0)


def test_a_reduction_whose_amount_cannot_be_told_takes_the_share() -> None:
    """The leader's positions are known beside the amount, and there is no price for the latter."""
    told = say("reduce", 30, fraction="0.4")
    assert plan_follower(told, follower(held(10))).target == 0
    plan = plan_follower(told, replace(follower(held(10)), price=None))
    assert (orders(plan), plan.target) == ([(MAIN_LEG, "exit", "sell", D(4), 0)], 6)
    unknown = plan_follower(say("reduce", 30), replace(follower(held(10)), price=None))
    assert (orders(unknown), reason(unknown)) == ([], ReasonCode.PRICE_UNKNOWN)


# --- who may enter, and that exits pass ----------------------------------------------------------

ENTRY_BARRIERS: dict[str, tuple[dict[str, Any], ReasonCode]] = {
    "paused": ({"subscription_active": False}, ReasonCode.SUBSCRIPTION_PAUSED),
    "strategy off": ({"strategy_active": False}, ReasonCode.STRATEGY_NOT_ACTIVE),
    "suspended": ({"customer_active": False}, ReasonCode.CUSTOMER_NOT_ACTIVE),
    "account paused": ({"account_active": False}, ReasonCode.ACCOUNT_NOT_ACTIVE),
    "unchecked": ({"account_checked": False}, ReasonCode.ACCOUNT_UNCHECKED),
    "unhealthy": ({"account_healthy": False}, ReasonCode.ACCOUNT_UNHEALTHY),
    "expired": ({"expires_at": NOW - timedelta(seconds=1)}, ReasonCode.SIGNAL_EXPIRED),
    "symbol": (
        {"settings": CopySettings(allowed_symbols=frozenset({"ETH/USDT:USDT"}))},
        ReasonCode.SYMBOL_NOT_ALLOWED,
    ),
    "denied symbol": (
        {"settings": CopySettings(denied_symbols=frozenset({BTC.symbol}))},
        ReasonCode.SYMBOL_NOT_ALLOWED,
    ),
    "settings": (
        {"settings_doubt": Reason(ReasonCode.SETTINGS_UNREADABLE)},
        ReasonCode.SETTINGS_UNREADABLE,
    ),
    "no balance": ({"available": None}, ReasonCode.BALANCE_UNKNOWN),
    "poor": ({"available": D(1)}, ReasonCode.INSUFFICIENT_BALANCE),
    "stale switch": ({"controls": Controls(is_stale=True)}, ReasonCode.CONTROL_STALE),
    "reducing": (
        {"controls": Controls(strategy=ControlMode.REDUCING)},
        ReasonCode.ENTRIES_STOPPED,
    ),
}
EXITS = [
    say("close", direction=0),
    say("reduce", fraction="0.5", direction=0),
    say("reduce", 3),
    say("set_target", 2),
    say("set_target", 0),
]


@pytest.mark.parametrize("barrier", ENTRY_BARRIERS)
@pytest.mark.parametrize("action", ["open", "increase", "set_target", "flip"])
def test_what_stops_an_entry_says_so_and_leaves_the_target(action: Action, barrier: str) -> None:
    facts, code = ENTRY_BARRIERS[barrier]
    plan = plan_follower(say(action, 4), follower(Book(target=D("0.3")), **facts))
    assert orders(plan) == []
    assert reason(plan) is code
    assert plan.target == D("0.3")


@pytest.mark.parametrize("barrier", ENTRY_BARRIERS)
@pytest.mark.parametrize("exit_signal", EXITS, ids=lambda item: item.action)
def test_what_stops_an_entry_does_not_stop_an_exit(exit_signal: Instruction, barrier: str) -> None:
    facts, _ = ENTRY_BARRIERS[barrier]
    free = plan_follower(exit_signal, follower(held(6)))
    assert orders(free)
    assert plan_follower(exit_signal, follower(held(6), **facts)) == free


@pytest.mark.parametrize("level", ["platform", "tenant", "strategy", "customer"])
def test_halted_stops_everything_at_every_level_and_keeps_the_target(level: str) -> None:
    controls = Controls(**{level: ControlMode.HALTED})
    for instruction in (say("open", 4), say("close"), say("reduce", fraction="0.5")):
        plan = plan_follower(instruction, follower(held(6), controls=controls))
        assert orders(plan) == []
        assert reason(plan) is ReasonCode(f"{level}_halted")
        assert plan.target == 6


def test_a_closed_account_trades_nothing() -> None:
    for instruction in (say("open", 4), say("close")):
        plan = plan_follower(instruction, follower(held(6), account_closed=True))
        assert orders(plan) == []
        assert reason(plan) is ReasonCode.ACCOUNT_NOT_ACTIVE


@pytest.mark.parametrize("direction", [LONG, SHORT])
def test_opposite_subscriptions_on_one_account_are_denied(direction: int) -> None:
    against = {LONG: {"others_short": D(5)}, SHORT: {"others_long": D(5)}}
    book = Book(**against[direction])
    for action in ("open", "increase", "set_target", "flip"):
        plan = plan_follower(say(action, 4, direction), follower(book))
        assert orders(plan) == []
        assert reason(plan) is ReasonCode.OPPOSITE_POSITION
    same = Book(**against[-direction])
    assert orders(plan_follower(say("open", 4, direction), follower(same)))


def test_an_exit_does_not_ask_what_other_subscriptions_hold() -> None:
    plan = plan_follower(say("close"), follower(held(4, others_short=D(9))))
    assert orders(plan) == [(MAIN_LEG, "exit", "sell", D(4), 0)]


def test_an_entry_against_the_own_position_is_denied() -> None:
    plan = plan_follower(say("open", 4, SHORT), follower(held(4)))
    assert orders(plan) == []
    assert reason(plan) is ReasonCode.OPPOSITE_POSITION


# --- caps ----------------------------------------------------------------------------------------


def test_an_entry_above_the_venues_largest_order_becomes_several() -> None:
    small = replace(BTC, max_market_size=D("7.5"))
    plan = plan_follower(say("open", 20), follower(instrument=small))
    assert orders(plan) == [
        (MAIN_LEG, "entry", "buy", D(7), 0),
        (FIRST_EXTRA_LEG, "entry", "buy", D(7), 0),
        (FIRST_EXTRA_LEG + 1, "entry", "buy", D(6), 0),
    ]
    assert plan.target == 20
    plan = plan_follower(say("flip", 8, SHORT), follower(held(8), instrument=small))
    assert orders(plan) == [
        (CLOSE_LEG, "exit", "sell", D(4), 0),
        (FIRST_EXTRA_LEG, "exit", "sell", D(4), 0),
        (MAIN_LEG, "entry", "sell", D(4), 1),
        (FIRST_EXTRA_LEG + 1, "entry", "sell", D(4), 1),
    ]


def test_an_entry_becomes_twenty_orders_at_most_and_forgets_the_rest() -> None:
    small = replace(BTC, max_market_size=D("7.5"))
    plan = plan_follower(say("open", 1000), follower(instrument=small))
    assert [size for _leg, _kind, _side, size, _wave in orders(plan)] == [D(7)] * 20
    assert plan.target == 140


def test_an_exit_above_the_venues_largest_order_becomes_several() -> None:
    small = replace(BTC, max_market_size=D("7.5"))
    plan = plan_follower(say("close"), follower(held(20), instrument=small))
    assert orders(plan) == [
        (MAIN_LEG, "exit", "sell", D(7), 0),
        (FIRST_EXTRA_LEG, "exit", "sell", D(7), 0),
        (FIRST_EXTRA_LEG + 1, "exit", "sell", D(6), 0),
    ]
    assert plan.target == 0
    plan = plan_follower(say("flip", 3, SHORT), follower(held(8), instrument=small))
    assert orders(plan) == [
        (CLOSE_LEG, "exit", "sell", D(4), 0),
        (FIRST_EXTRA_LEG, "exit", "sell", D(4), 0),
        (MAIN_LEG, "entry", "sell", D(3), 1),
    ]


def test_the_balance_is_asked_for_what_the_cap_left() -> None:
    # Two contracts are 1,000 of notional, 200 of margin, 212 with the reserve.
    capped = CopySettings(per_order_cap=D(200))
    enough = follower(settings=capped, available=D(212))
    assert orders(plan_follower(say("open", 20), enough)) == [(MAIN_LEG, "entry", "buy", D(2), 0)]
    short = follower(settings=capped, available=D("211.99"))
    plan = plan_follower(say("open", 20), short)
    assert reason(plan) is ReasonCode.INSUFFICIENT_BALANCE
    assert plan.legs[0].reason.params == {
        "needed": "212.00",
        "available": "211.99",
        "currency": "USDT",
    }


# --- working entries overtaken by an exit --------------------------------------------------------


def test_a_close_cancels_what_still_works_and_sells_what_is_held() -> None:
    book = Book(target=D(10), filled=D(3), working_entries=D(7))
    plan = plan_follower(say("close"), follower(book))
    assert orders(plan) == [(MAIN_LEG, "exit", "sell", D(3), 0)]
    assert plan.cancel_entries
    assert plan.target == 0


def test_a_close_before_the_first_fill_only_cancels() -> None:
    plan = plan_follower(say("close"), follower(Book(target=D(10), working_entries=D(10))))
    assert orders(plan) == []
    assert plan.cancel_entries
    assert plan.target == 0


def test_a_reduction_cancels_what_still_works_and_never_buys() -> None:
    book = Book(target=D(10), filled=D(3), working_entries=D(7))
    plan = plan_follower(say("reduce", fraction="0.5"), follower(book))
    assert orders(plan) == []
    assert plan.cancel_entries
    assert plan.target == 5


def test_an_exit_that_is_on_its_way_is_not_repeated() -> None:
    book = Book(target=D(0), filled=D(6), working_exits=D(-6))
    plan = plan_follower(say("close"), follower(book))
    assert orders(plan) == []
    assert reason(plan) is ReasonCode.NOTHING_TO_REDUCE
    book = Book(target=D(3), filled=D(6), working_exits=D(-3))
    plan = plan_follower(say("close"), follower(book))
    assert orders(plan) == [(MAIN_LEG, "exit", "sell", D(3), 0)]


def test_a_flip_turned_back_before_its_entry_left_cancels_the_entry() -> None:
    flip = plan_follower(say("flip", 3, SHORT), follower(held(5)))
    book = working(flip, held(5))
    plan = plan_follower(say("close"), follower(book))
    assert orders(plan) == []  # the five are being sold already
    assert plan.cancel_entries
    assert plan.target == 0


# --- facts that are missing ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"mode": SizingMode.LEADER_RATIO}, ReasonCode.LEADER_SIZE_UNKNOWN),
        ({"mode": SizingMode.EQUITY_PROPORTIONAL}, ReasonCode.LEADER_SIZE_UNKNOWN),
    ],
)
def test_an_entry_without_the_leaders_size_says_so(terms: dict[str, Any], code: ReasonCode) -> None:
    one = follower(held(2))
    plan = plan_follower(say("open"), replace(one, terms=replace(one.terms, **terms)))
    assert (orders(plan), reason(plan), plan.target) == ([], code, D(2))


@pytest.mark.parametrize(
    ("leader_equity", "own", "code"),
    [
        (None, D(5), ReasonCode.LEADER_EQUITY_UNKNOWN),
        (D(0), D(5), ReasonCode.LEADER_WITHOUT_EQUITY),
        (D(5), None, ReasonCode.BALANCE_UNKNOWN),
    ],
)
def test_proportional_sizing_names_the_equity_it_lacks(
    leader_equity: D | None, own: D | None, code: ReasonCode
) -> None:
    one = follower()
    terms = replace(one.terms, mode=SizingMode.EQUITY_PROPORTIONAL, equity=own)
    told = say("open", 4)
    told = replace(told, leader=replace(told.leader, equity=leader_equity))
    assert reason(plan_follower(told, replace(one, terms=terms))) is code


def test_a_follower_under_water_neither_enters_nor_loses_its_target() -> None:
    one = follower(held(2))
    terms = replace(one.terms, mode=SizingMode.EQUITY_PROPORTIONAL, equity=D(-100))
    told = say("open", 4)
    told = replace(told, leader=replace(told.leader, equity=D(1000)))
    plan = plan_follower(told, replace(one, terms=terms))
    assert (orders(plan), plan.target) == ([], D(2))

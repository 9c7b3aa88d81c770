"""What becomes of a size by the venue's filters and the copy's caps, each row worked out by hand.

The leader's contracts are copied one to one, unless a row says a ratio. A row: the market · what is
held and targeted · the signal · settings · the orders expected, or the reason · the target after.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.domain.settings import CopySettings, OnMinimum, TradeDirection, sizing_terms
from strategies.domain.sizing import DynamicSizing, SizingMode
from tests.strategies.sizing.instruments import MARKETS
from tests.trading.plans import LONG, SHORT, follower, held, say
from trading.domain.order_sizes import MOST_PARTS, in_parts
from trading.domain.planning import Book, Follower, Leg, Plan, plan_follower
from trading.domain.risk import EquityFacts, Fact, facts_asked
from venues.domain.types import Instrument

PRICES = {"BTC": 50_000, "ETH": 2_500, "DOGE": "0.2", "SHIB": "0.00002", "SOL": 150, "SUI": 2}

# ctVal of BTC-swap 0.01: a contract is 500, at leverage 5 margin 100. Of ETH-swap 0.1: 250 and 50.
CASES = """
BTC-swap | 0 | open 4 | | buy 4 | 4
BTC-swap | 0 | open 4.567 | | buy 4.56 | 4.567
BTC-swap | 0 | open 4.569999 | | buy 4.56 | 4.569999
BTC-swap | 0 | open 0.009 | | below_minimum_size | 0.009
BTC-swap | 0.003@0 | open 0.009 | | buy 0.01 | 0.012
BTC-swap | 0 | open short 4.567 | | sell 4.56 | -4.567
BTC-swap-whole | 0 | open 4.9 | | buy 4 | 4.9
BTC-swap-whole | 0.9@0 | open 0.2 | | buy 1 | 1.1
ADA-fives | 0 | open 14 | | buy 10 | 14
ADA-fives | 0 | open 9.9 | | below_minimum_size | 9.9
ADA-fives | 0 | open 27 | | buy 25 | 27
ADA-fives | 27@25 | increase 2 | | below_minimum_size | 29
ADA-fives | 29@25 | increase 6 | | buy 10 | 35
BTC-spot | 0 | open 0.123456789 | | buy 0.12345678 | 0.123456789
BTC-spot | 0 | open 0.000009 | | below_minimum_size | 0.000009
BTC-spot | 0 | open short 1 | | spot_short | 0
BTC-coin | 0 | open 7.7 | | buy 7 | 7.7
DOGE-swap | 0 | open 1.239 | | buy 1.23 | 1.239
SHIB-swap | 0 | open 1.29 | | buy 1.2 | 1.29
SUI-swap | 0 | open 12.3 | | buy 12 | 12.3
BTC-swap | 0 | open 4 | cap=250 | buy 2.5 | 2.5
BTC-swap | 0 | open 4 | cap=400 | buy 4 | 4
BTC-swap | 0 | open 4 | cap=399.999 | buy 3.99 | 3.99
BTC-swap | 0 | open 4 | cap=1.5 | buy 0.01 | 0.01
BTC-swap | 0 | open 4 | cap=0.9 | below_minimum_size | 0.009
BTC-swap | 0.009@0 | open 4 | cap=0.9 | below_minimum_size | 0.009
BTC-swap | 2 | increase 4 | cap=250 | buy 2.5 | 4.5
BTC-swap | 0 | open short 4 | cap=250 | sell 2.5 | -2.5
BTC-coin | 0 | open 100 | cap=250 | buy 12 | 12
BTC-coin | 0 | open 12 | cap=250 | buy 12 | 12
BTC-spot | 0 | open 1 | cap=250 lever=1 | buy 0.005 | 0.005
ETH-swap | 0 | open 9 | cap=77 | buy 1.54 | 1.54
DOGE-swap | 0 | open 9 | cap=77 | buy 1.92 | 1.92
SHIB-swap | 0 | open 900 | cap=77 | buy 19.2 | 19.2
BTC-swap | 2 | reduce half | cap=1 | sell 1 | 1
BTC-swap | 9 | close | cap=1 | sell 9 | 0
BTC-swap | 0 | open 3 | least=1600 | below_minimum_size | 3
BTC-swap | 3@0 | open 3 | least=1600 | buy 6 | 6
BTC-swap | 0 | open 3.2 | least=1600 | buy 3.2 | 3.2
BTC-swap | 0 | open 3.19 | least=1600 | below_minimum_size | 3.19
BTC-swap | 0 | open 3.19 | least=1600 skip | below_minimum_dropped | 0
BTC-swap | 0 | open 3.19 | least=1600 force | buy 3.2 | 3.2
BTC-swap | 0 | open 0.1 | least=1600 force | buy 3.2 | 3.2
BTC-swap | 0 | open 0.1 | least=1601 force | buy 3.21 | 3.21
BTC-coin | 0 | open 0.4 | least=950 force | buy 10 | 10
BTC-coin | 0 | open 9.9 | least=950 | below_minimum_size | 9.9
BTC-spot | 0 | open 0.001 | least=100 | below_minimum_size | 0.001
BTC-spot | 0 | open 0.001 | least=100 force | buy 0.002 | 0.002
BTC-swap-whole | 0 | open 0.6 | skip | below_minimum_dropped | 0
BTC-swap-whole | 0.5@0 | open 0.4 | skip | below_minimum_dropped | 0.5
BTC-swap-whole | 0 | open 1.6 | skip | buy 1 | 1.6
BTC-swap-whole | 0 | open 0.6 | force | buy 1 | 1
BTC-swap-whole | 1 | increase 0.6 | force | buy 1 | 2
BTC-swap-whole | 1 | increase 1.6 | force | buy 1 | 2.6
BTC-swap-whole | 0 | open 0.6 | force cap=10 | buy 1 | 1
BTC-swap-whole | 0 | open 0.6 | force cap=9.99 | below_minimum_dropped | 0
BTC-swap-whole | 0 | open 0 | force | already_at_target | 0
ADA-fives | 0 | open 1 | force | buy 10 | 10
BTC-swap-whole | 2 | reduce 0.3 | force | below_minimum_size | 1.7
BTC-swap-whole | 2 | reduce 0.3 | skip | below_minimum_size | 1.7
BTC-swap-whole | 1.7@2 | reduce 0.8 | force | sell 1 | 0.9
BTC-swap-whole | 0.9@1 | close | force | sell 1 | 0
BTC-swap-whole | 0.5@0.5 | close | force | below_minimum_size | 0
SOL-spot | 0 | open 0.03 | lever=1 | below_minimum_size | 0.03
SOL-spot | 0 | open 0.036 | lever=1 | buy 0.036 | 0.036
SOL-spot | 0 | open 0.035 | lever=1 | below_minimum_size | 0.035
SOL-spot | 0 | open 0.01 | lever=1 force | buy 0.036 | 0.036
SOL-spot | 1 | reduce 0.03 | lever=1 | below_minimum_size | 0.97
SOL-spot | 0.97@1 | reduce 0.03 | lever=1 | sell 0.06 | 0.94
SOL-swap | 0 | open 40 | | buy 40 | 40
SOL-swap | 0 | open 40.01 | | buy 20.01, buy 20 | 40.01
SOL-swap | 0 | open 100 | | buy 33.34, buy 33.33, buy 33.33 | 100
SOL-swap | 0 | open short 90 | | sell 30, sell 30, sell 30 | -90
SOL-swap | 90 | close | | sell 30, sell 30, sell 30 | 0
SOL-swap | 0 | open 5000 | cap=1800 | buy 30, buy 30 | 60
SOL-swap | 5 | flip short 80 | | sell 5, sell 40, sell 40 | -80
SOL-swap | 50 | flip short 50 | | sell 25, sell 25, sell 25, sell 25 | -50
BTC-swap | 0 | open 4 | reversed | sell 4 | -4
BTC-swap | -4 | increase 2 | reversed | sell 2 | -6
BTC-swap | -6 | reduce half | reversed | buy 3 | -3
BTC-swap | -6 | reduce 2 | reversed | buy 2 | -4
BTC-swap | -6 | close | reversed | buy 6 | 0
BTC-swap | -6 | close short | reversed | nothing_to_reduce | -6
BTC-swap | 0 | open short 4 | reversed | buy 4 | 4
BTC-swap | -6 | flip short 2 | reversed | buy 6, buy 2 | 2
BTC-swap | -6 | set_target 2 | reversed | buy 4 | -2
BTC-spot | 0 | open 1 | reversed lever=1 | spot_short | 0
BTC-spot | 0 | open short 1 | reversed lever=1 | buy 1 | 1
BTC-swap | 0 | open 4 | long_only | buy 4 | 4
BTC-swap | 0 | open short 4 | long_only | direction_not_copied | 0
BTC-swap | 4 | flip short 4 | long_only | sell 4, direction_not_copied | 0
BTC-swap | 4 | set_target short 4 | long_only | sell 4, direction_not_copied | 0
BTC-swap | 0 | set_target short 4 | long_only | direction_not_copied | 0
BTC-swap | 4 | reduce half | long_only | sell 2 | 2
BTC-swap | -4 | close short | long_only | buy 4 | 0
BTC-swap | 0 | open 4 | short_only | direction_not_copied | 0
BTC-swap | 0 | open short 4 | short_only | sell 4 | -4
BTC-swap | -4 | flip 4 | short_only | buy 4, direction_not_copied | 0
BTC-swap | 0 | open 4 | monitor | monitor_only | 0
BTC-swap | 0 | open 0.001 | monitor | below_minimum_size | 0
BTC-swap | 4 | increase 4 | monitor | monitor_only | 4
BTC-swap | 4 | reduce half | monitor | sell 2 | 2
BTC-swap | 4 | close | monitor | sell 4 | 0
BTC-swap | 4 | flip short 4 | monitor | sell 4, monitor_only | 0
BTC-swap | 0 | close | monitor | nothing_to_reduce | 0
"""


def _follower(market: Instrument, position: str, words: list[str]) -> Follower:
    named = dict(word.split("=") for word in words if "=" in word)
    flags = {word for word in words if "=" not in word}
    below = next((each for each in OnMinimum if each in flags), OnMinimum.CARRY)
    way = next((each for each in TradeDirection if each in flags), TradeDirection.AS_LEADER)
    settings = CopySettings(
        per_order_cap=D(named["cap"]) if "cap" in named else None,
        min_order_amount=D(named["least"]) if "least" in named else None,
        below_minimum=below,
        direction=way,
        monitor_only="monitor" in flags,
    )
    target, _, filled = position.partition("@")
    price = D(PRICES.get(market.base, 1))
    one = follower(held(filled or target, target), market, settings=settings, price=price)
    terms = replace(one.terms, leverage=D(named.get("lever", 5)))
    is_reversed = way is TradeDirection.REVERSED
    return replace(one, terms=terms, price=price, is_reversed=is_reversed)


def _plan(row: str) -> tuple[Plan, str, D]:
    name, position, told, words, expected, target = (part.strip() for part in row.split("|"))
    action, *rest = told.split()
    side = SHORT if "short" in rest else LONG
    amount = next((word for word in rest if word[0].isdigit()), None)
    fraction = "0.5" if "half" in rest else None
    market = MARKETS[name]
    signal = say(action, amount, side, fraction=fraction)  # type: ignore[arg-type]
    signal = replace(signal, leader=replace(signal.leader, instrument=market))
    return plan_follower(signal, _follower(market, position, words.split())), expected, D(target)


def _shown(leg: Leg) -> str:
    if leg.reason is not None:
        return str(leg.reason.code)
    return f"{'buy' if leg.direction > 0 else 'sell'} {leg.quantity.normalize():f}"


@pytest.mark.parametrize("row", CASES.strip().splitlines())
def test_an_order_worked_out_by_hand(row: str) -> None:
    plan, expected, target = _plan(row)
    assert ", ".join(map(_shown, plan.legs)) == expected
    assert plan.target == target


def test_what_would_have_been_sent_is_told() -> None:
    plan, _expected, _target = _plan("SOL-swap | 0 | open 90 | monitor | x | 0")
    (leg,) = plan.legs
    assert leg.reason is not None
    assert leg.reason.params == {"size": "90", "symbol": "SOL/USDT:USDT"}
    assert (leg.direction, leg.is_entry) == (LONG, True)


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        (EquityFacts(now=D(90), peak=D(100)), "buy 2"),
        (EquityFacts(now=D(100), peak=D(100)), "buy 4"),
        (EquityFacts(now=D(80), peak=D(100)), "scaled_to_nothing"),
        (EquityFacts(now=D(-1), peak=D(100)), "scaled_to_nothing"),
        (EquityFacts(now=D(90)), "peak_equity_unknown"),
        (EquityFacts(peak=D(90)), "peak_equity_unknown"),
    ],
)
def test_entries_are_scaled_by_what_the_account_lost(account: EquityFacts, expected: str) -> None:
    settings = CopySettings(
        sizing_mode=SizingMode.LEADER_RATIO,
        dynamic_sizing=DynamicSizing.DRAWDOWN,
        drawdown_zero_percent=D(20),
    )
    assert facts_asked(settings) >= {Fact.EQUITY}
    one = follower(settings=settings, account=account)
    one = replace(one, terms=sizing_terms(settings, leverage=D(5), equity=D(1)))
    (leg,) = plan_follower(say("open", 4), one).legs
    assert _shown(leg) == expected


LOTS = st.integers(1, 400)


@given(LOTS, LOTS, LOTS, st.sampled_from([D("0.01"), D(1), D(5)]))
def test_parts_are_sizes_that_the_venue_takes_and_never_more_than_the_whole(
    lots: int, largest: int, smallest: int, lot: D
) -> None:
    market = replace(MARKETS["BTC-swap"], lot=lot)
    largest = max(largest, smallest)
    lots = max(lots, smallest)
    parts = in_parts(lots * lot, market, largest * lot, smallest * lot)
    assert parts
    assert sum(parts) <= lots * lot
    assert lots * lot - sum(parts) < largest * lot
    for part in parts:
        assert part % lot == 0
        assert smallest * lot <= part <= largest * lot
    if sum(parts) == lots * lot:
        assert max(parts) - min(parts) <= lot


AMOUNT = st.none() | st.decimals(min_value="0.01", max_value=5000, places=2)
SETTINGS = st.builds(
    CopySettings,
    per_order_cap=AMOUNT,
    min_order_amount=AMOUNT,
    below_minimum=st.sampled_from(list(OnMinimum)),
    direction=st.sampled_from(list(TradeDirection)),
    monitor_only=st.booleans(),
)
PRICE = st.decimals(min_value="0.001", max_value=99_999, places=3)
LEVERAGE = st.sampled_from([D(1), D(3), D(50)])
SIZE = st.decimals(min_value=0, max_value=2_000, places=4)
SPLITTING = replace(
    MARKETS["SOL-swap"], min_size=D("0.03"), max_limit_size=D("12.34"), max_market_value=D(90_000)
)


@given(
    st.sampled_from([*MARKETS.values(), SPLITTING]),
    SETTINGS, PRICE, LEVERAGE, SIZE, SIZE,
    st.sampled_from([LONG, SHORT]),
    st.sampled_from(["open", "increase", "set_target", "flip"]),
    st.booleans(),
)  # fmt: skip
def test_an_entry_is_never_above_a_cap_nor_below_a_minimum(
    market: Instrument, settings: CopySettings, price: D, leverage: D, size: D, carried: D,
    direction: int, action: str, is_limit: bool,
) -> None:  # fmt: skip
    book = Book(target=direction * carried % market.lot)
    one = follower(book, market, settings=settings, price=price, is_limit=is_limit)
    one = replace(one, price=price, terms=replace(one.terms, leverage=leverage))
    told = say(action, size, direction)  # type: ignore[arg-type]
    told = replace(told, leader=replace(told.leader, instrument=market))
    plan = plan_follower(told, one)
    legs = [leg for leg in plan.legs if leg.is_order]
    if settings.monitor_only:
        assert not legs
        return
    if not legs:
        return
    total = sum((leg.quantity for leg in legs), D(0))
    worth = market.notional(total, price)
    if settings.per_order_cap is not None:
        assert worth <= settings.per_order_cap * leverage
    # Only what is left over by parts of the largest size may be below the client's minimum.
    if settings.min_order_amount is not None and len(legs) == 1:
        assert worth >= settings.min_order_amount
    asked = size + (abs(book.target) if action in ("open", "increase") else 0)
    if settings.below_minimum is not OnMinimum.FORCE:
        assert total <= asked
    assert len(legs) <= MOST_PARTS
    largest = market.max_limit_size if is_limit else market.max_market_size
    value = None if is_limit else market.max_market_value
    for leg in legs:
        assert leg.quantity % market.lot == 0
        assert leg.quantity >= market.min_size
        assert largest is None or leg.quantity <= largest
        assert value is None or market.notional(leg.quantity, price) <= value
        assert market.notional(leg.quantity, price) >= (market.min_notional or 0)


@given(
    st.sampled_from([*MARKETS.values(), SPLITTING]), SETTINGS, PRICE, SIZE, SIZE,
    st.sampled_from([LONG, SHORT]), st.booleans(),
)  # fmt: skip
def test_a_reduction_never_increases_whatever_the_settings(
    market: Instrument, settings: CopySettings, price: D, holding: D, size: D, side: int,
    is_reversed: bool,
) -> None:  # fmt: skip
    amount = market.quantity_down(holding) * side
    one = follower(held(amount), market, settings=settings)
    one = replace(one, price=price, is_reversed=is_reversed)
    fraction = min(size, D(1)) or D(1)
    for told in (say("close", direction=0), say("reduce", size, 0),
                 say("reduce", direction=0, fraction=fraction)):  # fmt: skip
        told = replace(told, leader=replace(told.leader, instrument=market))
        plan = plan_follower(told, one)
        taken = sum((leg.quantity * leg.direction for leg in plan.legs if leg.is_order), D(0))
        assert not any(leg.is_entry for leg in plan.legs)
        assert taken * amount <= 0
        assert abs(taken) <= abs(amount)
        assert abs(plan.target) <= abs(amount)

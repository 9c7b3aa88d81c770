"""How large a follower's entry is, computed by hand for every mode, basis and kind of contract.

The leader opens 0.5 BTC at 50,000 with leverage 5 and 100,000 of equity: 25,000 of notional,
5,000 of margin, 5 % of the equity. The follower trades at 40,000 to show whose price counts.
"""

from dataclasses import replace
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.domain.sizing import (
    DynamicSizing,
    FollowerTerms,
    LeaderSize,
    MissingFact,
    ScalingFacts,
    SizeBasis,
    SizingError,
    SizingMode,
    entry_quantity,
    reduction_quantity,
    scaled_by,
)
from venues.domain.types import Instrument, InstrumentKind

LINEAR = Instrument(
    symbol="BTC/USDT:USDT",
    venue_symbol="BTC-USDT-SWAP",
    kind=InstrumentKind.LINEAR,
    base="BTC",
    quote="USDT",
    settle="USDT",
    contract_size=D("0.01"),  # BTC
    lot=D("0.01"),
    tick=D("0.1"),
    min_size=D("0.01"),
    max_market_size=None,
    max_limit_size=None,
    max_leverage=D(100),
    is_live=True,
)
INVERSE = replace(
    LINEAR,
    symbol="BTC/USD:BTC",
    kind=InstrumentKind.INVERSE,
    quote="USD",
    settle="BTC",
    contract_size=D(100),  # USD
)
SPOT = replace(LINEAR, symbol="BTC/USDT", kind=InstrumentKind.SPOT, contract_size=D(1))

LEADER = LeaderSize(
    size=D("0.5"),
    basis=SizeBasis.BASE,
    instrument=LINEAR,
    price=D(50_000),
    leverage=D(5),
    equity=D(100_000),
    stop_loss=D(38_000),
)
TERMS = FollowerTerms(
    mode=SizingMode.LEADER_RATIO,
    fixed_amount=D(200),
    ratio=D("0.1"),
    follow_ratio=D(1),
    leverage=D(4),
    equity=D(10_000),
    risk_percent=D(1),
)

# The same 25,000 of notional, said in each way.
SAID = {
    "coins": replace(LEADER, size=D("0.5"), basis=SizeBasis.BASE),
    "linear contracts": replace(LEADER, size=D(50), basis=SizeBasis.CONTRACTS),
    "inverse contracts": replace(
        LEADER, size=D(250), basis=SizeBasis.CONTRACTS, instrument=INVERSE
    ),
    "spot coins as native unit": replace(
        LEADER, size=D("0.5"), basis=SizeBasis.CONTRACTS, instrument=SPOT
    ),
    "quote": replace(LEADER, size=D(25_000), basis=SizeBasis.QUOTE),
    "share of equity": replace(LEADER, size=D("0.05"), basis=SizeBasis.EQUITY_FRACTION),
}
# Notional of the follower: 200 × 4 fixed; a tenth of the leader's 25,000, or of its half a coin
# where it was said in coins; 5 % of 10,000 × 4 × a tenth; 1 % of 10,000 lost over a twentieth.
NOTIONAL = {
    SizingMode.FIXED_AMOUNT: D(800),
    SizingMode.LEADER_RATIO: D(2_500),
    SizingMode.EQUITY_PROPORTIONAL: D(200),
    SizingMode.FIXED_RISK: D(2_000),
}
COINS_SAID = ("coins", "linear contracts", "inverse contracts", "spot coins as native unit")
DRAWN = ScalingFacts(DynamicSizing.DRAWDOWN, zero_percent=D(20), equity=D(80), peak_equity=D(100))


@pytest.mark.parametrize("instrument", [LINEAR, INVERSE, SPOT], ids=lambda item: item.kind)
@pytest.mark.parametrize("mode", list(SizingMode))
@pytest.mark.parametrize("said", SAID)
def test_every_mode_with_every_way_to_say_the_size(
    said: str, mode: SizingMode, instrument: Instrument
) -> None:
    notional = NOTIONAL[mode]
    if mode is SizingMode.LEADER_RATIO and said in COINS_SAID:
        notional = D(2_000)  # a twentieth of a coin
        if said == "inverse contracts" and instrument is INVERSE:
            notional = D(2_500)  # dollars for dollars
    if mode is SizingMode.FIXED_RISK and instrument is INVERSE:
        notional = D(1_900)  # a fall of a twentieth costs more coins than a twentieth of them
    terms = replace(TERMS, mode=mode, stop_percent=D(5), own_stop_first=True)
    quantity = entry_quantity(SAID[said], terms, instrument, D(40_000))
    assert instrument.notional(quantity, D(40_000)) == notional


@pytest.mark.parametrize("mode", list(SizingMode))
def test_the_strategys_follow_ratio_multiplies_every_mode(mode: SizingMode) -> None:
    terms = replace(TERMS, mode=mode)
    whole = entry_quantity(LEADER, terms, LINEAR, D(40_000))
    half = entry_quantity(LEADER, replace(terms, follow_ratio=D("0.5")), LINEAR, D(40_000))
    assert half == whole / 2


def test_contract_sizes_differ_between_leader_and_follower() -> None:
    """A leader's 50 contracts of 0.01 are 0.5 BTC; the follower's contracts are of 0.1."""
    big = replace(LINEAR, contract_size=D("0.1"))
    leader = replace(LEADER, size=D(50), basis=SizeBasis.CONTRACTS)
    terms = replace(TERMS, ratio=D(1))
    assert entry_quantity(leader, terms, big, D(50_000)) == D(5)


def test_a_leader_in_coins_and_a_follower_in_inverse_contracts() -> None:
    terms = replace(TERMS, ratio=D(1))
    # 0.5 BTC at 50,000 are 25,000 USD: 250 contracts of 100 USD.
    assert entry_quantity(LEADER, terms, INVERSE, D(50_000)) == D(250)


def test_a_fixed_amount_is_margin_and_needs_nothing_of_the_leader() -> None:
    silent = replace(LEADER, size=None, basis=None, equity=None)
    terms = replace(TERMS, mode=SizingMode.FIXED_AMOUNT, leverage=D(10), equity=None)
    # 200 × 10 = 2,000 of notional; a contract is 400.
    assert entry_quantity(silent, terms, LINEAR, D(40_000)) == D(5)


def test_the_ratio_of_the_leader_does_not_depend_on_leverage_or_equity() -> None:
    other = replace(TERMS, leverage=D(50), equity=None)
    leader = replace(LEADER, leverage=D(1), equity=None)
    assert entry_quantity(leader, other, LINEAR, D(50_000)) == D(5)


def test_proportional_margin_is_the_same_share_of_each_ones_equity() -> None:
    terms = replace(TERMS, mode=SizingMode.EQUITY_PROPORTIONAL, ratio=D(1), leverage=D(5))
    quantity = entry_quantity(LEADER, terms, LINEAR, D(50_000))
    margin = LINEAR.notional(quantity, D(50_000)) / 5
    assert margin / D(10_000) == D("0.05")


@pytest.mark.parametrize(
    ("leader", "changes", "missing"),
    [
        ({"size": None}, {}, MissingFact.LEADER_SIZE),
        ({"basis": None}, {}, MissingFact.LEADER_SIZE),
        ({"basis": SizeBasis.POSITION_FRACTION}, {}, MissingFact.LEADER_SIZE),
        (
            {"basis": SizeBasis.EQUITY_FRACTION, "size": D("0.05"), "equity": None},
            {},
            MissingFact.LEADER_EQUITY,
        ),
        ({"equity": None}, {"mode": SizingMode.EQUITY_PROPORTIONAL}, MissingFact.LEADER_EQUITY),
        ({"equity": D(0)}, {"mode": SizingMode.EQUITY_PROPORTIONAL}, MissingFact.LEADER_FUNDS),
        ({"equity": D(-5)}, {"mode": SizingMode.EQUITY_PROPORTIONAL}, MissingFact.LEADER_FUNDS),
        ({"size": None}, {"mode": SizingMode.EQUITY_PROPORTIONAL}, MissingFact.LEADER_SIZE),
        (
            {},
            {"mode": SizingMode.EQUITY_PROPORTIONAL, "equity": None},
            MissingFact.FOLLOWER_EQUITY,
        ),
        (
            {},
            {"mode": SizingMode.FIXED_AMOUNT, "fixed_amount": None},
            MissingFact.OWN_AMOUNT,
        ),
        ({}, {"mode": SizingMode.FIXED_RISK, "risk_percent": None}, MissingFact.OWN_AMOUNT),
        ({}, {"mode": SizingMode.FIXED_RISK, "equity": None}, MissingFact.FOLLOWER_EQUITY),
        ({}, {"mode": SizingMode.FIXED_RISK, "equity": D(0)}, MissingFact.FOLLOWER_FUNDS),
        ({"stop_loss": None}, {"mode": SizingMode.FIXED_RISK}, MissingFact.STOP),
        ({"stop_loss": D(40_000)}, {"mode": SizingMode.FIXED_RISK}, MissingFact.STOP_PASSED),
        ({"stop_loss": D(41_000)}, {"mode": SizingMode.FIXED_RISK}, MissingFact.STOP_PASSED),
        ({"price": D(0)}, {"mode": SizingMode.EQUITY_PROPORTIONAL}, MissingFact.LEADER_PRICE),
        ({}, {"scaling": ScalingFacts(DynamicSizing.VOLATILITY)}, MissingFact.VOLATILITY),
        (
            {},
            {"scaling": ScalingFacts(DynamicSizing.VOLATILITY, target_percent=D(2))},
            MissingFact.VOLATILITY,
        ),
        ({}, {"scaling": ScalingFacts(DynamicSizing.DRAWDOWN)}, MissingFact.DRAWDOWN),
        ({}, {"scaling": replace(DRAWN, peak_equity=D(0))}, MissingFact.DRAWDOWN),
        ({}, {"scaling": DRAWN}, MissingFact.DRAWN_DOWN),
        ({}, {"scaling": replace(DRAWN, equity=D(-3))}, MissingFact.DRAWN_DOWN),
    ],
)
def test_what_is_missing_is_named(
    leader: dict[str, object], changes: dict[str, object], missing: MissingFact
) -> None:
    with pytest.raises(SizingError) as caught:
        entry_quantity(replace(LEADER, **leader), replace(TERMS, **changes), LINEAR, D(40_000))
    assert caught.value.missing is missing


def test_a_share_of_equity_needs_no_equity_figure_to_be_followed_proportionally() -> None:
    leader = replace(LEADER, size=D("0.05"), basis=SizeBasis.EQUITY_FRACTION, equity=None)
    terms = replace(TERMS, mode=SizingMode.EQUITY_PROPORTIONAL)
    assert entry_quantity(leader, terms, LINEAR, D(40_000)) == D("0.5")


@pytest.mark.parametrize("equity", [D(0), D("-0.01"), D(-500)])
def test_an_account_under_water_follows_with_nothing(equity: D) -> None:
    """Never with a negative size, which planning would take for the other direction."""
    terms = replace(TERMS, mode=SizingMode.EQUITY_PROPORTIONAL, equity=equity)
    with pytest.raises(SizingError) as caught:
        entry_quantity(LEADER, terms, LINEAR, D(40_000))
    assert caught.value.missing is MissingFact.FOLLOWER_FUNDS


def test_a_reduction_said_as_an_amount_is_taken_off_in_full() -> None:
    scaling = replace(DRAWN, equity=D(90))
    terms = replace(TERMS, scaling=scaling, discount_percent=D(10))
    assert entry_quantity(LEADER, terms, LINEAR, D(40_000)) == D("2.5")
    assert reduction_quantity(LEADER, terms, LINEAR, D(40_000)) == D(5)
    by_equity = replace(terms, mode=SizingMode.EQUITY_PROPORTIONAL)
    assert reduction_quantity(LEADER, by_equity, LINEAR, D(40_000)) == D("0.5")


AMOUNTS = st.decimals(min_value="0.00000001", max_value="10000000", places=8)


@given(size=AMOUNTS, ratio=AMOUNTS, price=AMOUNTS)
def test_contracts_for_contracts_are_exact_whatever_the_price(size: D, ratio: D, price: D) -> None:
    leader = replace(LEADER, size=size, basis=SizeBasis.CONTRACTS)
    quantity = entry_quantity(leader, replace(TERMS, ratio=ratio), LINEAR, price)
    assert quantity == size * ratio


@given(
    size=AMOUNTS,
    price=AMOUNTS,
    mode=st.sampled_from(list(SizingMode)),
    stop=AMOUNTS | st.none(),
    own=st.none() | st.decimals(min_value="0.01", max_value=75, places=2),
    direction=st.sampled_from([1, -1]),
)
def test_a_size_is_never_negative(
    size: D, price: D, mode: SizingMode, stop: D | None, own: D | None, direction: int
) -> None:
    leader = replace(LEADER, size=size, stop_loss=stop)
    terms = replace(TERMS, mode=mode, stop_percent=own)
    for instrument in (INVERSE, LINEAR, SPOT):
        try:
            assert entry_quantity(leader, terms, instrument, price, direction) >= 0
        except SizingError as error:
            assert mode is SizingMode.FIXED_RISK
            assert error.missing in (MissingFact.STOP, MissingFact.STOP_PASSED)


PERCENT = st.decimals(min_value=0, max_value=100, places=2)


@given(PERCENT, PERCENT.filter(bool), PERCENT.filter(bool))
def test_what_makes_entries_smaller_never_makes_them_larger(now: D, limit: D, peak: D) -> None:
    for scaling in (
        ScalingFacts(DynamicSizing.VOLATILITY, target_percent=limit, daily_range_percent=now),
        ScalingFacts(DynamicSizing.DRAWDOWN, zero_percent=limit, equity=now, peak_equity=peak),
    ):
        try:
            assert 0 < scaled_by(scaling) <= 1
        except SizingError as error:
            assert error.missing is MissingFact.DRAWN_DOWN

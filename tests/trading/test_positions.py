"""A copied position under fills: averages, profit, fees and round trips, by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trading.plans import BTC
from trading.domain.positions import Holding, RoundTrip, apply_fill
from venues.domain.types import Instrument, InstrumentKind

START = datetime(2026, 1, 1, tzinfo=UTC)
INVERSE = replace(BTC, kind=InstrumentKind.INVERSE, contract_size=D(100), settle="BTC")
SPOT = replace(BTC, kind=InstrumentKind.SPOT, contract_size=D(1))
Fill = tuple[object, object, object]
"""Signed quantity, price, fee."""


def run(
    fills: list[Fill], instrument: Instrument = BTC, holding: Holding | None = None
) -> tuple[Holding, list[RoundTrip]]:
    holding = holding or Holding()
    trips = []
    for minute, (quantity, price, fee) in enumerate(fills):
        holding, trip = apply_fill(
            holding,
            signed_quantity=D(str(quantity)),
            price=D(str(price)),
            fee=D(str(fee)),
            at=START + timedelta(minutes=minute),
            instrument=instrument,
        )
        if trip is not None:
            trips.append(trip)
    return holding, trips


def test_additions_average_by_value() -> None:
    holding, trips = run([(3, 50_000, "0.75"), (1, 54_000, "0.27")])
    assert (holding.filled, holding.average_entry_price) == (4, 51_000)
    assert (holding.realised_pnl, holding.fees) == (0, D("1.02"))
    assert holding.opened_at == START
    assert trips == []


def test_a_partial_exit_realises_its_part_and_keeps_the_average() -> None:
    holding, trips = run([(4, 51_000, 1), (-1, 52_000, "0.26")])
    # one contract of 0.01 BTC, 1,000 higher: 10
    assert (holding.filled, holding.average_entry_price) == (3, 51_000)
    assert (holding.realised_pnl, holding.fees) == (10, D("1.26"))
    assert trips == []


def test_a_long_round_trip() -> None:
    holding, trips = run(
        [(3, 50_000, "0.75"), (1, 54_000, "0.27"), (-1, 52_000, "0.26"), (-3, 50_000, "0.75")]
    )
    # +10 on one, −10 on each of three
    assert trips == [
        RoundTrip(
            direction="long",
            quantity=D(4),
            entry_price=D(51_000),
            exit_price=D(50_500),
            realised_pnl=D(-20),
            fees=D("2.03"),
            opened_at=START,
            closed_at=START + timedelta(minutes=3),
        )
    ]
    assert holding == Holding(realised_pnl=D(-20), fees=D("2.03"))


def test_a_short_earns_when_the_price_falls() -> None:
    holding, (trip,) = run([(-2, 50_000, "0.5"), (2, 49_000, "0.49")])
    assert trip.direction == "short"
    assert (trip.entry_price, trip.exit_price) == (50_000, 49_000)
    assert (trip.realised_pnl, trip.fees) == (20, D("0.99"))
    assert holding.filled == 0


def test_a_second_trip_starts_from_nothing_but_the_sums_go_on() -> None:
    holding, (_, second) = run([(1, 50_000, 1), (-1, 51_000, 1), (2, 40_000, 2), (-2, 40_500, 2)])
    assert (second.quantity, second.realised_pnl, second.fees) == (2, 10, 4)
    assert second.opened_at == START + timedelta(minutes=2)
    assert (holding.realised_pnl, holding.fees) == (20, 6)


def test_a_fill_that_crosses_zero_ends_one_trip_and_starts_the_next() -> None:
    holding, (trip,) = run([(2, 50_000, "0.5"), (-5, 51_000, "1.25")])
    # The fee of 1.25 is shared 2 : 3.
    assert (trip.direction, trip.quantity, trip.realised_pnl) == ("long", 2, 20)
    assert trip.fees == D("1.00")
    assert (holding.filled, holding.average_entry_price) == (-3, 51_000)
    assert (holding.round_trip_fees, holding.entered_quantity) == (D("0.75"), 3)
    assert (holding.realised_pnl, holding.fees) == (20, D("1.75"))
    assert holding.opened_at == START + timedelta(minutes=1)


def test_inverse_contracts_average_harmonically_and_earn_coins() -> None:
    holding, _ = run([(1, 40_000, 0), (1, 60_000, 0)], INVERSE)
    # 100/40,000 + 100/60,000 = 0.0025 + 0.001666… BTC for 200 USD: 48,000
    assert abs(holding.average_entry_price - 48_000) < D("1e-40")
    holding, (trip,) = run([(2, 40_000, "0.000002"), (-2, 50_000, "0.000001")], INVERSE)
    # 200 · (1/40,000 − 1/50,000) = 0.001 BTC
    assert (trip.realised_pnl, trip.fees) == (D("0.001"), D("0.000003"))
    assert (trip.entry_price, trip.exit_price) == (40_000, 50_000)


def test_an_inverse_short_earns_coins_when_the_price_falls() -> None:
    _, (trip,) = run([(-2, 50_000, 0), (2, 40_000, 0)], INVERSE)
    assert (trip.direction, trip.realised_pnl) == ("short", D("0.001"))


def test_spot_counts_coins() -> None:
    holding, (trip,) = run([("0.5", 2_000, "1"), ("-0.5", 2_200, "1.1")], SPOT)
    assert (trip.realised_pnl, trip.fees) == (100, D("2.1"))
    assert holding.filled == 0


def test_a_rebate_is_a_negative_fee() -> None:
    holding, _ = run([(1, 50_000, "-0.1"), (-1, 50_000, "0.25")])
    assert holding.fees == D("0.15")


# --- against the cash ---------------------------------------------------------------------------

FILLS = st.lists(
    st.tuples(
        st.integers(-40, 40).filter(bool),
        st.decimals(min_value=100, max_value=90_000, places=1),
        st.decimals(min_value=-5, max_value=5, places=4),
    ),
    min_size=1,
    max_size=25,
)
NEARLY = D("1e-35")


def cash(fills: list[Fill], instrument: Instrument, mark: D) -> D:
    """What the fills moved, were the rest settled at the mark: in quote, or in coins."""
    moved, rest = D(0), D(0)
    for quantity, price, _ in fills:
        lots = D(quantity)
        rest += lots
        if instrument.kind is InstrumentKind.INVERSE:
            moved += lots * instrument.contract_size / price
        else:
            moved -= lots * instrument.contract_size * price
    if instrument.kind is InstrumentKind.INVERSE:
        return moved - rest * instrument.contract_size / mark
    return moved + rest * instrument.contract_size * mark


@settings(max_examples=300, deadline=None)
@given(
    FILLS,
    st.sampled_from([BTC, INVERSE, SPOT]),
    st.decimals(min_value=100, max_value=90_000, places=1),
)
def test_profit_of_trips_and_of_what_is_open_is_the_cash_that_moved(
    fills: list[Fill], instrument: Instrument, mark: D
) -> None:
    holding, trips = run(fills, instrument)
    open_pnl = D(0)
    if holding.filled:
        open_pnl = instrument.pnl(holding.filled, holding.average_entry_price, mark)
    assert abs(holding.realised_pnl + open_pnl - cash(fills, instrument, mark)) < NEARLY
    of_trips = sum((trip.realised_pnl for trip in trips), D(0))
    assert abs(of_trips + holding.round_trip_pnl - holding.realised_pnl) < NEARLY
    assert holding.filled == sum(D(quantity) for quantity, _, _ in fills)


@settings(max_examples=300, deadline=None)
@given(FILLS, st.sampled_from([BTC, INVERSE]))
def test_fees_are_neither_lost_nor_counted_twice(fills: list[Fill], instrument: Instrument) -> None:
    holding, trips = run(fills, instrument)
    paid = sum((D(fee) for _, _, fee in fills), D(0))
    assert abs(holding.fees - paid) < NEARLY
    of_trips = sum((trip.fees for trip in trips), D(0))
    assert abs(of_trips + holding.round_trip_fees - paid) < NEARLY


@settings(max_examples=300, deadline=None)
@given(FILLS, st.sampled_from([BTC, INVERSE]))
def test_a_trip_is_from_flat_to_flat_at_prices_that_were_traded(
    fills: list[Fill], instrument: Instrument
) -> None:
    holding, trips = run(fills, instrument)
    prices = [D(price) for _, price, _ in fills]
    for trip in trips:
        assert trip.quantity > 0
        assert min(prices) - NEARLY <= trip.entry_price <= max(prices) + NEARLY
        assert min(prices) - NEARLY <= trip.exit_price <= max(prices) + NEARLY
        assert trip.opened_at < trip.closed_at
    if holding.filled == 0:
        assert holding.average_entry_price is None
        assert holding.opened_at is None

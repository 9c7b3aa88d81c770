"""A reduction by a fraction without an end in decimals leaves followers at the exact share."""

from decimal import Decimal as D
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from signals_app.models import Signal
from trading.services.fanout.context import Market, SettingsInForce, ShardContext
from trading.services.fanout.instructions import instruction_for
from venues.domain.types import Instrument, InstrumentKind

BTC = Instrument(
    symbol="BTC/USDT:USDT",
    venue_symbol="BTC-USDT-SWAP",
    kind=InstrumentKind.LINEAR,
    base="BTC",
    quote="USDT",
    settle="USDT",
    contract_size=D("0.01"),
    lot=D("0.01"),
    tick=D("0.1"),
    min_size=D("0.01"),
    max_market_size=None,
    max_limit_size=None,
    max_leverage=D(100),
    is_live=True,
)


def fraction(**fields: Any) -> D | None:
    signal = Signal(
        action="reduce", symbol=BTC.symbol, size=D("0.3"), size_basis="position_fraction", **fields
    )
    market = Market(BTC, D(50_000))
    settings = SettingsInForce({}, signal.symbol)
    context = ShardContext(
        None,
        signal,
        None,
        market,
        {},
        "",
        settings,
        ZoneInfo("UTC"),  # type: ignore[arg-type]
    )
    return instruction_for(context, market).reduce_fraction


def test_the_leaders_positions_say_it_exactly() -> None:
    third = fraction(leader_position_before=D(-9), leader_position_after=D(-6))
    assert third is not None
    assert abs(third * 3 - 1) < D("1e-50")


@pytest.mark.parametrize(
    ("before", "after"), [(None, None), (D(9), None), (D(0), D(9)), (D(9), D(-1)), (D(9), D(10))]
)
def test_positions_that_are_no_reduction_leave_it_to_the_signals_own_size(
    before: D | None, after: D | None
) -> None:
    assert fraction(leader_position_before=before, leader_position_after=after) == D("0.3")

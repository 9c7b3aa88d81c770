"""What a source holds by its own signals: only what is known for sure."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from signals_app.domain.canonical import Action, CanonicalSignal, OrderType, Side, SizeBasis
from signals_app.domain.leaders.average_prices import average_after
from signals_app.domain.source_holdings import Holding, HoldingDoubt, holdings_by_signals
from tests.signals_app.leaders.fills import BTC, fill

NOW = datetime(2026, 1, 1, tzinfo=UTC)
INVERSE = "BTC/USD:BTC"


def said(action: str, size: str | None = None, price: str | None = None, **more: Any) -> Any:
    values: dict[str, Any] = {
        "side": Side.LONG,
        "size_basis": SizeBasis.CONTRACTS if size is not None else None,
        "symbol": BTC,
        **more,
    }
    return CanonicalSignal(
        action=Action(action),
        emitted_at=NOW,
        size=None if size is None else Decimal(size),
        price=None if price is None else Decimal(price),
        **values,
    )


def by_fraction(part: str) -> Any:
    return said("reduce", part, size_basis=SizeBasis.POSITION_FRACTION)


@pytest.mark.parametrize(
    ("signals", "size", "price"),
    [
        ([said("open", "4", "100")], "4", "100"),
        ([said("open", "4", "100"), said("increase", "4", "200")], "8", "150"),
        ([said("open", "4", "100"), said("open", "4", "100")], "8", "100"),
        ([said("open", "4", "100"), by_fraction("0.25")], "3", "100"),
        ([said("open", "4", "100"), said("reduce", "1")], "3", "100"),
        ([said("open", "4", "100"), said("increase", "4")], "8", None),
        ([said("open", "1", "1"), said("close"), said("open", "2", "5")], "2", "5"),
        ([said("open", "9", "7"), said("set_target", "2", "5")], "2", None),
        ([said("set_target", "2", "5")], "2", "5"),
        ([said("open", "9", "7"), said("close", side=Side.SHORT)], "9", "7"),
        ([said("open", "9", "7", side=Side.SHORT), said("flip", None, "5")], "9", "5"),
        ([said("open", "9", "7"), said("leverage", leverage=Decimal(3))], "9", "7"),
    ],
)
def test_what_is_open_is_summed_up(signals: list[Any], size: str, price: str | None) -> None:
    [held] = holdings_by_signals(signals).values()
    assert isinstance(held, Holding)
    assert (held.side, held.size) == (Side.LONG, Decimal(size))
    assert held.price == (None if price is None else Decimal(price))


@pytest.mark.parametrize(
    "signals",
    [
        [],
        [said("open", "4"), said("close")],
        [said("open", "4"), said("reduce", "4")],
        [said("open", "4"), said("set_target", "0", side=None)],
        [said("open", "4"), by_fraction("1")],
        [said("reduce", "1")],
        [
            said("open", "3"),
            said(
                "reduce",
                "1",
                leader_position_before=Decimal(3),
                leader_position_after=Decimal(0),
            ),
        ],
    ],
)
def test_what_is_flat_is_left_out(signals: list[Any]) -> None:
    assert holdings_by_signals(signals) == {}


@pytest.mark.parametrize(
    ("signals", "doubt"),
    [
        ([said("open", "4", "9", order_type=OrderType.LIMIT)], HoldingDoubt.LIMIT_ORDER),
        ([said("increase", "4")], HoldingDoubt.BEGINNING_UNKNOWN),
        ([said("open", "4"), said("open", "1", side=Side.SHORT)], HoldingDoubt.BEGINNING_UNKNOWN),
        (
            [said("open", "4"), said("increase", "50", size_basis=SizeBasis.QUOTE)],
            HoldingDoubt.SIZES_MIXED,
        ),
        ([said("open"), by_fraction("0.5")], HoldingDoubt.SIZES_MIXED),
        (
            [said("increase", "4"), by_fraction("0.5"), said("increase", "1")],
            HoldingDoubt.BEGINNING_UNKNOWN,
        ),
    ],
)
def test_a_doubt_stays_until_it_is_flat_again(signals: list[Any], doubt: HoldingDoubt) -> None:
    assert holdings_by_signals(signals) == {BTC: doubt}
    assert holdings_by_signals([*signals, said("close", side=None)]) == {}


def test_dollar_contracts_average_by_coins() -> None:
    signals = [
        said("open", "10", "100", symbol=INVERSE),
        said("increase", "10", "300", symbol=INVERSE),
    ]
    [held] = holdings_by_signals(signals).values()
    assert isinstance(held, Holding)
    assert held.price == 150


@pytest.mark.parametrize(
    ("quantity", "average", "fills", "price"),
    [
        ("0", None, [("4", "100")], "100"),
        ("4", "100", [("4", "200")], "150"),
        ("4", "100", [("-1", "200")], "100"),
        ("4", "100", [("-4", "200")], None),
        ("4", "100", [("-6", "200")], "200"),
        ("4", "100", [("-4", "200"), ("2", "50")], "50"),
        ("-4", "100", [("-4", "200"), ("2", "50")], "150"),
        ("4", None, [("4", "200")], None),
    ],
)
def test_a_leaders_average_price_follows_its_fills(
    quantity: str, average: str | None, fills: list[tuple[str, str]], price: str | None
) -> None:
    made = [
        fill(number, signed, at=number, price=Decimal(at))
        for number, (signed, at) in enumerate(fills)
    ]
    before = None if average is None else Decimal(average)
    found = average_after(Decimal(quantity), before, made)
    assert found == (None if price is None else Decimal(price))


def test_dollar_contracts_of_a_leader_average_by_coins() -> None:
    more = fill(1, "10", price=Decimal(300), symbol=INVERSE)
    assert average_after(Decimal(10), Decimal(100), [more]) == 150

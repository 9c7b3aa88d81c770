"""Positions and accounts in short, for tables."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from tests.trading.risk.entries import INVERSE, LINEAR, SPOT
from trading.domain.equity import EquityRecord
from trading.domain.portfolio.figures import Coins, Figures, Holding, account_figures

D = Decimal
TODAY = date(2026, 11, 21)


def d(value: object) -> D | None:
    return None if value is None else D(str(value))


def linear(quantity: object, average: object, price: object, **more: Any) -> Holding:
    return _holding(LINEAR, quantity, average, price, more)


def inverse(quantity: object, average: object, price: object, **more: Any) -> Holding:
    return _holding(INVERSE, quantity, average, price, more)


def spot(quantity: object, average: object, price: object, **more: Any) -> Holding:
    return _holding(SPOT, quantity, average, price, more)


def _holding(
    instrument: Any, quantity: object, average: object, price: object, more: dict[str, Any]
) -> Holding:
    amounts = {name: value if name == "margin_mode" else d(value) for name, value in more.items()}
    return Holding(instrument, D(str(quantity)), d(average), d(price), **amounts)


def usdt(equity: object) -> Coins:
    return Coins("USDT", D(str(equity)), D(str(equity)))


def coins(currency: str, equity: object, value: object) -> Coins:
    return Coins(currency, D(str(equity)), d(value))


def record(start: object, peak: object) -> EquityRecord:
    return EquityRecord(TODAY, D(str(start)), D(str(start)), D(str(peak)))


def account(
    *owned: Coins,
    holds: tuple[Holding, ...] = (),
    since: EquityRecord | None = None,
    prices: dict[str, object] | None = None,
    compared: tuple[Coins, ...] = (),
) -> Figures:
    return account_figures(
        compared=compared,
        coins=owned,
        holdings=holds,
        record=since,
        prices={name: D(str(price)) for name, price in (prices or {}).items()},
    )

"""Entries for the tests of single rules.

Linear: contracts of 0.01 BTC, inverse: of 100 dollars, spot: coins; BTC at 50,000 unless a case
says otherwise. So a linear contract is 500 of notional, an inverse one 100, a coin 50,000.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from strategies.domain.settings import CopySettings
from trading.domain.risk import (
    RULES,
    Allow,
    CopyFacts,
    EntryFacts,
    EquityFacts,
    MarketFacts,
    OrderBook,
    Reduce,
    order_book,
)
from venues.domain.types import Instrument, InstrumentKind

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)  # a Thursday
LINEAR = Instrument(
    symbol="BTC/USDT:USDT",
    venue_symbol="BTC-USDT-SWAP",
    kind=InstrumentKind.LINEAR,
    base="BTC",
    quote="USDT",
    settle="USDT",
    contract_size=D("0.01"),
    lot=D(1),
    tick=D("0.1"),
    min_size=D(1),
    max_market_size=None,
    max_limit_size=None,
    max_leverage=D(100),
    is_live=True,
)
INVERSE = replace(
    LINEAR,
    symbol="BTC/USD:BTC",
    venue_symbol="BTC-USD-SWAP",
    kind=InstrumentKind.INVERSE,
    quote="USD",
    settle="BTC",
    contract_size=D(100),
)
SPOT = replace(
    LINEAR,
    symbol="BTC/USDT",
    venue_symbol="BTC-USDT",
    kind=InstrumentKind.SPOT,
    contract_size=D(1),
    lot=D("0.0001"),
    min_size=D("0.0001"),
    max_leverage=D(1),
)
DOGE = replace(
    LINEAR,
    symbol="DOGE/USDT:USDT",
    venue_symbol="DOGE-USDT-SWAP",
    base="DOGE",
    contract_size=D(1000),
    tick=D("0.00001"),
)

Verdict = str | tuple[Any, ...]


def entry(
    instrument: Instrument = LINEAR,
    *,
    settings: dict[str, Any] | None = None,
    copy: dict[str, Any] | None = None,
    account: dict[str, Any] | None = None,
    market: dict[str, Any] | None = None,
    **changes: Any,
) -> EntryFacts:
    """Ten of it, at 5×, by somebody with room for everything; amounts may be text."""
    values: dict[str, Any] = {
        "now": NOW,
        "expires_at": NOW + timedelta(seconds=60),
        "symbol": instrument.symbol,
        "strategy_active": True,
        "subscription_active": True,
        "account_active": True,
        "account_checked": True,
        "account_healthy": True,
        "customer_active": True,
        "instrument": instrument,
        "quantity": D(10),
        "price": D(50_000),
        "leverage": D(5),
        "available": D(10) ** 9,
        "equity": D(10) ** 9,
        "currency": instrument.quote,
        "venue": "paper",
        "signal_at": NOW,
        **_amounts(changes),
    }
    return EntryFacts(
        **values,
        settings=CopySettings(**_amounts(settings)),
        copy=CopyFacts(**_amounts(copy)),
        account=EquityFacts(**_amounts(account)),
        market=MarketFacts(**_amounts(market)),
    )


def _amounts(values: dict[str, Any] | None) -> dict[str, Any]:
    words = ("margin_mode", "symbol", "venue", "unpriced_symbol")
    return {
        name: D(value) if isinstance(value, str) and name not in words else value
        for name, value in (values or {}).items()
    }


def book(bids: str, asks: str) -> OrderBook:
    """From "price×size price×size"."""
    return order_book(_levels(bids), _levels(asks))


def _levels(text: str) -> Iterable[tuple[D, D]]:
    for level in text.split():
        price, size = level.split("×")
        yield D(price), D(size)


def said(rule: str, facts: EntryFacts) -> Verdict:
    """ "allow", ("reduce", code, quantity), or ("deny", code, numbers)."""
    (judge,) = (each.judge for each in RULES if each.name == rule)
    verdict = judge(facts)
    if isinstance(verdict, Allow):
        return "allow"
    if isinstance(verdict, Reduce):
        return ("reduce", verdict.reason.code.value, verdict.quantity)
    return ("deny", verdict.reason.code.value, verdict.reason.params)


def table(*rows: tuple[str, EntryFacts, Verdict]) -> Any:
    return pytest.mark.parametrize(
        ("facts", "expected"),
        [
            pytest.param(facts, expected, id=name.replace(" ", "-"))
            for name, facts, expected in rows
        ],
    )

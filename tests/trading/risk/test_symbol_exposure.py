"""The account's notional in one symbol, with the entry, against its cap: the rest is cut off."""

from __future__ import annotations

from decimal import Decimal as D

from tests.trading.risk.entries import INVERSE, LINEAR, SPOT, Verdict, entry, said, table
from trading.domain.risk import EntryFacts


def capped(cap: str, held: str | None, instrument: object = LINEAR, **more: object) -> EntryFacts:
    settings, copy = {"symbol_exposure_cap": cap}, {"symbol_exposure": held}
    return entry(instrument, settings=settings, copy=copy, **more)


def cut(quantity: str) -> Verdict:
    return ("reduce", "symbol_exposure", D(quantity))


def full(exposure: str, added: str, limit: str, currency: str, symbol: str) -> Verdict:
    params = {
        "exposure": exposure,
        "entry": added,
        "limit": limit,
        "currency": currency,
        "symbol": symbol,
    }
    return ("deny", "symbol_exposure", params)


@table(
    ("unset", entry(copy={"symbol_exposure": "1000000"}), "allow"),
    # Ten contracts are 5,000.
    ("exactly the cap", capped("5000", "0"), "allow"),
    ("with what is held exactly the cap", capped("7000", "2000"), "allow"),
    ("room for four", capped("4000", "2000"), cut("4")),
    ("room for a part of one", capped("2300", "2000"), cut("0.6")),
    (
        "no room",
        capped("2000", "2000"),
        full("2000.00", "5000.00", "2000.00", "USDT", LINEAR.symbol),
    ),
    (
        "over it",
        capped("2000", "2600"),
        full("2600.00", "5000.00", "2000.00", "USDT", LINEAR.symbol),
    ),
    # A contract at 25,000 is 250: 4,000 ÷ 250.
    (
        "at half the price twice as many",
        capped("4000", "0", price="25000", quantity="20"),
        cut("16"),
    ),
    ("leverage changes nothing", capped("4000", "0", leverage="50"), cut("8")),
    ("inverse at the cap", capped("1000", "0", INVERSE), "allow"),
    ("inverse cut", capped("1000", "250", INVERSE), cut("7.5")),
    (
        "inverse full",
        capped("250", "250", INVERSE),
        full("250.00", "1000.00", "250.00", "USD", INVERSE.symbol),
    ),
    ("spot at the cap", capped("100000", "0", SPOT, quantity="2"), "allow"),
    ("spot cut", capped("60000", "10000", SPOT, quantity="2"), cut("1")),
    ("nobody knows", capped("5000", None), ("deny", "exposure_unknown", {"symbol": LINEAR.symbol})),
)
def test_symbol_exposure(facts: EntryFacts, expected: Verdict) -> None:
    assert said("symbol_exposure", facts) == expected

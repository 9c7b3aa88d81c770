"""Copies that share a symbol on an account agree on leverage and margin mode."""

from __future__ import annotations

from decimal import Decimal as D

from tests.trading.risk.entries import INVERSE, SPOT, Verdict, entry, said, table
from trading.domain.risk import EntryFacts, HeldTerms


def leverage(held: str, wanted: str, symbol: str = "BTC/USDT:USDT") -> Verdict:
    return ("deny", "leverage_shared", {"symbol": symbol, "held": held, "wanted": wanted})


def mode(held: str, wanted: str) -> Verdict:
    params = {"symbol": "BTC/USDT:USDT", "held_mode": held, "wanted_mode": wanted}
    return ("deny", "margin_mode_shared", params)


SAME = HeldTerms(D(5), "cross")
LOWER = HeldTerms(D(3), "cross")
ISOLATED = HeldTerms(D(5), "isolated")
BOTH = HeldTerms(D(3), "isolated")


@table(
    ("alone", entry(), "allow"),
    ("the same", entry(others=(SAME,)), "allow"),
    ("another leverage", entry(others=(LOWER,)), leverage("3", "5")),
    ("a half more", entry(leverage="5.5", others=(SAME,)), leverage("5", "5.5")),
    ("another margin mode", entry(others=(ISOLATED,)), mode("isolated", "cross")),
    (
        "into isolated",
        entry(margin_mode="isolated", others=(SAME,)),
        mode("cross", "isolated"),
    ),
    ("both differ", entry(others=(BOTH,)), mode("isolated", "cross")),
    ("the second of two", entry(others=(SAME, LOWER)), leverage("3", "5")),
    ("of unknown leverage", entry(others=(HeldTerms(None, "cross"),)), "allow"),
    (
        "inverse",
        entry(INVERSE, others=(LOWER,)),
        leverage("3", "5", "BTC/USD:BTC"),
    ),
    ("spot has neither", entry(SPOT, margin_mode="cash", others=(BOTH,)), "allow"),
)
def test_shared_terms(facts: EntryFacts, expected: Verdict) -> None:
    assert said("shared_terms", facts) == expected

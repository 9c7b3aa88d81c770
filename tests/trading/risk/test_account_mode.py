"""Contracts need an account mode that takes them."""

from __future__ import annotations

from tests.trading.risk.entries import INVERSE, SPOT, Verdict, entry, said, table
from trading.domain.risk import EntryFacts


def refused(symbol: str) -> Verdict:
    return ("deny", "contracts_not_taken", {"symbol": symbol})


@table(
    ("it takes them", entry(), "allow"),
    ("linear", entry(takes_contracts=False), refused("BTC/USDT:USDT")),
    ("inverse", entry(INVERSE, takes_contracts=False), refused("BTC/USD:BTC")),
    ("spot needs none", entry(SPOT, takes_contracts=False), "allow"),
)
def test_account_mode(facts: EntryFacts, expected: Verdict) -> None:
    assert said("account_mode", facts) == expected

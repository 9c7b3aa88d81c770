"""An entry whose exit was planned first."""

from __future__ import annotations

from tests.trading.risk.entries import Verdict, entry, said, table
from trading.domain.risk import EntryFacts


@table(
    ("in order", entry(), "allow"),
    (
        "overtaken",
        entry(later_exit=True, symbol="BTC/USDT:USDT"),
        ("deny", "later_exit", {"symbol": "BTC/USDT:USDT"}),
    ),
)
def test_signal_order(facts: EntryFacts, expected: Verdict) -> None:
    assert said("signal_order", facts) == expected

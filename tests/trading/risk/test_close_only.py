"""A copy or symbol that follows exits only."""

from __future__ import annotations

from tests.trading.risk.entries import LINEAR, Verdict, entry, said, table
from trading.domain.risk import EntryFacts


@table(
    ("off", entry(settings={"close_only": False}), "allow"),
    ("on", entry(settings={"close_only": True}), ("deny", "close_only", {"symbol": LINEAR.symbol})),
)
def test_close_only(facts: EntryFacts, expected: Verdict) -> None:
    assert said("close_only", facts) == expected

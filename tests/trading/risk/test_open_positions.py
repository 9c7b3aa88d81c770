"""Symbols that are open at a time in a copy."""

from __future__ import annotations

from tests.trading.risk.entries import LINEAR, SPOT, Verdict, entry, said, table
from trading.domain.risk import EntryFacts

TWO = {"max_open_positions": 2}


@table(
    ("unset", entry(copy={"open_positions": 50}), "allow"),
    ("the second", entry(settings=TWO, copy={"open_positions": 1}), "allow"),
    (
        "the third",
        entry(settings=TWO, copy={"open_positions": 2}),
        ("deny", "too_many_positions", {"positions": "2", "limit": "2"}),
    ),
    (
        "spot counts",
        entry(SPOT, settings=TWO, copy={"open_positions": 3}),
        ("deny", "too_many_positions", {"positions": "3", "limit": "2"}),
    ),
    (
        "adding to one that is open",
        entry(settings=TWO, copy={"open_positions": 2, "is_in_symbol": True}),
        "allow",
    ),
    ("not counted", entry(settings=TWO), ("deny", "exposure_unknown", {"symbol": LINEAR.symbol})),
)
def test_open_positions(facts: EntryFacts, expected: Verdict) -> None:
    assert said("open_positions", facts) == expected

"""Entries of a copy that rest on the book at a time."""

from __future__ import annotations

from tests.trading.risk.entries import Verdict, entry, said, table
from trading.domain.risk import EntryFacts

TWO = {"max_working_orders": 2}


@table(
    ("unset", entry(rests=True, copy={"waiting_entries": 50}), "allow"),
    ("none yet", entry(rests=True, settings=TWO, copy={"waiting_entries": 0}), "allow"),
    ("the second", entry(rests=True, settings=TWO, copy={"waiting_entries": 1}), "allow"),
    (
        "the third",
        entry(rests=True, settings=TWO, copy={"waiting_entries": 2}),
        ("deny", "too_many_waiting", {"orders": "2", "limit": "2"}),
    ),
    ("entered at once", entry(settings=TWO, copy={"waiting_entries": 9}), "allow"),
    ("not counted", entry(rests=True, settings=TWO), ("deny", "order_count_unknown", {})),
)
def test_waiting_entries(facts: EntryFacts, expected: Verdict) -> None:
    assert said("waiting_entries", facts) == expected

"""Orders of a copy within a minute."""

from __future__ import annotations

from tests.trading.risk.entries import Verdict, entry, said, table
from trading.domain.risk import EntryFacts

THREE = {"max_orders_per_minute": 3}


@table(
    ("unset", entry(copy={"recent_orders": 1000}), "allow"),
    ("none yet", entry(settings=THREE, copy={"recent_orders": 0}), "allow"),
    ("the third", entry(settings=THREE, copy={"recent_orders": 2}), "allow"),
    (
        "the fourth",
        entry(settings=THREE, copy={"recent_orders": 3}),
        ("deny", "too_many_orders", {"orders": "3", "limit": "3"}),
    ),
    (
        "many",
        entry(settings=THREE, copy={"recent_orders": 40}),
        ("deny", "too_many_orders", {"orders": "40", "limit": "3"}),
    ),
    ("not counted", entry(settings=THREE), ("deny", "order_count_unknown", {})),
)
def test_order_rate(facts: EntryFacts, expected: Verdict) -> None:
    assert said("order_rate", facts) == expected

"""Orders of a copy within a minute."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal as D

from tests.trading.risk.entries import LINEAR, Verdict, entry, said, table
from trading.domain.risk import EntryFacts

THREE = {"max_orders_per_minute": 3}
FOURS = replace(LINEAR, max_market_size=D(4))
"""Ten contracts become three orders of it, eight become two."""
BY_VALUE = replace(LINEAR, max_market_value=D(2_000))
"""2,000 less 5 % are three contracts of 500: ten become four orders."""


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
    ("in three parts", entry(FOURS, settings=THREE, copy={"recent_orders": 0}), "allow"),
    (
        "in three parts after one",
        entry(FOURS, settings=THREE, copy={"recent_orders": 1}),
        ("deny", "too_many_parts", {"parts": "3", "orders": "1", "limit": "3"}),
    ),
    (
        "in two parts after one",
        entry(FOURS, quantity="8.9", settings=THREE, copy={"recent_orders": 1}),
        "allow",
    ),
    (
        "a limit order is not cut by the market's largest",
        entry(FOURS, is_limit=True, settings=THREE, copy={"recent_orders": 2}),
        "allow",
    ),
    (
        "cut by value",
        entry(BY_VALUE, settings=THREE, copy={"recent_orders": 0}),
        ("deny", "too_many_parts", {"parts": "4", "orders": "0", "limit": "3"}),
    ),
    ("not counted", entry(settings=THREE), ("deny", "order_count_unknown", {})),
)
def test_order_rate(facts: EntryFacts, expected: Verdict) -> None:
    assert said("order_rate", facts) == expected

"""Strategy, customer and copy are active."""

from __future__ import annotations

from tests.trading.risk.entries import Verdict, entry, said, table
from trading.domain.risk import EntryFacts


@table(
    ("all active", entry(), "allow"),
    ("the strategy is not", entry(strategy_active=False), ("deny", "strategy_not_active", {})),
    ("the customer is not", entry(customer_active=False), ("deny", "customer_not_active", {})),
    ("the copy is not", entry(subscription_active=False), ("deny", "subscription_paused", {})),
)
def test_participants(facts: EntryFacts, expected: Verdict) -> None:
    assert said("participants", facts) == expected

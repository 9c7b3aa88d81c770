"""The account, its key and its books."""

from __future__ import annotations

from tests.trading.risk.entries import Verdict, entry, said, table
from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk import EntryFacts

DOUBT = Reason(ReasonCode.ACCOUNT_UNREADABLE, {"what": "balances", "field": "eq"})


@table(
    ("healthy", entry(), "allow"),
    ("paused", entry(account_active=False), ("deny", "account_not_active", {})),
    ("not checked yet", entry(account_checked=False), ("deny", "account_unchecked", {})),
    ("unhealthy", entry(account_healthy=False), ("deny", "account_unhealthy", {})),
    (
        "unhealthy and known why",
        entry(account_healthy=False, account_doubt=DOUBT),
        ("deny", "account_unreadable", {"what": "balances", "field": "eq"}),
    ),
    ("not compared", entry(account_reconciled=False), ("deny", "account_not_reconciled", {})),
)
def test_account_health(facts: EntryFacts, expected: Verdict) -> None:
    assert said("account_health", facts) == expected

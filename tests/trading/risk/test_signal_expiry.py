"""Until when the signal itself may be followed."""

from __future__ import annotations

from datetime import timedelta

from tests.trading.risk.entries import NOW, Verdict, entry, said, table
from trading.domain.risk import EntryFacts


def ending(seconds: float) -> EntryFacts:
    return entry(expires_at=NOW + timedelta(seconds=seconds))


@table(
    ("later", ending(10), "allow"),
    ("now", ending(0), "allow"),
    ("just over", ending(-0.1), ("deny", "signal_expired", {"late_seconds": "0.1"})),
    ("long over", ending(-90), ("deny", "signal_expired", {"late_seconds": "90.0"})),
)
def test_signal_expiry(facts: EntryFacts, expected: Verdict) -> None:
    assert said("signal_expiry", facts) == expected

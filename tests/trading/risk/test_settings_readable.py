"""What is stored as settings has to be values."""

from __future__ import annotations

from tests.trading.risk.entries import Verdict, entry, said, table
from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk import EntryFacts

DOUBT = Reason(ReasonCode.SETTINGS_UNREADABLE, {"setting": "ratio"})


@table(
    ("readable", entry(), "allow"),
    ("not", entry(settings_doubt=DOUBT), ("deny", "settings_unreadable", {"setting": "ratio"})),
)
def test_settings_readable(facts: EntryFacts, expected: Verdict) -> None:
    assert said("settings_readable", facts) == expected

"""How far the account is below its peak."""

from __future__ import annotations

from tests.trading.risk.entries import Verdict, entry, said, table
from trading.domain.risk import EntryFacts

FIFTH = {"drawdown_limit_percent": "20"}
UNKNOWN = ("deny", "equity_history_unknown", {})


def below(percent: str, equity: str, peak: str) -> Verdict:
    params = {"percent": percent, "limit": "20", "equity": equity, "peak": peak}
    return ("deny", "drawdown", params)


def fallen(peak: str | None, now: str | None) -> EntryFacts:
    return entry(settings=FIFTH, account={"peak": peak, "now": now})


@table(
    ("unset", entry(account={"peak": "100", "now": "1"}), "allow"),
    ("at its peak", fallen("10000", "10000"), "allow"),
    ("a little less than the limit", fallen("10000", "8001"), "allow"),
    ("the limit", fallen("10000", "8000"), below("20", "8000.00", "10000.00")),
    ("beyond", fallen("12000", "9000"), below("25", "9000.00", "12000.00")),
    ("a third", fallen("9000", "6000"), below("33.3333", "6000.00", "9000.00")),
    ("under water", fallen("10000", "-1000"), below("110", "-1000.00", "10000.00")),
    ("never had anything", fallen("0", "0"), below("100", "0.00", "0.00")),
    ("the peak is not known", fallen(None, "9000"), UNKNOWN),
    ("today is not known", fallen("9000", None), UNKNOWN),
)
def test_drawdown(facts: EntryFacts, expected: Verdict) -> None:
    assert said("drawdown", facts) == expected

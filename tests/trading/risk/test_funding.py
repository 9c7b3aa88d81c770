"""Minutes before a funding fee that this side would pay."""

from __future__ import annotations

from datetime import timedelta

from tests.trading.risk.entries import INVERSE, LINEAR, NOW, SPOT, Verdict, entry, said, table
from trading.domain.risk import EntryFacts

BUY, SELL = 1, -1


def due(minutes: float, rate: str | None, direction: int = BUY, **more: object) -> EntryFacts:
    values: dict[str, object] = {"instrument": LINEAR, **more}
    market = {"funding_at": NOW + timedelta(minutes=minutes), "funding_rate": rate}
    settings = {"funding_guard_minutes": 15}
    return entry(settings=settings, market=market, direction=direction, **values)


def pays(minutes: str, rate: str) -> Verdict:
    return ("deny", "funding_due", {"minutes": minutes, "limit": "15", "rate": rate})


UNKNOWN = ("deny", "funding_unknown", {"symbol": LINEAR.symbol, "venue": "paper"})


@table(
    ("unset", entry(), "allow"),
    ("long before", due(16, "0.0001"), "allow"),
    ("at the limit", due(15, "0.0001"), pays("15.0", "0.01")),
    ("within", due(7.5, "0.0003"), pays("7.5", "0.03")),
    ("in this moment", due(0, "0.0001"), pays("0.0", "0.01")),
    ("just over", due(-1, "0.0001"), "allow"),
    ("shorts are paid", due(5, "0.0001", SELL), "allow"),
    ("a negative rate is paid by shorts", due(5, "-0.0001", SELL), pays("5.0", "0.01")),
    ("and longs are paid", due(5, "-0.0001"), "allow"),
    ("nothing to pay", due(5, "0"), "allow"),
    ("inverse", due(5, "0.0001", BUY, instrument=INVERSE), pays("5.0", "0.01")),
    ("spot has none", due(5, "0.0001", BUY, instrument=SPOT), "allow"),
    ("not known", due(5, None), UNKNOWN),
    ("nothing known", entry(settings={"funding_guard_minutes": 15}), UNKNOWN),
    ("zero is off", entry(settings={"funding_guard_minutes": 0}), "allow"),
)
def test_funding(facts: EntryFacts, expected: Verdict) -> None:
    assert said("funding", facts) == expected

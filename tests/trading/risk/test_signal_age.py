"""Seconds since the signal was sent, besides its own expiry."""

from __future__ import annotations

from datetime import timedelta

from tests.trading.risk.entries import NOW, Verdict, entry, said, table
from trading.domain.risk import EntryFacts


def aged(seconds: float, lifetime: int | None = 30) -> EntryFacts:
    settings = {"signal_lifetime_seconds": lifetime}
    return entry(settings=settings, signal_at=NOW - timedelta(seconds=seconds))


def old(age: str, limit: str = "30") -> Verdict:
    return ("deny", "signal_too_old", {"age_seconds": age, "limit_seconds": limit})


@table(
    ("unset", aged(3600, None), "allow"),
    ("new", aged(0), "allow"),
    ("exactly", aged(30), "allow"),
    ("a tenth more", aged(30.1), old("30.1")),
    ("an hour", aged(3600), old("3600.0")),
    ("from the future", aged(-5), "allow"),
    ("one second", aged(1.5, 1), old("1.5", "1")),
)
def test_signal_age(facts: EntryFacts, expected: Verdict) -> None:
    assert said("signal_age", facts) == expected

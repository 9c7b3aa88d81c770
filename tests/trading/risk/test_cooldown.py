"""M minutes from the last of N stops that lie within M minutes; here 3 within 60."""

from __future__ import annotations

from datetime import timedelta

from tests.trading.risk.entries import NOW, Verdict, entry, said, table
from trading.domain.risk import EntryFacts


def after(*minutes_ago: int, count: int = 3) -> EntryFacts:
    settings = {"cooldown_after_stops": count, "cooldown_minutes": 60}
    stops = tuple(NOW - timedelta(minutes=minutes) for minutes in minutes_ago)
    return entry(settings=settings, copy={"stops": stops})


def left(minutes: str, count: int = 3) -> Verdict:
    params = {"stops": str(count), "minutes": "60", "left_minutes": minutes}
    return ("deny", "cooling_down", params)


@table(
    ("unset", entry(copy={"stops": (NOW, NOW, NOW)}), "allow"),
    ("none", after(), "allow"),
    ("two of three", after(1, 2), "allow"),
    ("three just now", after(0, 0, 0), left("60.0")),
    ("three within the hour", after(10, 30, 50), left("50.0")),
    ("the first is long ago", after(10, 30, 71), "allow"),
    ("exactly an hour apart", after(10, 30, 70), left("50.0")),
    ("the pause is over", after(60, 70, 80), "allow"),
    ("a minute before its end", after(59, 70, 80), left("1.0")),
    ("older ones do not count", after(5, 6, 7, 300, 900), left("55.0")),
    ("one is enough", after(20, count=1), left("40.0", 1)),
    ("one is enough and is over", after(61, count=1), "allow"),
    (
        "not known",
        entry(settings={"cooldown_after_stops": 3, "cooldown_minutes": 60}),
        ("deny", "stops_unknown", {}),
    ),
    ("without minutes it is no rule", entry(settings={"cooldown_after_stops": 3}), "allow"),
)
def test_cooldown(facts: EntryFacts, expected: Verdict) -> None:
    assert said("cooldown", facts) == expected

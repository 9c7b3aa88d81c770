"""Windows of the week, in the firm's time zone."""

from __future__ import annotations

from datetime import datetime

from tests.trading.risk.entries import Verdict, entry, said, table
from trading.domain.risk import EntryFacts

OFFICE = ("mon-fri 09:00-17:30",)
DAYS = {"mon": 5, "thu": 1, "fri": 2, "sat": 3, "sun": 4}  # of January 2026


def at(day: str, time: str, hours: tuple[str, ...] | None = OFFICE) -> EntryFacts:
    hour, minute = time.split(":")
    local = datetime(2026, 1, DAYS[day], int(hour), int(minute))  # noqa: DTZ001  (a clock on a wall)
    return entry(settings={"trading_hours": hours}, local_now=local)


def closed(time: str, hours: str = "mon-fri 09:00-17:30") -> Verdict:
    return ("deny", "outside_trading_hours", {"time": time, "hours": hours})


@table(
    ("unset", at("sun", "03:00", None), "allow"),
    ("within", at("thu", "12:00"), "allow"),
    ("the first minute", at("mon", "09:00"), "allow"),
    ("a minute before", at("mon", "08:59"), closed("mon 08:59")),
    ("the last minute", at("fri", "17:29"), "allow"),
    ("the end", at("fri", "17:30"), closed("fri 17:30")),
    ("another day", at("sat", "12:00"), closed("sat 12:00")),
    ("a single day", at("sat", "12:00", ("sat 10:00-13:00",)), "allow"),
    ("over the end of the week", at("sun", "01:00", ("sat-mon 00:00-24:00",)), "allow"),
    (
        "and not in its middle",
        at("thu", "01:00", ("sat-mon 00:00-24:00",)),
        closed("thu 01:00", "sat-mon 00:00-24:00"),
    ),
    ("until midnight", at("thu", "23:59", ("thu 22:00-24:00",)), "allow"),
    ("the second window", at("thu", "20:00", ("thu 09:00-10:00", "thu 19:00-21:00")), "allow"),
    (
        "between two windows",
        at("thu", "12:00", ("thu 09:00-10:00", "thu 19:00-21:00")),
        closed("thu 12:00", "thu 09:00-10:00, thu 19:00-21:00"),
    ),
)
def test_trading_hours(facts: EntryFacts, expected: Verdict) -> None:
    assert said("trading_hours", facts) == expected

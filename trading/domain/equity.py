"""An account's value over days: where the day began, and the peak. Pure; in dollars."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

ZERO = Decimal(0)
DOLLARS = frozenset({"USD", "USDT", "USDC"})


@dataclass(frozen=True, slots=True)
class EquityRecord:
    """What is known of an account as of its last reading. `moved`: into it (positive) or out of
    it on that day."""

    day: date
    start: Decimal
    last: Decimal
    peak: Decimal
    moved: Decimal = ZERO


def after_reading(
    before: EquityRecord | None, day: date, equity: Decimal, moved: Decimal = ZERO
) -> EquityRecord:
    """With one more reading; `moved` is what was moved in or out since the last one.

    A day begins with the last value before it. What is moved counts neither as gain nor as loss;
    a peak is not moved below 0.
    """
    if before is None or before.day > day:
        return EquityRecord(day, equity, equity, equity)
    if before.day < day:
        before = replace(before, day=day, start=before.last, moved=ZERO)
    return replace(
        before,
        start=before.start + moved,
        last=equity,
        peak=max(before.peak + moved, equity, ZERO),
        moved=before.moved + moved,
    )


def on_day(record: EquityRecord, day: date) -> EquityRecord:
    """The same as of a day that has not been read yet: it begins with the last value."""
    return record if record.day >= day else after_reading(record, day, record.last)

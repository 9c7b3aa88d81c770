"""Windows of the week that several levels have in common. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Span = tuple[str, str]
"""From and until, as "09:00": of one length, so that they compare as texts."""


def hours_in_common(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    """Windows such as "mon-fri 09:00-17:30"; empty when there is no common minute."""
    if first == second:
        return first
    days = [
        _united(
            (max(begin, other_begin), min(end, other_end))
            for begin, end in _of_day(first, day)
            for other_begin, other_end in _of_day(second, day)
        )
        for day in range(7)
    ]
    found = []
    for spans, same in groupby(range(7), key=days.__getitem__):
        run = list(same)
        name = DAYS[run[0]] if len(run) == 1 else f"{DAYS[run[0]]}-{DAYS[run[-1]]}"
        found += [f"{name} {begin}-{end}" for begin, end in spans]
    return tuple(found)


def _of_day(windows: Iterable[str], day: int) -> list[Span]:
    found = []
    for window in windows:
        days, _, times = window.partition(" ")
        first, _, last = days.partition("-")
        begin, _, end = times.partition("-")
        from_day, to_day = DAYS.index(first), DAYS.index(last or first)
        if (day - from_day) % 7 <= (to_day - from_day) % 7:
            found.append((begin, end))
    return found


def _united(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Without what overlaps or meets, in order."""
    found: list[Span] = []
    for begin, end in sorted(span for span in spans if span[0] < span[1]):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return tuple(found)

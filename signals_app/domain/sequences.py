"""Which of a sender's numbered signals are missing. Pure."""

from __future__ import annotations

from dataclasses import dataclass

MAX_GAPS = 50
"""The oldest are forgotten first."""

Gap = tuple[int, int]
"""First and last missing number."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """How far the numbers go, and what is missing below."""

    last: int | None = None
    gaps: tuple[Gap, ...] = ()


def sequence_step(state: Sequence, number: int) -> tuple[Sequence, Gap | None]:
    """After a signal with this number; (the new state, the gap that it opened, if it did).

    A late one closes its gap. A sender that starts again at 0 or 1 opens none.
    """
    if state.last is None or (number <= 1 < state.last):
        return Sequence(number, ()), None
    if number > state.last:
        gap = (state.last + 1, number - 1) if number > state.last + 1 else None
        gaps = (*state.gaps, gap) if gap else state.gaps
        return Sequence(number, gaps[-MAX_GAPS:]), gap
    gaps = tuple(part for gap in state.gaps for part in _without(gap, number))
    return Sequence(state.last, gaps[-MAX_GAPS:]), None


def _without(gap: Gap, number: int) -> list[Gap]:
    first, last = gap
    if not first <= number <= last:
        return [gap]
    parts = [(first, number - 1), (number + 1, last)]
    return [part for part in parts if part[0] <= part[1]]

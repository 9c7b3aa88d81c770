"""A signal's coverage as counters and as a bar."""

from __future__ import annotations

from dataclasses import dataclass

from trading.models import Intent
from trading.selectors.coverage import Coverage
from trading.selectors.signal_page import COUNTED_STATUSES


@dataclass(frozen=True, slots=True)
class Counter:
    status: str
    label: str
    count: int


@dataclass(frozen=True, slots=True)
class Segment:
    status: str
    label: str
    count: int
    offset: str
    """Where it starts and how wide it is, in percent of the bar, for an SVG."""
    width: str


def coverage_counters(coverage: Coverage) -> list[Counter]:
    return [
        Counter(status, str(Intent.Status(status).label), getattr(coverage, status))
        for status in COUNTED_STATUSES
    ]


def coverage_segments(coverage: Coverage) -> list[Segment]:
    """What is not planned yet stays empty."""
    whole = max(coverage.followers, coverage.planned)
    segments: list[Segment] = []
    before = 0
    for counter in coverage_counters(coverage):
        if not counter.count:
            continue
        segments.append(
            Segment(
                counter.status,
                counter.label,
                counter.count,
                offset=f"{before * 100 / whole:.3f}",
                width=f"{counter.count * 100 / whole:.3f}",
            )
        )
        before += counter.count
    return segments

"""What to conclude about an order whose outcome is unknown. Pure: looks at evidence and time.

A placement is only ever looked up, never repeated. NOT_PLACED needs the venue to deny knowledge
MIN_MISSES times over MIN_WATCH after the deadline at which it would have discarded the request;
failed look-ups are no evidence. A NOT_PLACED order stays watched for WATCH_AFTER.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

DEADLINE_MARGIN = timedelta(seconds=2)
MIN_MISSES = 5
MIN_WATCH = timedelta(seconds=30)
WATCH_AFTER = timedelta(minutes=15)
WATCH_INTERVAL = timedelta(seconds=60)
_BACKOFF_SECONDS = (0.2, 0.5, 1.0, 2.0)
_PATIENT_AFTER = 60
_PATIENT_SECONDS = 10.0
_EXIT_RETRY_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0)
_WORKING_BACKOFF_SECONDS = (0.2, 0.4, 1.0, 2.0, 5.0, 10.0, 30.0)


FORGETS_UNFILLED = timedelta(hours=2)
"""A cancelled order without a fill is not in OKX's history any more after this."""
FORGETS_FILLED = timedelta(days=90)


class Conclusion(StrEnum):
    WAIT = "wait"
    NOT_PLACED = "not_placed"
    GONE = "gone"
    STOP_WATCHING = "stop_watching"


@dataclass(frozen=True, slots=True)
class Verdict:
    conclusion: Conclusion
    next_look_at: datetime | None
    watch_until: datetime | None = None


def lookup_delay(checks: int) -> timedelta:
    """Pause before the next look-up of an unclear order, after so many.

    Every 2 s while NOT_PLACED is to be proven within 60 s of sending although look-ups fail;
    slower when the venue has been silent for two minutes.
    """
    if checks >= _PATIENT_AFTER:
        return timedelta(seconds=_PATIENT_SECONDS)
    return timedelta(seconds=_BACKOFF_SECONDS[min(checks, len(_BACKOFF_SECONDS) - 1)])


def working_delay(checks: int) -> timedelta:
    """Pause before the next look at an order that is on the book."""
    steps = _WORKING_BACKOFF_SECONDS
    return timedelta(seconds=steps[min(checks, len(steps) - 1)])


def exit_retry_delay(attempt: int) -> timedelta:
    """Pause after an exit's n-th attempt (from 1) was refused for what may pass."""
    steps = _EXIT_RETRY_SECONDS
    return timedelta(seconds=steps[min(attempt, len(steps)) - 1])


def counts_as_miss(*, now: datetime, deadline_at: datetime) -> bool:
    """An absent answer proves something only when the request can no longer be accepted."""
    return now > deadline_at + DEADLINE_MARGIN


def judge_absence(
    *, now: datetime, deadline_at: datetime, checks: int, misses: int, thorough: bool
) -> Verdict:
    """After another look-up that did not find the order.

    `misses` includes this one if it counted; `thorough` says that this one also searched working
    orders, history and fills, without which nothing is concluded.
    """
    proven = thorough and misses >= MIN_MISSES and now >= deadline_at + DEADLINE_MARGIN + MIN_WATCH
    if proven:
        return Verdict(Conclusion.NOT_PLACED, now + WATCH_INTERVAL, now + WATCH_AFTER)
    return Verdict(Conclusion.WAIT, now + lookup_delay(checks))


def judge_forgotten(
    *, now: datetime, seen_at: datetime, checks: int, misses: int, thorough: bool, is_filled: bool
) -> Verdict:
    """After a look-up did not find an order that the venue had accepted.

    Only when the venue may have forgotten it does its absence mean that it was cancelled: a live
    or a filled order would be there. Before that it is a riddle, and looked up again. `seen_at`:
    when the venue last showed it; `is_filled`: at least in part.
    """
    forgets = FORGETS_FILLED if is_filled else FORGETS_UNFILLED
    if thorough and misses >= MIN_MISSES and now >= seen_at + forgets:
        return Verdict(Conclusion.GONE, None)
    recent = now < seen_at + WATCH_AFTER
    return Verdict(Conclusion.WAIT, now + (lookup_delay if recent else working_delay)(checks))


def judge_watched(*, now: datetime, watch_until: datetime) -> Verdict:
    """A NOT_PLACED order was looked up again and is still absent."""
    if now >= watch_until:
        return Verdict(Conclusion.STOP_WATCHING, None)
    return Verdict(Conclusion.WAIT, now + WATCH_INTERVAL)

"""Entries only within windows of the week, in the firm's time zone."""

from __future__ import annotations

from datetime import datetime

from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk.facts import EntryFacts
from trading.domain.risk.verdicts import ALLOW, Deny, Rule, Verdict

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def judge(facts: EntryFacts) -> Verdict:
    windows = facts.settings.trading_hours
    if windows is None:
        return ALLOW
    now = facts.local_now or facts.now
    if any(is_within(window, now) for window in windows):
        return ALLOW
    said = f"{_DAYS[now.weekday()]} {now:%H:%M}"
    params = {"time": said, "hours": ", ".join(windows)}
    return Deny(Reason(ReasonCode.OUTSIDE_TRADING_HOURS, params))


def is_within(window: str, now: datetime) -> bool:
    """Whether the local time is within "mon-fri 09:00-17:30"; the last minute is not.

    Days may go round the end of the week ("sat-mon").
    """
    days, _, times = window.partition(" ")
    first, _, last = days.partition("-")
    begin, _, end = times.partition("-")
    from_day, to_day = _DAYS.index(first), _DAYS.index(last or first)
    is_day = (now.weekday() - from_day) % 7 <= (to_day - from_day) % 7
    return is_day and begin <= f"{now:%H:%M}" < end


RULE = Rule("trading_hours", 70, judge, settings=("trading_hours",))

"""A pause after several stops shortly one after the other."""

from __future__ import annotations

from datetime import timedelta

from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk.facts import EntryFacts
from trading.domain.risk.verdicts import ALLOW, Deny, Fact, Rule, Verdict


def judge(facts: EntryFacts) -> Verdict:
    """When the last N stops lie within M minutes, the pause is M minutes from the last one."""
    count, minutes = facts.settings.cooldown_after_stops, facts.settings.cooldown_minutes
    if count is None or minutes is None:
        return ALLOW
    stops = facts.copy.stops
    if stops is None:
        return Deny(Reason(ReasonCode.STOPS_UNKNOWN))
    pause = timedelta(minutes=minutes)
    if len(stops) < count or stops[0] - stops[count - 1] > pause:
        return ALLOW
    left = (stops[0] + pause - facts.now).total_seconds()
    if left <= 0:
        return ALLOW
    params = {"stops": str(count), "minutes": str(minutes), "left_minutes": f"{left / 60:.1f}"}
    return Deny(Reason(ReasonCode.COOLING_DOWN, params))


RULE = Rule(
    "cooldown", 220, judge, settings=("cooldown_after_stops",), asks=frozenset({Fact.STOPS})
)

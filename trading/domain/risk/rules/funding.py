"""No entry shortly before a funding fee that it would pay."""

from __future__ import annotations

from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk.facts import ZERO, EntryFacts
from trading.domain.risk.numbers import percent
from trading.domain.risk.verdicts import ALLOW, Deny, Fact, Rule, Verdict


def judge(facts: EntryFacts) -> Verdict:
    limit = facts.settings.funding_guard_minutes
    if not limit or facts.is_spot:
        return ALLOW
    rate, due = facts.market.funding_rate, facts.market.funding_at
    if rate is None or due is None:
        params = {"symbol": facts.symbol, "venue": facts.venue}
        return Deny(Reason(ReasonCode.FUNDING_UNKNOWN, params))
    seconds = (due - facts.now).total_seconds()
    if rate * facts.direction <= ZERO or not 0 <= seconds <= limit * 60:
        return ALLOW
    params = {
        "minutes": f"{seconds / 60:.1f}",
        "limit": str(limit),
        "rate": percent(abs(rate) * 100),
    }
    return Deny(Reason(ReasonCode.FUNDING_DUE, params))


RULE = Rule(
    "funding", 120, judge, settings=("funding_guard_minutes",), asks=frozenset({Fact.FUNDING})
)

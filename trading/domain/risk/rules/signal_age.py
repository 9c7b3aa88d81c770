"""A signal opens nothing when it is older than the client wants."""

from __future__ import annotations

from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk.facts import EntryFacts
from trading.domain.risk.verdicts import ALLOW, Deny, Rule, Verdict


def judge(facts: EntryFacts) -> Verdict:
    lifetime = facts.settings.signal_lifetime_seconds
    if lifetime is None or facts.signal_at is None:
        return ALLOW
    age = (facts.now - facts.signal_at).total_seconds()
    if age <= lifetime:
        return ALLOW
    params = {"age_seconds": f"{age:.1f}", "limit_seconds": str(lifetime)}
    return Deny(Reason(ReasonCode.SIGNAL_TOO_OLD, params))


RULE = Rule("signal_age", 80, judge, settings=("signal_lifetime_seconds",))

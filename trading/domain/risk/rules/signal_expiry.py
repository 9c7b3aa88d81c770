"""A signal that says itself until when it may be followed."""

from __future__ import annotations

from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk.facts import EntryFacts
from trading.domain.risk.verdicts import ALLOW, Deny, Rule, Verdict


def judge(facts: EntryFacts) -> Verdict:
    if facts.now <= facts.expires_at:
        return ALLOW
    late = (facts.now - facts.expires_at).total_seconds()
    return Deny(Reason(ReasonCode.SIGNAL_EXPIRED, {"late_seconds": f"{late:.1f}"}))


RULE = Rule("signal_expiry", 20, judge)

"""A copy, or a symbol of it, that only follows exits."""

from __future__ import annotations

from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk.facts import EntryFacts
from trading.domain.risk.verdicts import ALLOW, Deny, Rule, Verdict


def judge(facts: EntryFacts) -> Verdict:
    if facts.settings.close_only:
        return Deny(Reason(ReasonCode.CLOSE_ONLY, {"symbol": facts.symbol}))
    return ALLOW


RULE = Rule("close_only", 60, judge, settings=("close_only",))

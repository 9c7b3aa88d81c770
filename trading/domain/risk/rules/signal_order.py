"""An entry does not follow after the exit that came later: workers that are behind, or a message
that was lost, may have the later signal planned first."""

from __future__ import annotations

from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk.facts import EntryFacts
from trading.domain.risk.verdicts import ALLOW, Deny, Rule, Verdict


def judge(facts: EntryFacts) -> Verdict:
    if not facts.later_exit:
        return ALLOW
    return Deny(Reason(ReasonCode.LATER_EXIT, {"symbol": facts.symbol}))


RULE = Rule("signal_order", 25, judge)

"""Strategy, customer and copy have to be active."""

from __future__ import annotations

from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk.facts import EntryFacts
from trading.domain.risk.verdicts import ALLOW, Deny, Rule, Verdict


def judge(facts: EntryFacts) -> Verdict:
    checks = (
        (facts.strategy_active, ReasonCode.STRATEGY_NOT_ACTIVE),
        (facts.customer_active, ReasonCode.CUSTOMER_NOT_ACTIVE),
        (facts.subscription_active, ReasonCode.SUBSCRIPTION_PAUSED),
    )
    for passed, code in checks:
        if not passed:
            return Deny(Reason(code))
    return ALLOW


RULE = Rule("participants", 30, judge)

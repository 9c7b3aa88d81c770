"""The account has to be active, its key checked, and its books agreed with the exchange."""

from __future__ import annotations

from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk.facts import EntryFacts
from trading.domain.risk.verdicts import ALLOW, Deny, Rule, Verdict


def judge(facts: EntryFacts) -> Verdict:
    checks = (
        (facts.account_active, ReasonCode.ACCOUNT_NOT_ACTIVE),
        (facts.account_checked, ReasonCode.ACCOUNT_UNCHECKED),
        (facts.account_healthy, ReasonCode.ACCOUNT_UNHEALTHY),
        (facts.account_reconciled, ReasonCode.ACCOUNT_NOT_RECONCILED),
    )
    for passed, code in checks:
        if not passed:
            doubt = facts.account_doubt if code is ReasonCode.ACCOUNT_UNHEALTHY else None
            return Deny(doubt or Reason(code))
    return ALLOW


RULE = Rule("account_health", 40, judge)

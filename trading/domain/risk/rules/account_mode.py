"""An account whose mode at the exchange is for spot alone takes no contracts."""

from __future__ import annotations

from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk.facts import EntryFacts
from trading.domain.risk.verdicts import ALLOW, Deny, Rule, Verdict


def judge(facts: EntryFacts) -> Verdict:
    if facts.is_spot or facts.takes_contracts:
        return ALLOW
    return Deny(Reason(ReasonCode.CONTRACTS_NOT_TAKEN, {"symbol": facts.symbol}))


RULE = Rule("account_mode", 45, judge)

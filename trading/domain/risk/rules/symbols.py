"""Which symbols are copied: denied ones never, and with a list of allowed ones only those."""

from __future__ import annotations

from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk.facts import EntryFacts
from trading.domain.risk.verdicts import ALLOW, Deny, Rule, Verdict


def judge(facts: EntryFacts) -> Verdict:
    allowed = facts.settings.allowed_symbols
    denied = facts.symbol in facts.settings.denied_symbols
    if denied or (allowed is not None and facts.symbol not in allowed):
        return Deny(Reason(ReasonCode.SYMBOL_NOT_ALLOWED, {"symbol": facts.symbol}))
    return ALLOW


RULE = Rule("symbols", 50, judge)

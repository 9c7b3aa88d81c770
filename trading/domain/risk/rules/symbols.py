"""Which symbols are copied: denied ones never, and with a list of allowed ones only those."""

from __future__ import annotations

from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk.facts import EntryFacts
from trading.domain.risk.verdicts import ALLOW, Deny, Rule, Verdict


def judge(facts: EntryFacts) -> Verdict:
    """By the symbol that is traded and by the leader's, where that is another one."""
    allowed, denied = facts.settings.allowed_symbols, facts.settings.denied_symbols
    for symbol in filter(None, (facts.symbol, facts.leader_symbol)):
        if symbol in denied or (allowed is not None and symbol not in allowed):
            return Deny(Reason(ReasonCode.SYMBOL_NOT_ALLOWED, {"symbol": symbol}))
    return ALLOW


RULE = Rule("symbols", 50, judge)

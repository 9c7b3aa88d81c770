"""Only so many entries of a copy rest on the book at a time; what is entered at once is none."""

from __future__ import annotations

from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk.facts import EntryFacts
from trading.domain.risk.verdicts import ALLOW, Deny, Fact, Rule, Verdict


def judge(facts: EntryFacts) -> Verdict:
    limit, waiting = facts.settings.max_working_orders, facts.copy.waiting_entries
    if limit is None or not facts.rests:
        return ALLOW
    if waiting is None:
        return Deny(Reason(ReasonCode.ORDER_COUNT_UNKNOWN))
    if waiting < limit:
        return ALLOW
    params = {"orders": str(waiting), "limit": str(limit)}
    return Deny(Reason(ReasonCode.TOO_MANY_WAITING, params))


RULE = Rule(
    "waiting_entries", 205, judge, settings=("max_working_orders",), asks=frozenset({Fact.WAITING})
)

"""Only so many symbols open at a time in a copy; adding to one that is open is no new one."""

from __future__ import annotations

from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk.facts import EntryFacts
from trading.domain.risk.verdicts import ALLOW, Deny, Fact, Rule, Verdict


def judge(facts: EntryFacts) -> Verdict:
    limit, positions = facts.settings.max_open_positions, facts.copy.open_positions
    if limit is None or facts.copy.is_in_symbol:
        return ALLOW
    if positions is None:
        return Deny(Reason(ReasonCode.EXPOSURE_UNKNOWN, {"symbol": facts.symbol}))
    if positions < limit:
        return ALLOW
    params = {"positions": str(positions), "limit": str(limit)}
    return Deny(Reason(ReasonCode.TOO_MANY_POSITIONS, params))


RULE = Rule(
    "open_positions", 210, judge, settings=("max_open_positions",), asks=frozenset({Fact.EXPOSURE})
)

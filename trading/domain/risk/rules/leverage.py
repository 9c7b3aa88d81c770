"""Never above the limit of any level, nor of the venue."""

from __future__ import annotations

from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk.facts import EntryFacts
from trading.domain.risk.numbers import exact
from trading.domain.risk.verdicts import ALLOW, Deny, Rule, Verdict


def judge(facts: EntryFacts) -> Verdict:
    if facts.is_spot:
        return ALLOW
    limit = facts.instrument.max_leverage
    if facts.settings.max_leverage is not None:
        limit = min(limit, facts.settings.max_leverage)
    if facts.leverage <= limit:
        return ALLOW
    params = {"leverage": exact(facts.leverage), "limit": exact(limit)}
    return Deny(Reason(ReasonCode.LEVERAGE_TOO_HIGH, params))


RULE = Rule("leverage", 90, judge)

"""Margin that the copy may have invested at a time; an entry beyond it is skipped."""

from __future__ import annotations

from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk.facts import EntryFacts
from trading.domain.risk.numbers import money
from trading.domain.risk.verdicts import ALLOW, Deny, Fact, Rule, Verdict


def judge(facts: EntryFacts) -> Verdict:
    limit, invested = facts.settings.total_cap, facts.copy.invested
    if limit is None:
        return ALLOW
    if invested is None:
        symbol = facts.copy.unpriced_symbol or facts.symbol
        return Deny(Reason(ReasonCode.EXPOSURE_UNKNOWN, {"symbol": symbol}))
    if invested + facts.margin <= limit:
        return ALLOW
    params = {
        "invested": money(invested),
        "margin": money(facts.margin),
        "limit": money(limit),
        "currency": facts.currency,
    }
    return Deny(Reason(ReasonCode.TOTAL_CAP, params))


RULE = Rule("total_cap", 400, judge, settings=("total_cap",), asks=frozenset({Fact.EXPOSURE}))

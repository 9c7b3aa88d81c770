"""A symbol has one leverage and one margin mode on an account: copies that share it must agree.

Of any position mode: at the exchange, both sides of a cross position have one leverage, and what
we read of a side has one margin mode.
"""

from __future__ import annotations

from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk.facts import EntryFacts
from trading.domain.risk.numbers import exact
from trading.domain.risk.verdicts import ALLOW, Deny, Rule, Verdict


def judge(facts: EntryFacts) -> Verdict:
    if facts.is_spot:
        return ALLOW
    for other in facts.others:
        if other.margin_mode != facts.margin_mode:
            modes = {"held_mode": other.margin_mode, "wanted_mode": facts.margin_mode}
            return Deny(Reason(ReasonCode.MARGIN_MODE_SHARED, {"symbol": facts.symbol, **modes}))
    for other in facts.others:
        if other.leverage is not None and other.leverage != facts.leverage:
            numbers = {"held": exact(other.leverage), "wanted": exact(facts.leverage)}
            return Deny(Reason(ReasonCode.LEVERAGE_SHARED, {"symbol": facts.symbol, **numbers}))
    return ALLOW


RULE = Rule("shared_terms", 95, judge)

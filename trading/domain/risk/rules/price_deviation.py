"""The price may be only so much worse than the leader's; a better one always passes."""

from __future__ import annotations

from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk.facts import ZERO, EntryFacts
from trading.domain.risk.numbers import exact, percent
from trading.domain.risk.verdicts import ALLOW, Deny, Rule, Verdict


def judge(facts: EntryFacts) -> Verdict:
    leader, price = facts.leader_price, facts.expected_price
    if leader is None or leader <= ZERO:
        if facts.settings.max_entry_slippage_percent is None:
            return ALLOW
        return Deny(Reason(ReasonCode.LEADER_PRICE_UNKNOWN, {"symbol": facts.symbol}))
    if price <= ZERO:
        return Deny(Reason(ReasonCode.PRICE_UNKNOWN, {"symbol": facts.symbol}))
    limit = facts.slippage_limit_percent
    worse = (price - leader) / leader * 100 * facts.direction
    if worse <= limit:
        return ALLOW
    params = {
        "price": exact(price),
        "leader_price": exact(leader),
        "percent": percent(worse),
        "limit": percent(limit),
    }
    return Deny(Reason(ReasonCode.PRICE_DEVIATION, params))


RULE = Rule("price_deviation", 100, judge)

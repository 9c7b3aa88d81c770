"""Only so many orders of a copy within a minute."""

from __future__ import annotations

from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk.facts import EntryFacts
from trading.domain.risk.verdicts import ALLOW, Deny, Fact, Rule, Verdict


def judge(facts: EntryFacts) -> Verdict:
    limit, orders = facts.settings.max_orders_per_minute, facts.copy.recent_orders
    if limit is None:
        return ALLOW
    if orders is None:
        return Deny(Reason(ReasonCode.ORDER_COUNT_UNKNOWN))
    if orders < limit:
        return ALLOW
    params = {"orders": str(orders), "limit": str(limit)}
    return Deny(Reason(ReasonCode.TOO_MANY_ORDERS, params))


RULE = Rule(
    "order_rate", 200, judge, settings=("max_orders_per_minute",), asks=frozenset({Fact.ORDER_RATE})
)

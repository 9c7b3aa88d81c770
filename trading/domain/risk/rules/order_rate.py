"""Only so many orders of a copy within a minute, with those that the entry itself becomes."""

from __future__ import annotations

from trading.domain.order_sizes import in_parts, largest_order
from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk.facts import ZERO, EntryFacts
from trading.domain.risk.verdicts import ALLOW, Deny, Fact, Rule, Verdict


def judge(facts: EntryFacts) -> Verdict:
    limit, orders = facts.settings.max_orders_per_minute, facts.copy.recent_orders
    if limit is None:
        return ALLOW
    if orders is None:
        return Deny(Reason(ReasonCode.ORDER_COUNT_UNKNOWN))
    if orders >= limit:
        params = {"orders": str(orders), "limit": str(limit)}
        return Deny(Reason(ReasonCode.TOO_MANY_ORDERS, params))
    parts = _parts(facts)
    if orders + parts <= limit:
        return ALLOW
    params = {"parts": str(parts), "orders": str(orders), "limit": str(limit)}
    return Deny(Reason(ReasonCode.TOO_MANY_PARTS, params))


def _parts(facts: EntryFacts) -> int:
    instrument = facts.instrument
    has_limit = facts.is_limit or facts.last_price is not None
    price = facts.price if facts.price > ZERO else None
    largest = largest_order(instrument, price, is_limit=has_limit)
    quantity = instrument.quantity_down(facts.quantity)
    return max(len(in_parts(quantity, instrument, largest, instrument.min_size)), 1)


RULE = Rule(
    "order_rate", 340, judge, settings=("max_orders_per_minute",), asks=frozenset({Fact.ORDER_RATE})
)

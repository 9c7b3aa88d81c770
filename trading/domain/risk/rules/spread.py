"""A market order pays the spread: not when it is wider than wanted."""

from __future__ import annotations

from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk.facts import EntryFacts
from trading.domain.risk.numbers import exact, percent
from trading.domain.risk.verdicts import ALLOW, Deny, Fact, Rule, Verdict


def judge(facts: EntryFacts) -> Verdict:
    limit = facts.settings.max_spread_percent
    if limit is None or facts.is_limit:
        return ALLOW
    book = facts.market.book
    spread = None if book is None else book.spread_percent
    if book is None or spread is None:
        params = {"symbol": facts.symbol, "venue": facts.venue}
        return Deny(Reason(ReasonCode.ORDER_BOOK_UNKNOWN, params))
    if spread <= limit:
        return ALLOW
    bid, ask = book.bids[0][0], book.asks[0][0]
    params = {
        "bid": exact(bid),
        "ask": exact(ask),
        "percent": percent(spread),
        "limit": percent(limit),
    }
    return Deny(Reason(ReasonCode.SPREAD_TOO_WIDE, params))


RULE = Rule(
    "spread", 110, judge, settings=("max_spread_percent",), asks=frozenset({Fact.ORDER_BOOK})
)

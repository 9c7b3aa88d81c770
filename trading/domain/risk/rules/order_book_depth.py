"""All followers together take only so much of the order book: our own fan-out must not sweep it.

Of what stands within the slippage limit, a follower's setting gives a percentage to all followers
of the signal on the venue; each gets of it in proportion to its own size.
"""

from __future__ import annotations

from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk.facts import ZERO, EntryFacts
from trading.domain.risk.numbers import percent, size
from trading.domain.risk.verdicts import ALLOW, Deny, Fact, Reduce, Rule, Verdict


def judge(facts: EntryFacts) -> Verdict:
    share = facts.settings.max_depth_percent
    if share is None or facts.is_limit:
        return ALLOW
    book, demand = facts.market.book, facts.market.demand
    best = None if book is None else book.best(facts.direction)
    if book is None or best is None or demand is None:
        params = {"symbol": facts.symbol, "venue": facts.venue}
        return Deny(Reason(ReasonCode.ORDER_BOOK_UNKNOWN, params))
    leader = facts.leader_price
    reference = leader if leader is not None and leader > ZERO else best
    worst = reference * (1 + facts.slippage_limit_percent / 100 * facts.direction)
    depth = book.depth(facts.direction, worst)
    together = max(demand, facts.quantity)
    room = depth * share / 100
    if together <= room:
        return ALLOW
    params = {
        "together": size(together),
        "depth": size(depth),
        "limit": percent(share),
        "symbol": facts.symbol,
    }
    return Reduce(facts.quantity * room / together, Reason(ReasonCode.ORDER_BOOK_THIN, params))


RULE = Rule(
    "order_book_depth",
    310,
    judge,
    settings=("max_depth_percent",),
    asks=frozenset({Fact.ORDER_BOOK, Fact.DEMAND}),
)

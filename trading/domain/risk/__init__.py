"""Risk rules before an order. Pure; each rule returns a verdict with its reason and never raises.

Rules judge entries only: an exit passes all of them, and is stopped by nothing but HALTED and a
closed account. Each rule is one file in `rules`, found by the registry; which of them are on for a
follower is said by its copy settings (docs/risk.md).
"""

from trading.domain.risk.controls import ControlMode, Controls, control_denial
from trading.domain.risk.facts import (
    NO_COPY_FACTS,
    NO_EQUITY_FACTS,
    NO_MARKET_FACTS,
    CopyFacts,
    EntryFacts,
    EquityFacts,
    HeldTerms,
    MarketFacts,
)
from trading.domain.risk.judging import judge_change, judge_entry, judge_more
from trading.domain.risk.order_book import OrderBook, order_book
from trading.domain.risk.registry import RULES, facts_asked
from trading.domain.risk.verdicts import ALLOW, Allow, Deny, Fact, Reduce, Rule, Verdict

__all__ = [
    "ALLOW",
    "NO_COPY_FACTS",
    "NO_EQUITY_FACTS",
    "NO_MARKET_FACTS",
    "RULES",
    "Allow",
    "ControlMode",
    "Controls",
    "CopyFacts",
    "Deny",
    "EntryFacts",
    "EquityFacts",
    "Fact",
    "HeldTerms",
    "MarketFacts",
    "OrderBook",
    "Reduce",
    "Rule",
    "Verdict",
    "control_denial",
    "facts_asked",
    "judge_change",
    "judge_entry",
    "judge_more",
    "order_book",
]

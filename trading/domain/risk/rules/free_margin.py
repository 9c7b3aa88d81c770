"""What is available has to pay for the entry, and to leave what the client wants left."""

from __future__ import annotations

from decimal import Decimal

from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk.facts import ZERO, EntryFacts
from trading.domain.risk.numbers import money, percent
from trading.domain.risk.verdicts import ALLOW, Deny, Rule, Verdict

SLIPPAGE = Decimal("1.05")
"""Of the margin: OKX freezes a market order at 5 % above the last price."""
FEES = Decimal("0.002")
"""Of the notional: the taker's fee in and out, at the dearest of spot; half of it on swaps."""


def judge(facts: EntryFacts) -> Verdict:
    available = facts.available
    if available is None:
        return Deny(Reason(ReasonCode.BALANCE_UNKNOWN))
    needed = facts.margin * SLIPPAGE + facts.notional * FEES
    if needed > available:
        params = {
            "needed": money(needed),
            "available": money(available),
            "currency": facts.currency,
        }
        return Deny(Reason(ReasonCode.INSUFFICIENT_BALANCE, params))
    share = facts.settings.free_margin_reserve_percent
    if not share:
        return ALLOW
    if facts.equity is None:
        return Deny(Reason(ReasonCode.BALANCE_UNKNOWN))
    reserve = max(facts.equity, ZERO) * share / 100
    if available - needed >= reserve:
        return ALLOW
    params = {
        "needed": money(needed),
        "available": money(available),
        "reserve": money(reserve),
        "limit": percent(share),
        "currency": facts.currency,
    }
    return Deny(Reason(ReasonCode.FREE_MARGIN, params))


RULE = Rule("free_margin", 420, judge)

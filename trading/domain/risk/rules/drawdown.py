"""No entries while the account is so far below its peak."""

from __future__ import annotations

from decimal import Decimal

from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk.facts import ZERO, EntryFacts
from trading.domain.risk.numbers import money, percent
from trading.domain.risk.verdicts import ALLOW, Deny, Fact, Rule, Verdict

HUNDRED = Decimal(100)


def judge(facts: EntryFacts) -> Verdict:
    limit = facts.settings.drawdown_limit_percent
    if limit is None:
        return ALLOW
    now, peak = facts.account.now, facts.account.peak
    if now is None or peak is None:
        return Deny(Reason(ReasonCode.EQUITY_HISTORY_UNKNOWN))
    fallen = HUNDRED if peak <= ZERO else (peak - now) / peak * 100
    if fallen < limit:
        return ALLOW
    params = {
        "percent": percent(fallen),
        "limit": percent(limit),
        "equity": money(now),
        "peak": money(peak),
    }
    return Deny(Reason(ReasonCode.DRAWDOWN, params))


RULE = Rule(
    "drawdown", 240, judge, settings=("drawdown_limit_percent",), asks=frozenset({Fact.EQUITY})
)

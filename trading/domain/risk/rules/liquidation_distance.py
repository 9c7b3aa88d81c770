"""The estimated liquidation price has to be far enough from the entry.

An isolated position stands on its own margin; in cross margin all positions stand on the account's
equity. The maintenance margin is taken as 1 % of notional, more than the smallest positions need.
"""

from __future__ import annotations

from decimal import Decimal

from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk.facts import ONE, ZERO, EntryFacts
from trading.domain.risk.numbers import percent
from trading.domain.risk.verdicts import ALLOW, Deny, Fact, Rule, Verdict
from venues.domain.types import InstrumentKind

MAINTENANCE = Decimal("0.01")


def judge(facts: EntryFacts) -> Verdict:
    limit = facts.settings.min_liquidation_distance_percent
    if not limit or facts.is_spot:
        return ALLOW
    distance: Decimal | None
    if facts.margin_mode == "isolated":
        distance = _isolated(facts)
    else:
        if facts.equity is None:
            return Deny(Reason(ReasonCode.BALANCE_UNKNOWN))
        if facts.copy.account_exposure is None:
            symbol = facts.copy.unpriced_symbol or facts.symbol
            return Deny(Reason(ReasonCode.EXPOSURE_UNKNOWN, {"symbol": symbol}))
        distance = _cross(facts, facts.equity, facts.copy.account_exposure)
    if distance is None or distance >= limit:
        return ALLOW
    params = {
        "percent": percent(max(distance, ZERO)),
        "limit": percent(limit),
        "leverage": percent(facts.leverage),
    }
    return Deny(Reason(ReasonCode.LIQUIDATION_TOO_CLOSE, params))


def _isolated(facts: EntryFacts) -> Decimal | None:
    """Percent of the entry's price; None: there is no price at which it would be liquidated."""
    part = 1 / max(facts.leverage, ONE)
    if facts.instrument.kind is InstrumentKind.INVERSE:
        if facts.direction > 0:
            return (1 - (1 + MAINTENANCE) / (1 + part)) * 100
        return None if part == ONE else ((1 - MAINTENANCE) / (1 - part) - 1) * 100
    if facts.direction > 0:
        return (1 - (1 - part) / (1 - MAINTENANCE)) * 100
    return ((1 + part) / (1 + MAINTENANCE) - 1) * 100


def _cross(facts: EntryFacts, equity: Decimal, exposure: Decimal) -> Decimal | None:
    """How far all prices may move against the account at once."""
    together = exposure + facts.notional
    return None if together <= ZERO else (equity / together - MAINTENANCE) * 100


RULE = Rule(
    "liquidation_distance",
    410,
    judge,
    settings=("min_liquidation_distance_percent",),
    asks=frozenset({Fact.EXPOSURE}),
)

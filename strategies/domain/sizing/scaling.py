"""What makes entries smaller in wild markets, or after losses."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from strategies.domain.sizing.modes import DynamicSizing, MissingFact, SizingError

ZERO, ONE, HUNDRED = Decimal(0), Decimal(1), Decimal(100)


@dataclass(frozen=True, slots=True)
class ScalingFacts:
    """`target_percent` of the volatility, `zero_percent` of the drawdown that leaves nothing; and
    what is measured: the day's range in per cent of the price, equity now and at its peak."""

    by: DynamicSizing = DynamicSizing.NONE
    target_percent: Decimal | None = None
    zero_percent: Decimal | None = None
    daily_range_percent: Decimal | None = None
    equity: Decimal | None = None
    peak_equity: Decimal | None = None


NO_SCALING = ScalingFacts()


def scaled_by(facts: ScalingFacts) -> Decimal:
    """The factor of an entry's size, above 0 and at most 1. Raises SizingError.

    Who asked for protection and cannot have it opens nothing: a missing fact is an error.
    """
    if facts.by is DynamicSizing.VOLATILITY:
        return _by_volatility(facts)
    if facts.by is DynamicSizing.DRAWDOWN:
        return _by_drawdown(facts)
    return ONE


def _by_volatility(facts: ScalingFacts) -> Decimal:
    if facts.target_percent is None or facts.daily_range_percent is None:
        raise SizingError(MissingFact.VOLATILITY)
    if facts.daily_range_percent <= facts.target_percent:
        return ONE
    return facts.target_percent / facts.daily_range_percent


def _by_drawdown(facts: ScalingFacts) -> Decimal:
    if facts.zero_percent is None or facts.equity is None or not facts.peak_equity:
        raise SizingError(MissingFact.DRAWDOWN)
    drawdown = max(ZERO, ONE - facts.equity / facts.peak_equity) * HUNDRED
    if drawdown >= facts.zero_percent:
        raise SizingError(MissingFact.DRAWN_DOWN)
    return ONE - drawdown / facts.zero_percent

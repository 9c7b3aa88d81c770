"""When a figure calls for an action, once until it has recovered. Pure.

Percent as 0.5 for half a percent, amounts in dollars.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from trading.domain.portfolio.figures import Figures

ZERO = Decimal(0)
HUNDRED = Decimal(100)
NEVER = Decimal("Infinity")
"""How far away a liquidation is that cannot be."""


class Measure(StrEnum):
    LIQUIDATION_DISTANCE = "liquidation_distance"
    MARGIN_RATIO = "margin_ratio"
    LEVERAGE = "leverage"
    GROSS_EXPOSURE = "gross_exposure"
    NET_EXPOSURE = "net_exposure"
    UNREALISED_LOSS = "unrealised_loss"
    DAILY_LOSS = "daily_loss"
    DAILY_LOSS_PERCENT = "daily_loss_percent"
    DRAWDOWN = "drawdown"


class RiskAct(StrEnum):
    """What is done; everything but an alert raises one as well."""

    ALERT = "alert"
    STOP_ENTRIES = "stop_entries"
    REDUCE = "reduce"
    CLOSE = "close"


FALLING = frozenset({Measure.LIQUIDATION_DISTANCE, Measure.MARGIN_RATIO})
"""Reached from above: less is worse."""

BOUNDS: dict[Measure, tuple[Decimal, Decimal]] = {
    Measure.LIQUIDATION_DISTANCE: (Decimal("0.1"), Decimal(90)),
    Measure.MARGIN_RATIO: (Decimal(101), Decimal(10_000)),
    Measure.LEVERAGE: (Decimal("0.1"), Decimal(200)),
    Measure.GROSS_EXPOSURE: (Decimal(1), Decimal(10**12)),
    Measure.NET_EXPOSURE: (Decimal(1), Decimal(10**12)),
    Measure.UNREALISED_LOSS: (Decimal(1), Decimal(10**12)),
    Measure.DAILY_LOSS: (Decimal(1), Decimal(10**12)),
    Measure.DAILY_LOSS_PERCENT: (Decimal("0.1"), Decimal(100)),
    Measure.DRAWDOWN: (Decimal("0.1"), Decimal(100)),
}
"""What a limit may be, both ends included."""
RECOVERY_BOUNDS = (Decimal(1), Decimal(100))
REDUCE_BOUNDS = (Decimal(1), Decimal(99))

_LOSSES: dict[Measure, Callable[[Figures], Decimal | None]] = {
    Measure.UNREALISED_LOSS: lambda figures: figures.unrealised,
    Measure.DAILY_LOSS: lambda figures: figures.daily_pnl,
    Measure.DAILY_LOSS_PERCENT: lambda figures: figures.daily_pnl_percent,
}


@dataclass(frozen=True, slots=True)
class Threshold:
    """`recovery_percent`: by so much of the limit the figure has to be better before the same may
    be done again."""

    id: str
    measure: Measure
    limit: Decimal
    recovery_percent: Decimal
    act: RiskAct
    reduce_percent: Decimal | None = None

    def is_reached(self, value: Decimal) -> bool:
        """To reach it exactly is enough."""
        return value <= self.limit if self.measure in FALLING else value >= self.limit

    def is_over(self, value: Decimal) -> bool:
        part = self.recovery_percent / HUNDRED
        if self.measure in FALLING:
            return value > self.limit * (1 + part)
        return value < self.limit * (1 - part)


FORECAST = Threshold("", Measure.LIQUIDATION_DISTANCE, Decimal(10), Decimal(20), RiskAct.ALERT)
"""Whoever states nothing about liquidations is warned all the same."""


@dataclass(frozen=True, slots=True)
class Reached:
    threshold: Threshold
    value: Decimal


def measured(figures: Figures, measure: Measure) -> Decimal | None:
    """None: not known, so that nothing follows from it. Losses are positive."""
    match measure:
        case Measure.LIQUIDATION_DISTANCE | Measure.MARGIN_RATIO:
            value = (
                figures.distance_percent
                if measure is Measure.LIQUIDATION_DISTANCE
                else figures.margin_ratio_percent
            )
            return NEVER if value is None and figures.is_complete else value
        case Measure.LEVERAGE:
            return figures.leverage
        case Measure.GROSS_EXPOSURE:
            return figures.gross
        case Measure.NET_EXPOSURE:
            return abs(figures.net)
        case Measure.DRAWDOWN:
            return figures.drawdown_percent
    result = _LOSSES[measure](figures)
    return None if result is None else -result


def thresholds_compared(
    figures: Figures, thresholds: Iterable[Threshold], lasting: Collection[str]
) -> tuple[list[Reached], list[str]]:
    """What is reached now and was not, and the ids of what is over. `lasting`: ids of what was
    reached and is not over yet, of thresholds that are gone as well.

    Nothing is reached by a withdrawal that is not counted yet, and nothing is over by a loss that
    might be one.
    """
    reached, over = [], []
    earned = figures.as_earned()
    known = {}
    for threshold in thresholds:
        known[threshold.id] = threshold
        value = measured(earned, threshold.measure)
        if value is not None and threshold.id not in lasting and threshold.is_reached(value):
            reached.append(Reached(threshold, value))
    for id_ in lasting:
        declared = known.get(id_)
        value = None if declared is None else measured(figures, declared.measure)
        if declared is None or (
            # What cannot be priced may be what it was reached by.
            figures.is_complete and value is not None and declared.is_over(value)
        ):
            over.append(id_)
    return reached, over


def thresholds_in_force(declared: Iterable[Threshold]) -> list[Threshold]:
    """With the forecast of liquidations where nobody stated one."""
    found = list(declared)
    if any(each.measure is Measure.LIQUIDATION_DISTANCE for each in found):
        return found
    return [*found, FORECAST]

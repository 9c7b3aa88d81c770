"""When a figure calls for an action, once until it has recovered. Pure.

Percent as 0.5 for half a percent, amounts in dollars.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

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
    MARGIN_USED = "margin_used"


class RiskLevel(StrEnum):
    """Whose figure it is: one account's, or the sum over the accounts of somebody."""

    ACCOUNT = "account"
    CUSTOMER = "customer"
    STRATEGY = "strategy"
    TENANT = "tenant"
    PLATFORM = "platform"


class Measurable(Protocol):
    """Figures of an account, or of many together; None: not known, or nothing there to tell."""

    @property
    def gross(self) -> Decimal: ...
    @property
    def net(self) -> Decimal: ...
    @property
    def unrealised(self) -> Decimal: ...
    @property
    def leverage(self) -> Decimal | None: ...
    @property
    def margin_used_percent(self) -> Decimal | None: ...
    @property
    def margin_ratio_percent(self) -> Decimal | None: ...
    @property
    def distance_percent(self) -> Decimal | None: ...
    @property
    def daily_pnl(self) -> Decimal | None: ...
    @property
    def daily_pnl_percent(self) -> Decimal | None: ...
    @property
    def drawdown_percent(self) -> Decimal | None: ...
    @property
    def is_complete(self) -> bool: ...


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
    Measure.MARGIN_USED: (Decimal("0.1"), Decimal(1000)),
}
"""What a limit may be, both ends included."""
RECOVERY_BOUNDS = (Decimal(1), Decimal(100))
REDUCE_BOUNDS = (Decimal(1), Decimal(99))

_OF_SUMS = frozenset(Measure) - {Measure.LIQUIDATION_DISTANCE}
MEASURES_OF: dict[RiskLevel, frozenset[Measure]] = {
    RiskLevel.ACCOUNT: frozenset(Measure),
    RiskLevel.CUSTOMER: _OF_SUMS,
    RiskLevel.STRATEGY: frozenset(
        {
            Measure.GROSS_EXPOSURE, Measure.NET_EXPOSURE, Measure.UNREALISED_LOSS,
            Measure.LEVERAGE, Measure.MARGIN_USED,
        }
    ),
    RiskLevel.TENANT: _OF_SUMS,
    RiskLevel.PLATFORM: _OF_SUMS,
}  # fmt: skip
"""What makes sense of whom. The nearest liquidation of many accounts is one account's. What a
strategy's followers lost today, or since their peaks, is of their whole accounts, which hold what
other strategies and they themselves bought."""

_LOSSES: dict[Measure, Callable[[Measurable], Decimal | None]] = {
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


def measured(figures: Measurable, measure: Measure) -> Decimal | None:
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
        case Measure.MARGIN_USED:
            return figures.margin_used_percent
        case Measure.GROSS_EXPOSURE:
            return figures.gross
        case Measure.NET_EXPOSURE:
            return abs(figures.net)
        case Measure.DRAWDOWN:
            return figures.drawdown_percent
    result = _LOSSES[measure](figures)
    return None if result is None else -result


def thresholds_compared(
    kept: Measurable,
    earned: Measurable,
    thresholds: Iterable[Threshold],
    lasting: Collection[str],
) -> tuple[list[Reached], list[str]]:
    """What is reached now and was not, and the ids of what is over. `lasting`: ids of what was
    reached and is not over yet, of thresholds that are gone as well.

    Nothing is reached by a withdrawal that is not counted yet (`earned` are the figures without
    such), and nothing is over by a deposit (`kept` are those without such).
    """
    reached, over = [], []
    known = {}
    for threshold in thresholds:
        known[threshold.id] = threshold
        value = measured(earned, threshold.measure)
        if value is not None and threshold.id not in lasting and threshold.is_reached(value):
            reached.append(Reached(threshold, value))
    for id_ in lasting:
        declared = known.get(id_)
        value = None if declared is None else measured(kept, declared.measure)
        if declared is None or (
            # What cannot be priced may be what it was reached by.
            kept.is_complete and value is not None and declared.is_over(value)
        ):
            over.append(id_)
    return reached, over


def is_undecided(
    kept: Measurable,
    earned: Measurable,
    thresholds: Sequence[Threshold],
    lasting: Collection[str],
) -> bool:
    """Whether something would be reached, or over, if what came or went were a loss or a gain."""
    surely, over = thresholds_compared(kept, earned, thresholds, lasting)
    perhaps, perhaps_over = thresholds_compared(earned, kept, thresholds, lasting)
    return len(surely) != len(perhaps) or len(over) != len(perhaps_over)


def thresholds_in_force(declared: Iterable[Threshold]) -> list[Threshold]:
    """With the forecast of liquidations where nobody stated one."""
    found = list(declared)
    if any(each.measure is Measure.LIQUIDATION_DISTANCE for each in found):
        return found
    return [*found, FORECAST]

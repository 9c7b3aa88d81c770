"""What contradicts itself among settings that are each fine by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from strategies.domain.settings.fields import (
    NOT_OFFERED,
    CopySettings,
    Execution,
    LeverageMode,
    StopsMode,
)
from strategies.domain.sizing import DynamicSizing, SizingMode


class SettingProblemCode(StrEnum):
    UNKNOWN = "unknown"
    NOT_A_CHOICE = "not_a_choice"
    NOT_A_NUMBER = "not_a_number"
    NOT_A_WHOLE_NUMBER = "not_a_whole_number"
    NOT_A_FLAG = "not_a_flag"
    NOT_A_LIST = "not_a_list"
    NOT_A_SYMBOL = "not_a_symbol"
    NOT_A_WINDOW = "not_a_window"
    BAD_TARGETS = "bad_targets"
    TOO_LOW = "too_low"
    NOT_ABOVE = "not_above"
    TOO_HIGH = "too_high"
    NEEDED = "needed"
    """`by` is the setting whose value asks for this one."""
    ABOVE_OTHER = "above_other"
    """Above the `value` of the setting `other`, which it must not be."""
    LEVERAGE_AND_STOP = "leverage_and_stop"
    """The stop lies behind the liquidation price."""
    BINDING = "binding"
    """A level above fixed it."""
    ABOVE_VENUE = "above_venue"


@dataclass(frozen=True, slots=True)
class SettingProblem:
    """What is wrong with one setting; `symbol` when it is the exception for that symbol."""

    name: str
    code: SettingProblemCode
    params: dict[str, str] = field(default_factory=dict)
    symbol: str = ""


_NEEDS: Mapping[tuple[str, StrEnum], tuple[str, ...]] = {
    ("sizing_mode", SizingMode.FIXED_AMOUNT): ("fixed_amount",),
    ("sizing_mode", SizingMode.FIXED_RISK): ("risk_percent",),
    ("leverage_mode", LeverageMode.FIXED): ("leverage",),
    ("dynamic_sizing", DynamicSizing.VOLATILITY): ("target_volatility_percent",),
    ("dynamic_sizing", DynamicSizing.DRAWDOWN): ("drawdown_zero_percent",),
    ("execution", Execution.LIMIT_FOLLOW): ("limit_follow_percent",),
    ("execution", Execution.LIMIT_THEN_MARKET): ("limit_timeout_seconds",),
    ("execution", Execution.SLICED): ("slice_count", "slice_interval_seconds"),
}
_ORDERED = (
    ("min_order_amount", "symbol_exposure_cap"),
    ("symbol_exposure_cap", "account_exposure_cap"),
    ("per_order_cap", "total_cap"),
    ("fixed_amount", "total_cap"),
    ("leverage", "max_leverage"),
)
"""Pairs of which the first must not be above the second."""


def contradictions(settings: CopySettings) -> list[SettingProblem]:
    """Everything that contradicts itself in what would be in force."""
    return [*_needed(settings), *_ordered(settings), *_stops(settings)]


def _needed(settings: CopySettings) -> Iterator[SettingProblem]:
    for (chooser, choice), names in _NEEDS.items():
        if getattr(settings, chooser) != choice:
            continue
        for name in names:
            if name not in NOT_OFFERED and getattr(settings, name) is None:
                yield SettingProblem(name, SettingProblemCode.NEEDED, {"by": chooser})
    if settings.cooldown_after_stops is not None and settings.cooldown_minutes is None:
        yield SettingProblem(
            "cooldown_minutes", SettingProblemCode.NEEDED, {"by": "cooldown_after_stops"}
        )


def _ordered(settings: CopySettings) -> Iterator[SettingProblem]:
    for lower, upper in _ORDERED:
        low, high = getattr(settings, lower), getattr(settings, upper)
        if low is not None and high is not None and low > high:
            yield SettingProblem(
                lower,
                SettingProblemCode.ABOVE_OTHER,
                {"other": upper, "value": f"{high.normalize():f}"},
            )


def _stops(settings: CopySettings) -> Iterator[SettingProblem]:
    by_risk = settings.sizing_mode is SizingMode.FIXED_RISK
    if by_risk and settings.stops_mode is StopsMode.OWN and settings.stop_loss_percent is None:
        # Sized by a stop that is not placed, an entry would risk more than was said.
        yield SettingProblem("stop_loss_percent", SettingProblemCode.NEEDED, {"by": "sizing_mode"})
    elif settings.stops_mode is StopsMode.OWN:
        anything = (
            settings.take_profit_percent,
            settings.stop_loss_percent,
            settings.take_profit_targets,
            settings.trailing_percent,
        )
        if not any(anything):
            yield SettingProblem(
                "stop_loss_percent", SettingProblemCode.NEEDED, {"by": "stops_mode"}
            )
    leverage = settings.leverage if settings.leverage_mode is LeverageMode.FIXED else None
    loss = settings.stop_loss_percent
    if leverage is not None and loss is not None and loss * leverage >= 100:
        yield SettingProblem("stop_loss_percent", SettingProblemCode.LEVERAGE_AND_STOP)

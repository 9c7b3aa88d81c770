"""What contradicts itself among settings that are each fine by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from strategies.domain.settings.fields import (
    DEFAULTS,
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
    MAPPED_TWICE = "mapped_twice"
    """The symbol stands twice on one side of the map."""
    NOT_LISTED = "not_listed"
    """By the copy's venue, or by any of those where copies go by it."""
    TOO_LATE = "too_late"
    """It counts at the start of a copy, and this one has begun."""
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
    ABOVE_VENUES_ALL = "above_venues_all"
    """Of every symbol that is copied there."""
    TOO_MANY = "too_many"
    """Exceptions for single symbols."""
    ABOVE_CAP = "above_cap"
    """More than the setting `other` lets an order be worth: `value`."""
    TARGETS_FIRST = "targets_first"
    """The steps lie beyond it, or leave nothing for it."""


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
    ("min_order_amount", "account_exposure_cap"),
    ("symbol_exposure_cap", "account_exposure_cap"),
    ("per_order_cap", "total_cap"),
    ("fixed_amount", "total_cap"),
    ("leverage", "max_leverage"),
)
"""Pairs of which the first must not be above the second."""


def contradictions(settings: CopySettings) -> list[SettingProblem]:
    """Everything that contradicts itself in what would be in force."""
    return [
        *_needed(settings),
        *_ordered(settings),
        *_smallest(settings),
        *_stops(settings),
        *_targets(settings),
    ]


def _needed(settings: CopySettings) -> Iterator[SettingProblem]:
    for (chooser, choice), names in _NEEDS.items():
        if getattr(settings, chooser) != choice:
            continue
        for name in names:
            if getattr(settings, name) is None:
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
    leverage = fixed_leverage(settings)
    name = "trailing_percent" if settings.stop_loss_percent is None else "stop_loss_percent"
    away = getattr(settings, name)
    if leverage is not None and away is not None and away * leverage >= 100:
        yield SettingProblem(name, SettingProblemCode.LEVERAGE_AND_STOP)


def _smallest(settings: CopySettings) -> Iterator[SettingProblem]:
    """A cap counts margin, the smallest entry what it is worth."""
    least = settings.min_order_amount
    leverage = fixed_leverage(settings) or settings.max_leverage
    if least is None or leverage is None:
        return
    for cap in ("per_order_cap", "total_cap"):
        limit = getattr(settings, cap)
        if limit is not None and least > limit * leverage:
            worth = f"{(limit * leverage).normalize():f}"
            params = {"other": cap, "value": worth}
            yield SettingProblem("min_order_amount", SettingProblemCode.ABOVE_CAP, params)
            return


def _targets(settings: CopySettings) -> Iterator[SettingProblem]:
    last, steps = settings.take_profit_percent, settings.take_profit_targets
    if settings.stops_mode is not StopsMode.OWN or last is None or not steps:
        return
    if steps[-1][0] >= last or sum(share for _, share in steps) >= 1:
        yield SettingProblem("take_profit_percent", SettingProblemCode.TARGETS_FIRST)


def fixed_leverage(settings: CopySettings) -> Decimal | None:
    """What entries have whatever the leader does; None when it is the leader's."""
    if settings.leverage_mode is not LeverageMode.FIXED or settings.leverage is None:
        return None
    if settings.max_leverage is None:
        return settings.leverage
    return min(settings.leverage, settings.max_leverage)


_ONLY_WITH: Mapping[str, tuple[str, frozenset[StrEnum]]] = {
    "fixed_amount": ("sizing_mode", frozenset({SizingMode.FIXED_AMOUNT})),
    "ratio": (
        "sizing_mode",
        frozenset({SizingMode.LEADER_RATIO, SizingMode.EQUITY_PROPORTIONAL}),
    ),
    "size_discount_percent": ("sizing_mode", frozenset({SizingMode.EQUITY_PROPORTIONAL})),
    "risk_percent": ("sizing_mode", frozenset({SizingMode.FIXED_RISK})),
    "target_volatility_percent": ("dynamic_sizing", frozenset({DynamicSizing.VOLATILITY})),
    "drawdown_zero_percent": ("dynamic_sizing", frozenset({DynamicSizing.DRAWDOWN})),
    "leverage": ("leverage_mode", frozenset({LeverageMode.FIXED})),
    "take_profit_percent": ("stops_mode", frozenset({StopsMode.OWN})),
    "take_profit_targets": ("stops_mode", frozenset({StopsMode.OWN})),
    "stop_loss_percent": ("stops_mode", frozenset({StopsMode.OWN})),
    "trailing_percent": ("stops_mode", frozenset({StopsMode.OWN, StopsMode.AS_LEADER})),
    "break_even_after_target": ("stops_mode", frozenset({StopsMode.OWN, StopsMode.AS_LEADER})),
    "on_leverage_change": ("leverage_mode", frozenset({LeverageMode.AS_LEADER})),
    "on_stops_change": ("stops_mode", frozenset({StopsMode.AS_LEADER})),
    "limit_follow_percent": ("execution", frozenset({Execution.LIMIT_FOLLOW})),
    "limit_timeout_seconds": (
        "execution",
        frozenset({Execution.LIMIT_FOLLOW, Execution.LIMIT_THEN_MARKET}),
    ),
    **dict.fromkeys(
        ("slice_count", "slice_interval_seconds", "sliced_above"),
        ("execution", frozenset({Execution.SLICED})),
    ),
}
"""Settings that count only while another one has one of these values."""


def without_effect(settings: CopySettings) -> dict[str, str]:
    """What is set and does nothing as things are, by the setting that would have to be other."""
    found = {
        name: chooser
        for name, (chooser, values) in _ONLY_WITH.items()
        if getattr(settings, chooser) not in values
        and getattr(settings, name) != getattr(DEFAULTS, name)
    }
    if settings.sizing_mode is SizingMode.FIXED_RISK and settings.stops_mode is not StopsMode.OWN:
        # Sizes go by it where the leader names no stop, though none is placed.
        found.pop("stop_loss_percent", None)
    if settings.cooldown_minutes is not None and settings.cooldown_after_stops is None:
        found["cooldown_minutes"] = "cooldown_after_stops"
    return found

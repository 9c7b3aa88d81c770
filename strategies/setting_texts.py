"""Copy settings in words: names, what they do, choices, and what is wrong with a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from strategies.domain.settings import (
    SPECS,
    CopySettings,
    Effect,
    Kind,
    Level,
    Merge,
    SettingProblem,
    SettingProblemCode,
    SettingSpec,
    value_to_json,
)

GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        gettext_noop("Size"),
        (
            "sizing_mode", "fixed_amount", "ratio", "follow_ratio", "risk_percent",
            "size_discount_percent", "dynamic_sizing", "target_volatility_percent",
            "drawdown_zero_percent",
        ),
    ),
    (
        gettext_noop("Limits of size"),
        (
            "per_order_cap", "total_cap", "symbol_exposure_cap", "account_exposure_cap",
            "min_order_amount", "below_minimum",
        ),
    ),
    (
        gettext_noop("Margin and leverage"),
        (
            "margin_mode", "leverage_mode", "leverage", "max_leverage",
            "free_margin_reserve_percent",
        ),
    ),
    (
        gettext_noop("What is copied"),
        (
            "allowed_symbols", "denied_symbols", "symbol_map", "direction", "close_only",
            "monitor_only", "trading_hours", "signal_lifetime_seconds",
        ),
    ),
    (
        gettext_noop("Stops of a position"),
        (
            "stops_mode", "take_profit_percent", "stop_loss_percent", "take_profit_targets",
            "trailing_percent", "break_even_after_target",
        ),
    ),
    (
        gettext_noop("Execution"),
        (
            "execution", "max_entry_slippage_percent", "limit_follow_percent",
            "max_working_orders", "limit_timeout_seconds", "slice_count",
            "slice_interval_seconds", "sliced_above",
        ),
    ),
    (
        gettext_noop("Guards"),
        (
            "max_open_positions", "max_orders_per_minute", "max_spread_percent",
            "max_depth_percent", "min_liquidation_distance_percent", "funding_guard_minutes",
        ),
    ),
    (
        gettext_noop("Loss limits"),
        (
            "daily_loss_limit", "daily_loss_limit_percent", "drawdown_limit_percent",
            "cooldown_after_stops", "cooldown_minutes", "copy_loss_limit",
            "copy_equity_fall_percent",
        ),
    ),
    (
        gettext_noop("Start, end and the leader's other acts"),
        (
            "existing_positions", "on_stop", "on_margin_topup", "on_leverage_change",
            "on_stops_change", "on_transfer_out",
        ),
    ),
)  # fmt: skip

_LABELS: Mapping[str, tuple[str, str]] = {
    "sizing_mode": (gettext_noop("Sizing mode"), ""),
    "fixed_amount": (
        gettext_noop("Fixed amount"),
        gettext_noop("Margin per entry in the quote currency; its notional is this × leverage."),
    ),
    "ratio": (
        gettext_noop("Ratio"),
        gettext_noop("Multiplies the leader's size, or the share of equity."),
    ),
    "follow_ratio": (
        gettext_noop("Follow ratio"),
        gettext_noop("Multiplies every follower's size."),
    ),
    "risk_percent": (
        gettext_noop("Risk per entry (%)"),
        gettext_noop("Of equity, lost when the stop is hit; for fixed risk."),
    ),
    "size_discount_percent": (
        gettext_noop("Discount of the size (%)"),
        gettext_noop("Taken off a size in proportion to equity, to have room for slippage."),
    ),
    "dynamic_sizing": (gettext_noop("Dynamic sizing"), ""),
    "target_volatility_percent": (
        gettext_noop("Target volatility (%)"),
        gettext_noop("The daily range at which the whole size is taken; less at a larger one."),
    ),
    "drawdown_zero_percent": (
        gettext_noop("Drawdown without entries (%)"),
        gettext_noop("The size shrinks with the drawdown and is nothing at this one."),
    ),
    "per_order_cap": (
        gettext_noop("Most per order"),
        gettext_noop("Margin; a larger entry is clipped to it."),
    ),
    "total_cap": (
        gettext_noop("Most invested at a time"),
        gettext_noop("Margin of this copy; an entry beyond it is skipped."),
    ),
    "symbol_exposure_cap": (
        gettext_noop("Largest position per symbol"),
        gettext_noop("Notional of the account in one symbol."),
    ),
    "account_exposure_cap": (
        gettext_noop("Largest exposure of the account"),
        gettext_noop("Notional over all symbols."),
    ),
    "min_order_amount": (
        gettext_noop("Smallest entry"),
        gettext_noop("Notional; what is below is dealt with as the next setting says."),
    ),
    "below_minimum": (gettext_noop("Below the minimum"), ""),
    "margin_mode": (gettext_noop("Margin mode"), ""),
    "leverage_mode": (gettext_noop("Leverage"), ""),
    "leverage": (
        gettext_noop("Fixed leverage"),
        gettext_noop("For “fixed” leverage; never above the max leverage and the exchange's."),
    ),
    "max_leverage": (
        gettext_noop("Max leverage"),
        gettext_noop("Never above it, whatever the leader uses."),
    ),
    "free_margin_reserve_percent": (
        gettext_noop("Free margin to keep (%)"),
        gettext_noop("Of equity, that entries leave free."),
    ),
    "allowed_symbols": (
        gettext_noop("Only these symbols"),
        gettext_noop("One per line, such as BTC/USDT:USDT. Empty: all that the strategy copies."),
    ),
    "denied_symbols": (gettext_noop("Never these symbols"), gettext_noop("One per line.")),
    "symbol_map": (
        gettext_noop("Other symbol instead"),
        gettext_noop(
            "One per line: the leader's symbol = the traded symbol, such as BTC/USDT:USDT = "
            "BTC/USD:BTC. Signals in the traded symbol itself then open nothing. What is open in "
            "the old symbol stays, and its exits are followed."
        ),
    ),
    "direction": (gettext_noop("Direction"), ""),
    "close_only": (
        gettext_noop("Close only"),
        gettext_noop("Nothing is opened, and what waits is cancelled; exits are followed."),
    ),
    "monitor_only": (
        gettext_noop("Monitor only"),
        gettext_noop(
            "Everything but the order: shows what would have been done. Entries that wait already "
            "are cancelled; exits of what is open are followed."
        ),
    ),
    "trading_hours": (
        gettext_noop("Trading hours"),
        gettext_noop(
            "Entries only then, by the clock of the firm. One window per line, such as "
            '"mon-fri 09:00-17:30"; what goes past midnight takes two.'
        ),
    ),
    "signal_lifetime_seconds": (
        gettext_noop("Signal lifetime (s)"),
        gettext_noop("An older signal opens nothing; exits always go."),
    ),
    "stops_mode": (
        gettext_noop("Stops"),
        gettext_noop("Take profit and stop loss below count for “own stops” only."),
    ),
    "take_profit_percent": (
        gettext_noop("Take profit (%)"),
        gettext_noop("From the entry price."),
    ),
    "stop_loss_percent": (gettext_noop("Stop loss (%)"), gettext_noop("From the entry price.")),
    "take_profit_targets": (
        gettext_noop("Take profit in steps"),
        gettext_noop('One per line: distance in % and share of the position, such as "2 0.5".'),
    ),
    "trailing_percent": (
        gettext_noop("Trailing stop (%)"),
        gettext_noop("From the best price since the entry."),
    ),
    "break_even_after_target": (
        gettext_noop("Break-even after the first target"),
        gettext_noop("The stop loss moves to the entry price then."),
    ),
    "execution": (gettext_noop("How entries are sent"), ""),
    "max_entry_slippage_percent": (
        gettext_noop("Most slippage of an entry (%)"),
        gettext_noop("Against the leader's price. Empty: 0.5 for BTC and ETH, 1.5 for others."),
    ),
    "limit_follow_percent": (
        gettext_noop("Better than the leader by (%)"),
        gettext_noop("For limit orders at a better price; 1 to 4 is usual."),
    ),
    "max_working_orders": (
        gettext_noop("Most waiting orders"),
        gettext_noop("Entries of this copy on the order book; further ones are skipped."),
    ),
    "limit_timeout_seconds": (
        gettext_noop("Limit order waits (s)"),
        gettext_noop(
            "Then what did not fill is cancelled, or entered at market within the slippage, as "
            "was chosen above. Empty: a day."
        ),
    ),
    "slice_count": (
        gettext_noop("Number of slices"),
        gettext_noop("Fewer where one of them would be below the exchange's minimum."),
    ),
    "slice_interval_seconds": (gettext_noop("Time between slices (s)"), ""),
    "sliced_above": (
        gettext_noop("Sliced above"),
        gettext_noop("Notional; a smaller entry is sent at once."),
    ),
    "max_open_positions": (gettext_noop("Most open positions"), ""),
    "max_orders_per_minute": (gettext_noop("Most entries per minute"), ""),
    "max_spread_percent": (gettext_noop("Widest spread (%)"), ""),
    "max_depth_percent": (
        gettext_noop("Most of the order book (%)"),
        gettext_noop("That all followers together may take within the allowed slippage."),
    ),
    "min_liquidation_distance_percent": (
        gettext_noop("Distance to liquidation (%)"),
        gettext_noop("At least this, of the price."),
    ),
    "funding_guard_minutes": (
        gettext_noop("No entries before funding (min)"),
        gettext_noop("Where the follower would pay it."),
    ),
    "daily_loss_limit": (
        gettext_noop("Daily loss limit"),
        gettext_noop("No entries for the rest of the day."),
    ),
    "daily_loss_limit_percent": (
        gettext_noop("Daily loss limit (%)"),
        gettext_noop("Of the day's first equity."),
    ),
    "drawdown_limit_percent": (
        gettext_noop("Drawdown limit (%)"),
        gettext_noop("From the highest equity; no entries below."),
    ),
    "cooldown_after_stops": (
        gettext_noop("Pause after so many stops"),
        gettext_noop("When that many went off within the length of the pause."),
    ),
    "cooldown_minutes": (gettext_noop("Length of that pause (min)"), ""),
    "copy_loss_limit": (
        gettext_noop("End the copy at a loss of"),
        gettext_noop("Net loss of this copy: all is closed and the copy ends."),
    ),
    "copy_equity_fall_percent": (
        gettext_noop("End the copy at a fall of equity (%)"),
        gettext_noop("Since the copy began: all is closed and the copy ends."),
    ),
    "existing_positions": (
        gettext_noop("What the leader holds already"),
        gettext_noop(
            "Counts once, when a copy starts: each position is sized and judged as any entry, by "
            "the leader's position and its average price."
        ),
    ),
    "on_stop": (gettext_noop("Positions when the copy is stopped"), ""),
    "on_margin_topup": (
        gettext_noop("When the leader adds margin"),
        gettext_noop(
            "Of an isolated position: the same share of its own margin is added from your free "
            "balance, within your limits. What the leader takes out again stays in yours."
        ),
    ),
    "on_leverage_change": (
        gettext_noop("When the leader changes leverage"),
        gettext_noop(
            "Of an open position, where the leverage is as the leader's: set on your account as "
            "well, within your limits, and not where another copy holds the same symbol."
        ),
    ),
    "on_stops_change": (gettext_noop("When the leader moves its stops"), ""),
    "on_transfer_out": (
        gettext_noop("When the leader takes money out"),
        gettext_noop("Of its trading account, however much."),
    ),
}

_CHOICES: Mapping[tuple[str, str], str] = {
    ("sizing_mode", "fixed_amount"): gettext_noop("fixed amount per order"),
    ("sizing_mode", "leader_ratio"): gettext_noop("ratio of the leader's size"),
    ("sizing_mode", "equity_proportional"): gettext_noop("in proportion to equity"),
    ("sizing_mode", "fixed_risk"): gettext_noop("fixed risk"),
    ("dynamic_sizing", "none"): gettext_noop("none"),
    ("dynamic_sizing", "volatility"): gettext_noop("smaller in wild markets"),
    ("dynamic_sizing", "drawdown"): gettext_noop("smaller in a drawdown"),
    ("below_minimum", "carry"): gettext_noop("carried over to the next signal"),
    ("below_minimum", "skip"): gettext_noop("skipped"),
    ("below_minimum", "force"): gettext_noop("the smallest order that is possible"),
    ("margin_mode", "as_account"): gettext_noop("as the account is set"),
    ("margin_mode", "as_leader"): gettext_noop("as the leader"),
    ("margin_mode", "cross"): gettext_noop("cross"),
    ("margin_mode", "isolated"): gettext_noop("isolated"),
    ("leverage_mode", "as_leader"): gettext_noop("as the leader"),
    ("leverage_mode", "fixed"): gettext_noop("fixed"),
    ("direction", "as_leader"): gettext_noop("as the leader"),
    ("direction", "reversed"): gettext_noop("reversed"),
    ("direction", "long_only"): gettext_noop("long only"),
    ("direction", "short_only"): gettext_noop("short only"),
    ("stops_mode", "none"): gettext_noop("none"),
    ("stops_mode", "as_leader"): gettext_noop("as the leader"),
    ("stops_mode", "own"): gettext_noop("own stops"),
    ("execution", "market"): gettext_noop("at market"),
    ("execution", "ioc_limit"): gettext_noop("at once, within the slippage"),
    ("execution", "limit_follow"): gettext_noop("limit order at a better price"),
    ("execution", "limit_then_market"): gettext_noop("limit order, then at market"),
    ("execution", "sliced"): gettext_noop("in slices"),
    ("existing_positions", "ignore"): gettext_noop("is not opened"),
    ("existing_positions", "no_worse"): gettext_noop("is opened where the price is no worse"),
    ("existing_positions", "all"): gettext_noop("is opened at market"),
    ("on_stop", "close"): gettext_noop("are closed at market"),
    ("on_stop", "keep_exits"): gettext_noop("stay, and exits are followed"),
    ("on_stop", "leave"): gettext_noop("stay and are left to the client"),
    ("on_transfer_out", "pause"): gettext_noop("tell me, and open nothing until I resume"),
    ("", "ignore"): gettext_noop("nothing happens"),
    ("", "alert"): gettext_noop("tell me"),
    ("", "follow"): gettext_noop("follow"),
}

_PROBLEMS: Mapping[SettingProblemCode, str] = {
    SettingProblemCode.UNKNOWN: gettext_noop("There is no such setting here."),
    SettingProblemCode.NOT_A_CHOICE: gettext_noop("Choose one of: %(choices)s."),
    SettingProblemCode.NOT_A_NUMBER: gettext_noop("Enter a number, such as 12.5."),
    SettingProblemCode.NOT_A_WHOLE_NUMBER: gettext_noop("Enter a whole number."),
    SettingProblemCode.NOT_A_FLAG: gettext_noop("Choose yes or no."),
    SettingProblemCode.NOT_A_LIST: gettext_noop("This is no list of the kind that is needed."),
    SettingProblemCode.NOT_A_SYMBOL: gettext_noop("%(symbol)s is not a symbol like BTC/USDT:USDT."),
    SettingProblemCode.NOT_A_WINDOW: gettext_noop(
        "%(window)s is not a window like mon-fri 09:00-17:30."
    ),
    SettingProblemCode.BAD_TARGETS: gettext_noop(
        "The steps must go away from the entry and take at most the whole position."
    ),
    SettingProblemCode.MAPPED_TWICE: gettext_noop(
        "%(symbol)s stands twice: each symbol is copied in one other, and each is traded for one."
    ),
    SettingProblemCode.NOT_LISTED: gettext_noop("%(venue)s does not list %(symbol)s."),
    SettingProblemCode.TOO_LATE: gettext_noop(
        "It counts when a copy begins, and this one has begun: nothing would be opened by it."
    ),
    SettingProblemCode.TOO_LOW: gettext_noop("At least %(limit)s."),
    SettingProblemCode.NOT_ABOVE: gettext_noop("Must be above %(limit)s."),
    SettingProblemCode.TOO_HIGH: gettext_noop("At most %(limit)s."),
    SettingProblemCode.NEEDED: gettext_noop("Needed because of the setting “%(by)s”."),
    SettingProblemCode.ABOVE_OTHER: gettext_noop(
        "Must not be above the setting “%(other)s”, which is %(value)s here."
    ),
    SettingProblemCode.LEVERAGE_AND_STOP: gettext_noop(
        "At this leverage the position is liquidated before the stop."
    ),
    SettingProblemCode.BINDING: gettext_noop("The strategy fixes this setting."),
    SettingProblemCode.ABOVE_VENUE: gettext_noop(
        "%(venue)s allows at most %(limit)s for %(symbol)s."
    ),
    SettingProblemCode.ABOVE_VENUES_ALL: gettext_noop(
        "%(venue)s allows at most %(limit)s for what is copied."
    ),
    SettingProblemCode.TOO_MANY: gettext_noop("At most %(limit)s symbols can have exceptions."),
    SettingProblemCode.ABOVE_CAP: gettext_noop(
        "An order is worth %(value)s at most, by the leverage and the setting “%(other)s”: nothing "
        "would ever be entered."
    ),
    SettingProblemCode.TARGETS_FIRST: gettext_noop(
        "The steps must lie before it and leave a part of the position for it."
    ),
}

_EFFECTS: Mapping[Effect, str] = {
    Effect.ENTRIES_ONLY: gettext_noop(
        "Acts on new entries. Open positions and entries that are waiting already stay as they are."
    ),
    Effect.EXITS_FOLLOWED: gettext_noop(
        "What is open and would not be opened any more stays, and its exits are still followed. "
        "Entries that are waiting already are not cancelled."
    ),
    Effect.WAITING_LEAVE: gettext_noop(
        "What is open stays, and its exits are still followed. Entries that wait on the order book "
        "or for their time are cancelled within seconds."
    ),
    Effect.WATCHED_AT_ONCE: gettext_noop(
        "The loss limit counts for open positions at once: if it is reached already, everything "
        "is closed and the copy ends."
    ),
    Effect.STOPS_STAY: gettext_noop(
        "Open positions keep their stops until the next entry in their symbol brings new ones."
    ),
    Effect.WAITING_STAY: gettext_noop(
        "The change acts on new entries. Limit orders and slices that wait already go on as they "
        "were planned."
    ),
    Effect.LEVERAGE_SHARED: gettext_noop(
        "The leverage of an open position changes with the next entry in its symbol, for the "
        "whole position."
    ),
    Effect.AT_THE_START: gettext_noop(
        "Counts for copies that start after the change. A copy that has begun opens nothing by it, "
        "and a resumed one does not, either."
    ),
    Effect.LEADERS_NEXT_CHANGE: gettext_noop(
        "Counts from the leader's next change on, for positions that are open, too. Nothing is "
        "changed by it now."
    ),
    Effect.AT_THE_STOP: gettext_noop(
        "Counts for all that is open when the copy is stopped; until then nothing happens."
    ),
}

LEVELS: Mapping[Level, Any] = {
    Level.DEFAULT: gettext_lazy("default"),
    Level.PLATFORM: gettext_lazy("platform"),
    Level.TENANT: gettext_lazy("firm"),
    Level.STRATEGY: gettext_lazy("strategy"),
    Level.CUSTOMER: gettext_lazy("customer"),
    Level.ACCOUNT: gettext_lazy("account"),
    Level.SUBSCRIPTION: gettext_lazy("copy"),
}


_UNSET = {
    "allowed_symbols": gettext_noop("all"),
    "trading_hours": gettext_noop("at any time"),
    "max_entry_slippage_percent": gettext_noop("0.5 for BTC and ETH, 1.5 for others"),
}
"""Of what is stated by nobody and is neither without a limit nor nothing."""


def idle_text(chooser: str, settings: CopySettings) -> str:
    """Why a setting does nothing now."""
    value = value_text(chooser, getattr(settings, chooser))
    params = {"other": setting_label(chooser), "value": value}
    return _("No effect while “%(other)s” is: %(value)s.") % params


def setting_label(name: str) -> str:
    return _(_LABELS[name][0])


def setting_help(name: str) -> str:
    text = _LABELS[name][1]
    return _(text) if text else ""


def choice_label(spec: SettingSpec, value: str) -> str:
    text = _CHOICES.get((spec.name, value)) or _CHOICES[("", value)]
    return _(text)


def value_text(name: str, value: Any) -> str:
    """A value as a reader says it; "–" for none. An empty list lets nothing through."""
    spec = SPECS[name]
    if value is None:
        unset = _UNSET.get(name)
        if unset is None:
            return _("not limited") if spec.merge is Merge.MINIMUM else "–"
        return _(unset)
    if value == frozenset() and spec.merge is Merge.INTERSECTION:
        return _("none at all")
    if value == () and spec.merge is Merge.INTERSECTION:
        return _("never")
    if value in ((), frozenset(), {}):
        return "–"
    if spec.kind is Kind.CHOICE:
        return choice_label(spec, str(value))
    if spec.kind is Kind.FLAG:
        return _("yes") if value else _("no")
    if spec.kind is Kind.PERCENT:
        return f"{value.normalize():f} %"
    raw = value_to_json(spec, value)
    if spec.kind is Kind.TARGETS:
        return ", ".join(f"{percent} % × {share}" for percent, share in raw)
    if spec.kind is Kind.SYMBOL_MAP:
        return ", ".join(f"{here} → {there}" for here, there in raw.items())
    if isinstance(raw, list):
        return ", ".join(raw)
    if isinstance(raw, str):
        return f"{value.normalize():f}"
    return str(raw)


def effect_text(effect: Effect) -> str:
    return _(_EFFECTS[effect])


def problem_text(problem: SettingProblem) -> str:
    """What is wrong, for whoever set it."""
    params = dict(problem.params)
    for key in ("by", "other"):
        if key in params:
            params[key] = setting_label(params[key])
    return _(_PROBLEMS[problem.code]) % {"symbol": problem.symbol, **params}

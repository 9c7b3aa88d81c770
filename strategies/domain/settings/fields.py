"""Every copy setting: its unit, limits, default and how levels merge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from enum import StrEnum
from typing import Any

from strategies.domain.sizing import DynamicSizing, SizingMode


class Kind(StrEnum):
    CHOICE = "choice"
    AMOUNT = "amount"
    """In the quote currency."""
    NUMBER = "number"
    PERCENT = "percent"
    """0.5 is half a percent."""
    COUNT = "count"
    SECONDS = "seconds"
    MINUTES = "minutes"
    FLAG = "flag"
    SYMBOLS = "symbols"
    SYMBOL_MAP = "symbol_map"
    TARGETS = "targets"
    """Take profits: pairs of distance from the entry in percent and share of the position."""
    HOURS = "hours"
    """Windows of a week, such as "mon-fri 09:00-17:30", in the tenant's time zone."""


class Merge(StrEnum):
    """How the values of several levels become one."""

    NEAREST = "nearest"
    MINIMUM = "minimum"
    MAXIMUM = "maximum"
    INTERSECTION = "intersection"
    UNION = "union"
    ANY = "any"


class LeverageMode(StrEnum):
    AS_LEADER = "as_leader"
    FIXED = "fixed"


class MarginModeSetting(StrEnum):
    AS_ACCOUNT = "as_account"
    AS_LEADER = "as_leader"
    CROSS = "cross"
    ISOLATED = "isolated"


class OnMinimum(StrEnum):
    """What becomes of an entry below the venue's or the client's minimum."""

    CARRY = "carry"
    """Kept in the target until there is enough."""
    SKIP = "skip"
    FORCE = "force"
    """The smallest order that the venue takes."""


class StopsMode(StrEnum):
    NONE = "none"
    AS_LEADER = "as_leader"
    OWN = "own"


class Execution(StrEnum):
    MARKET = "market"
    IOC_LIMIT = "ioc_limit"
    """At the slippage cap; what does not fill at once is given up."""
    LIMIT_FOLLOW = "limit_follow"
    """At a price better than the leader's by `limit_follow_percent`."""
    LIMIT_THEN_MARKET = "limit_then_market"
    """At the leader's price; after `limit_timeout_seconds` the rest is entered at once, within the
    slippage cap."""
    SLICED = "sliced"
    """In `slice_count` parts, `slice_interval_seconds` apart, each at once within the slippage
    cap."""


class ExistingPositions(StrEnum):
    """What becomes, at the start of a copy, of what the leader already holds."""

    IGNORE = "ignore"
    NO_WORSE = "no_worse"
    """Opened where the price is no worse than the leader's entry."""
    ALL = "all"


class OnStop(StrEnum):
    """What becomes of open positions when the copy is stopped."""

    CLOSE = "close"
    KEEP_EXITS = "keep_exits"
    """They stay, and the leader's exits are still followed."""
    LEAVE = "leave"


class TradeDirection(StrEnum):
    AS_LEADER = "as_leader"
    REVERSED = "reversed"
    LONG_ONLY = "long_only"
    SHORT_ONLY = "short_only"


class LeaderEvent(StrEnum):
    """What a change by the leader other than a trade does."""

    IGNORE = "ignore"
    ALERT = "alert"
    FOLLOW = "follow"


class TransferOut(StrEnum):
    """What money that the leader takes out does."""

    IGNORE = "ignore"
    ALERT = "alert"
    PAUSE = "pause"
    """The client is told, and the copy opens nothing until it is resumed."""


@dataclass(frozen=True, slots=True)
class SettingSpec:
    """`low` and `high` are allowed themselves, unless `above_low`; None has no limit.

    A default of None is "not limited" or "not set".
    """

    name: str
    kind: Kind
    merge: Merge
    default: Any
    low: Decimal | None = None
    high: Decimal | None = None
    above_low: bool = False
    choices: tuple[StrEnum, ...] = ()
    per_symbol: bool = True


_META = "setting"
ZERO, ONE, HUNDRED = Decimal(0), Decimal(1), Decimal(100)


def _setting(kind: Kind, default: Any, merge: Merge = Merge.NEAREST, **more: Any) -> Any:
    return field(default=default, metadata={_META: (kind, merge, more)})


def _choice(default: StrEnum, **more: Any) -> Any:
    return _setting(Kind.CHOICE, default, choices=tuple(type(default)), **more)


def _cap(kind: Kind, low: Decimal = ZERO, high: Decimal | None = None, **more: Any) -> Any:
    """Nothing unless stated; the lowest of all levels holds."""
    more = {"above_low": True} | more
    return _setting(kind, None, Merge.MINIMUM, low=low, high=high, **more)


def _floor(kind: Kind, high: Decimal | None = None, **more: Any) -> Any:
    """Nothing unless stated; the highest of all levels holds."""
    return _setting(kind, None, Merge.MAXIMUM, low=ZERO, high=high, **more)


def _flag() -> Any:
    return _setting(Kind.FLAG, False, Merge.ANY)


@dataclass(frozen=True, slots=True)
class CopySettings:
    """The settings in force for one subscription in one symbol.

    Amounts are in the quote currency; margin is notional ÷ leverage.
    """

    # --- size
    sizing_mode: SizingMode = _choice(SizingMode.EQUITY_PROPORTIONAL)
    fixed_amount: Decimal | None = _setting(Kind.AMOUNT, None, low=ZERO, above_low=True)
    """Margin per entry, for the fixed amount."""
    ratio: Decimal = _setting(Kind.NUMBER, ONE, low=ZERO, above_low=True, high=HUNDRED)
    follow_ratio: Decimal = _setting(
        Kind.NUMBER, ONE, low=ZERO, above_low=True, high=HUNDRED, per_symbol=False
    )
    """Of the strategy; multiplies every mode."""
    risk_percent: Decimal | None = _setting(
        Kind.PERCENT, None, low=ZERO, above_low=True, high=HUNDRED
    )
    """Of equity, lost when the stop is hit; for fixed risk."""
    size_discount_percent: Decimal = _setting(Kind.PERCENT, ZERO, low=ZERO, high=Decimal(50))
    """Taken off a size in proportion to equity, for slippage."""
    dynamic_sizing: DynamicSizing = _choice(DynamicSizing.NONE)
    target_volatility_percent: Decimal | None = _setting(
        Kind.PERCENT, None, low=ZERO, above_low=True, high=HUNDRED
    )
    drawdown_zero_percent: Decimal | None = _setting(
        Kind.PERCENT, None, low=ZERO, above_low=True, high=HUNDRED
    )
    # --- caps on size
    per_order_cap: Decimal | None = _cap(Kind.AMOUNT)
    """Margin of one order; what is above is clipped."""
    total_cap: Decimal | None = _cap(Kind.AMOUNT, per_symbol=False)
    """Margin invested at a time by the copy; an entry beyond it is skipped."""
    symbol_exposure_cap: Decimal | None = _cap(Kind.AMOUNT)
    """Notional of the account in one symbol."""
    account_exposure_cap: Decimal | None = _cap(Kind.AMOUNT, per_symbol=False)
    """Notional of the account over all symbols."""
    min_order_amount: Decimal | None = _floor(Kind.AMOUNT)
    """Notional of one entry; below it `below_minimum` decides."""
    below_minimum: OnMinimum = _choice(OnMinimum.CARRY)
    # --- margin and leverage
    margin_mode: MarginModeSetting = _choice(MarginModeSetting.AS_ACCOUNT)
    leverage_mode: LeverageMode = _choice(LeverageMode.AS_LEADER)
    leverage: Decimal | None = _setting(Kind.NUMBER, None, low=ONE, high=Decimal(125))
    """For the fixed leverage."""
    max_leverage: Decimal | None = _cap(Kind.NUMBER, low=ONE, high=Decimal(125), above_low=False)
    free_margin_reserve_percent: Decimal | None = _floor(Kind.PERCENT, HUNDRED, per_symbol=False)
    """Of equity, that entries leave free."""
    # --- what is copied
    allowed_symbols: frozenset[str] | None = _setting(
        Kind.SYMBOLS, None, Merge.INTERSECTION, per_symbol=False
    )
    denied_symbols: frozenset[str] = _setting(
        Kind.SYMBOLS, frozenset(), Merge.UNION, per_symbol=False
    )
    symbol_map: Mapping[str, str] | None = _setting(Kind.SYMBOL_MAP, None, per_symbol=False)
    """The leader's symbol to the one that is traded instead, one step. The nearest level's map
    counts as a whole; a symbol that maps to itself is copied as it is."""
    direction: TradeDirection = _choice(TradeDirection.AS_LEADER)
    close_only: bool = _flag()
    monitor_only: bool = _flag()
    """Everything but the order: what would have been done."""
    trading_hours: tuple[str, ...] | None = _setting(Kind.HOURS, None, Merge.INTERSECTION)
    # --- stops of a position
    stops_mode: StopsMode = _choice(StopsMode.AS_LEADER)
    take_profit_percent: Decimal | None = _setting(
        Kind.PERCENT, None, low=ZERO, above_low=True, high=Decimal(150)
    )
    stop_loss_percent: Decimal | None = _setting(
        Kind.PERCENT, None, low=ZERO, above_low=True, high=Decimal(75)
    )
    take_profit_targets: tuple[tuple[Decimal, Decimal], ...] = _setting(Kind.TARGETS, ())
    trailing_percent: Decimal | None = _setting(
        Kind.PERCENT, None, low=Decimal("0.1"), high=Decimal(75)
    )
    break_even_after_target: bool = _setting(Kind.FLAG, False)
    # --- execution
    execution: Execution = _choice(Execution.MARKET)
    max_entry_slippage_percent: Decimal | None = _cap(Kind.PERCENT, high=HUNDRED)
    """Against the leader's price; unset, 0.5 for BTC and ETH and 1.5 for others."""
    limit_follow_percent: Decimal | None = _setting(
        Kind.PERCENT, None, low=ZERO, above_low=True, high=Decimal(10)
    )
    """For the limit order at a better price: of the leader's."""
    max_working_orders: int | None = _cap(Kind.COUNT, low=ONE, above_low=False, per_symbol=False)
    """Entries of the copy that rest on the book at a time."""
    limit_timeout_seconds: int | None = _setting(Kind.SECONDS, None, low=ONE, high=Decimal(86_400))
    """How long an entry of the copy's own style rests; unset, a day."""
    slice_count: int | None = _setting(Kind.COUNT, None, low=Decimal(2), high=Decimal(20))
    """Fewer where one of them would be below the venue's minimum."""
    slice_interval_seconds: int | None = _setting(Kind.SECONDS, None, low=ONE, high=Decimal(3_600))
    sliced_above: Decimal | None = _setting(Kind.AMOUNT, None, low=ZERO)
    """Notional; a smaller entry is sent at once."""
    signal_lifetime_seconds: int | None = _cap(Kind.SECONDS, low=ONE, above_low=False)
    # --- guards
    max_open_positions: int | None = _cap(Kind.COUNT, low=ONE, above_low=False, per_symbol=False)
    max_orders_per_minute: int | None = _cap(Kind.COUNT, low=ONE, above_low=False, per_symbol=False)
    max_spread_percent: Decimal | None = _cap(Kind.PERCENT, high=HUNDRED)
    max_depth_percent: Decimal | None = _cap(Kind.PERCENT, high=HUNDRED)
    """Of the order book within the slippage cap, that all followers together may take."""
    min_liquidation_distance_percent: Decimal | None = _floor(Kind.PERCENT, HUNDRED)
    """Of the price, between entry and liquidation."""
    funding_guard_minutes: int | None = _floor(Kind.MINUTES, Decimal(480))
    """Before a funding time that the follower would pay."""
    # --- loss limits
    daily_loss_limit: Decimal | None = _cap(Kind.AMOUNT, per_symbol=False)
    daily_loss_limit_percent: Decimal | None = _cap(Kind.PERCENT, high=HUNDRED, per_symbol=False)
    drawdown_limit_percent: Decimal | None = _cap(Kind.PERCENT, high=HUNDRED, per_symbol=False)
    """From the peak of equity; no entries below."""
    cooldown_after_stops: int | None = _cap(Kind.COUNT, low=ONE, above_low=False, per_symbol=False)
    cooldown_minutes: int | None = _floor(Kind.MINUTES, Decimal(10_080), per_symbol=False)
    copy_loss_limit: Decimal | None = _cap(Kind.AMOUNT, per_symbol=False)
    """Net loss of the copy at which all is closed and the copy ends."""
    copy_equity_fall_percent: Decimal | None = _cap(Kind.PERCENT, high=HUNDRED, per_symbol=False)
    """Fall of equity since the start of the copy, with the same end."""
    # --- start, end and the leader's other acts
    existing_positions: ExistingPositions = _choice(ExistingPositions.IGNORE, per_symbol=False)
    on_stop: OnStop = _choice(OnStop.LEAVE, per_symbol=False)
    on_margin_topup: LeaderEvent = _choice(LeaderEvent.ALERT)
    on_leverage_change: LeaderEvent = _choice(LeaderEvent.ALERT)
    on_stops_change: LeaderEvent = _choice(LeaderEvent.FOLLOW)
    on_transfer_out: TransferOut = _choice(TransferOut.ALERT, per_symbol=False)


def _specs() -> dict[str, SettingSpec]:
    found = {}
    for each in fields(CopySettings):
        kind, merge, more = each.metadata[_META]
        found[each.name] = SettingSpec(each.name, kind, merge, each.default, **more)
    return found


SPECS: Mapping[str, SettingSpec] = _specs()
DEFAULTS = CopySettings()
"""Where no level states anything."""

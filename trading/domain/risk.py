"""Basic risk rules before an order. Pure; each returns a verdict and never raises.

Rules judge entries. Exits pass all of them except HALTED and a closed account: an exit is never
blocked by an entry rule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from trading.domain.reasons import Reason, ReasonCode
from venues.domain.types import Instrument, InstrumentKind

# Taker fee both ways, slippage and OKX's 5 % freeze of market orders are inside this share.
MARGIN_RESERVE = Decimal("1.06")


class ControlMode(StrEnum):
    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"


@dataclass(frozen=True, slots=True)
class Allow:
    pass


@dataclass(frozen=True, slots=True)
class Reduce:
    """Go on with this smaller quantity (native unit, unsigned)."""

    quantity: Decimal
    reason: Reason


@dataclass(frozen=True, slots=True)
class Deny:
    reason: Reason


Verdict = Allow | Reduce | Deny
ALLOW = Allow()


@dataclass(frozen=True, slots=True)
class Controls:
    """The kill switches that apply to one follower, and the breaker that stops its entries."""

    platform: ControlMode = ControlMode.ACTIVE
    tenant: ControlMode = ControlMode.ACTIVE
    strategy: ControlMode = ControlMode.ACTIVE
    customer: ControlMode = ControlMode.ACTIVE
    is_stale: bool = False
    breaker: Reason | None = None


@dataclass(frozen=True, slots=True)
class EntryFacts:
    """What the rules compare for one entry. Money in quote currency, sizes in native units."""

    now: datetime
    expires_at: datetime
    symbol: str
    allowed_symbols: tuple[str, ...]
    strategy_active: bool
    subscription_active: bool
    account_active: bool
    account_checked: bool
    account_healthy: bool
    customer_active: bool
    instrument: Instrument
    quantity: Decimal
    price: Decimal
    leverage: Decimal
    available: Decimal | None
    currency: str
    is_limit: bool = False
    venue: str = ""


def control_denial(controls: Controls, *, is_entry: bool) -> Reason | None:
    """HALTED stops everything; REDUCING, an open breaker and a stale copy of them stop entries."""
    levels = (
        (controls.platform, ReasonCode.PLATFORM_HALTED),
        (controls.tenant, ReasonCode.TENANT_HALTED),
        (controls.strategy, ReasonCode.STRATEGY_HALTED),
        (controls.customer, ReasonCode.CUSTOMER_HALTED),
    )
    for mode, code in levels:
        if mode is ControlMode.HALTED:
            return Reason(code)
    if not is_entry:
        return None
    for mode, code in levels:
        if mode is ControlMode.REDUCING:
            return Reason(ReasonCode.ENTRIES_STOPPED, {"level": code.value.removesuffix("_halted")})
    if controls.is_stale:
        return Reason(ReasonCode.CONTROL_STALE)
    return controls.breaker


def _expiry(facts: EntryFacts) -> Verdict:
    if facts.now > facts.expires_at:
        age = (facts.now - facts.expires_at).total_seconds()
        return Deny(Reason(ReasonCode.SIGNAL_EXPIRED, {"late_seconds": f"{age:.1f}"}))
    return ALLOW


def _participants(facts: EntryFacts) -> Verdict:
    checks = (
        (facts.strategy_active, ReasonCode.STRATEGY_NOT_ACTIVE),
        (facts.customer_active, ReasonCode.CUSTOMER_NOT_ACTIVE),
        (facts.subscription_active, ReasonCode.SUBSCRIPTION_PAUSED),
        (facts.account_active, ReasonCode.ACCOUNT_NOT_ACTIVE),
        (facts.account_checked, ReasonCode.ACCOUNT_UNCHECKED),
        (facts.account_healthy, ReasonCode.ACCOUNT_UNHEALTHY),
    )
    for passed, code in checks:
        if not passed:
            return Deny(Reason(code))
    return ALLOW


def _symbol_allowed(facts: EntryFacts) -> Verdict:
    if facts.allowed_symbols and facts.symbol not in facts.allowed_symbols:
        return Deny(Reason(ReasonCode.SYMBOL_NOT_ALLOWED, {"symbol": facts.symbol}))
    return ALLOW


def _maximum_size(facts: EntryFacts) -> Verdict:
    instrument = facts.instrument
    limit = instrument.max_limit_size if facts.is_limit else instrument.max_market_size
    if limit is not None and facts.quantity > limit:
        reason = Reason(
            ReasonCode.ABOVE_MAXIMUM_SIZE,
            {"size": format(facts.quantity, "f"), "maximum": format(limit, "f")},
        )
        return Reduce(limit, reason)
    return ALLOW


def _balance(facts: EntryFacts) -> Verdict:
    if facts.available is None:
        return Deny(Reason(ReasonCode.BALANCE_UNKNOWN))
    notional = facts.instrument.notional(facts.quantity, facts.price)
    leverage = Decimal(1) if facts.instrument.kind is InstrumentKind.SPOT else facts.leverage
    needed = notional / leverage * MARGIN_RESERVE
    if needed > facts.available:
        params = {
            "needed": f"{needed:.2f}",
            "available": f"{facts.available:.2f}",
            "currency": facts.currency,
        }
        return Deny(Reason(ReasonCode.INSUFFICIENT_BALANCE, params))
    return ALLOW


RULES: tuple[Callable[[EntryFacts], Verdict], ...] = (
    _expiry,
    _participants,
    _symbol_allowed,
    _maximum_size,
    _balance,
)


def judge_entry(facts: EntryFacts, controls: Controls) -> Verdict:
    """All rules in order: the first denial wins, reductions add up."""
    denial = control_denial(controls, is_entry=True)
    if denial is not None:
        return Deny(denial)
    result: Verdict = ALLOW
    current = facts
    for rule in RULES:
        verdict = rule(current)
        if isinstance(verdict, Deny):
            return verdict
        if isinstance(verdict, Reduce):
            current = _with_quantity(current, verdict.quantity)
            result = verdict
    return result


def _with_quantity(facts: EntryFacts, quantity: Decimal) -> EntryFacts:
    return replace(facts, quantity=quantity)

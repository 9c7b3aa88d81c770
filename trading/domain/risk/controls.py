"""The kill switches and the breaker: asked before all rules, and again when an order leaves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from trading.domain.reasons import Reason, ReasonCode


class ControlMode(StrEnum):
    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"


@dataclass(frozen=True, slots=True)
class Controls:
    """The kill switches that apply to one follower, and the breaker that stops its entries."""

    platform: ControlMode = ControlMode.ACTIVE
    tenant: ControlMode = ControlMode.ACTIVE
    strategy: ControlMode = ControlMode.ACTIVE
    customer: ControlMode = ControlMode.ACTIVE
    is_stale: bool = False
    breaker: Reason | None = None


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

"""The figures of many accounts together. Pure; in dollars, percent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

ZERO = Decimal(0)
HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class Part:
    """What one account adds: to a customer, firm or the platform all of it, to a strategy what its
    copies hold (gross, net, unrealised) of an account that may follow others as well."""

    equity: Decimal | None
    gross: Decimal
    net: Decimal
    unrealised: Decimal
    maintenance: Decimal
    distance_percent: Decimal | None
    daily_pnl: Decimal | None
    peak: Decimal | None


@dataclass(slots=True)
class Total:
    """`unknown`: accounts whose value is not known; they are left out of the values."""

    accounts: int = 0
    unknown: int = 0
    equity: Decimal = ZERO
    gross: Decimal = ZERO
    net: Decimal = ZERO
    unrealised: Decimal = ZERO
    maintenance: Decimal = ZERO
    margined_equity: Decimal = ZERO
    """Of the accounts with something that could be liquidated."""
    daily_pnl: Decimal = ZERO
    peak: Decimal = ZERO
    nearest_percent: Decimal | None = None

    def add(self, part: Part) -> None:
        self.accounts += 1
        self.gross += part.gross
        self.net += part.net
        self.unrealised += part.unrealised
        if part.distance_percent is not None and (
            self.nearest_percent is None or part.distance_percent < self.nearest_percent
        ):
            self.nearest_percent = part.distance_percent
        if part.equity is None:
            self.unknown += 1
            return
        self.equity += part.equity
        self.peak += part.equity if part.peak is None else part.peak
        self.daily_pnl += part.daily_pnl or ZERO
        if part.maintenance:
            self.maintenance += part.maintenance
            self.margined_equity += part.equity

    @property
    def margin_ratio_percent(self) -> Decimal | None:
        """Nobody's equity carries another account: the nearest liquidation says more."""
        if not self.maintenance:
            return None
        return self.margined_equity / self.maintenance * HUNDRED

    @property
    def drawdown_percent(self) -> Decimal | None:
        """From each account's own peak, which they need not have had at once."""
        return None if self.peak <= 0 else (self.peak - self.equity) / self.peak * HUNDRED


def total_of(parts: Iterable[Part]) -> Total:
    total = Total()
    for part in parts:
        total.add(part)
    return total

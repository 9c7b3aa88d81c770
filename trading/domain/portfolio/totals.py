"""The figures of many accounts together. Pure; in dollars, percent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

ZERO = Decimal(0)
HUNDRED = Decimal(100)
CENT = Decimal("0.01")
"""The least that equity is taken for, as of a single account."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one account adds: to a customer, firm or the platform all of it, to a strategy what its
    copies hold (gross, net, unrealised, margin used) of an account that may follow others as well.
    """

    equity: Decimal | None
    gross: Decimal
    net: Decimal
    unrealised: Decimal
    maintenance: Decimal
    distance_percent: Decimal | None
    daily_pnl: Decimal | None
    peak: Decimal | None
    margin_used: Decimal = ZERO
    is_complete: bool = True
    """Each price and balance that it takes was known."""
    is_stale: bool = False
    """It was not read lately, or has a price that was not told lately."""


@dataclass(slots=True)
class Total:
    """`unknown`: accounts whose value is not known; they are left out of the values."""

    accounts: int = 0
    unknown: int = 0
    incomplete: int = 0
    """Accounts of which a part is not known, those of unknown value included."""
    stale: int = 0
    """Accounts that count as they were read last, a while ago."""
    equity: Decimal = ZERO
    gross: Decimal = ZERO
    net: Decimal = ZERO
    unrealised: Decimal = ZERO
    maintenance: Decimal = ZERO
    margin_used: Decimal = ZERO
    margined_equity: Decimal = ZERO
    """Of the accounts with something that could be liquidated."""
    valued_gross: Decimal = ZERO
    valued_margin_used: Decimal = ZERO
    """Of the accounts whose value is known: what is set against that."""
    daily_pnl: Decimal = ZERO
    peak: Decimal = ZERO
    nearest_percent: Decimal | None = None

    def add(self, part: Part) -> None:
        self.accounts += 1
        self.incomplete += part.equity is None or not part.is_complete
        self.stale += part.is_stale
        self.gross += part.gross
        self.net += part.net
        self.unrealised += part.unrealised
        self.margin_used += part.margin_used
        if part.distance_percent is not None and (
            self.nearest_percent is None or part.distance_percent < self.nearest_percent
        ):
            self.nearest_percent = part.distance_percent
        if part.equity is None:
            self.unknown += 1
            return
        self.equity += part.equity
        self.valued_gross += part.gross
        self.valued_margin_used += part.margin_used
        self.peak += part.equity if part.peak is None else part.peak
        self.daily_pnl += part.daily_pnl or ZERO
        if part.maintenance:
            self.maintenance += part.maintenance
            self.margined_equity += part.equity

    @property
    def is_complete(self) -> bool:
        """Nothing in it is old, and nothing is missing."""
        return not (self.incomplete or self.stale)

    @property
    def distance_percent(self) -> Decimal | None:
        return self.nearest_percent

    @property
    def leverage(self) -> Decimal:
        """Gross exposure as a multiple of equity."""
        return self.valued_gross / max(self.equity, CENT)

    @property
    def margin_used_percent(self) -> Decimal:
        """Of equity."""
        return self.valued_margin_used / max(self.equity, CENT) * HUNDRED

    @property
    def margin_ratio_percent(self) -> Decimal | None:
        """Nobody's equity carries another account: the nearest liquidation says more."""
        if not self.maintenance:
            return None
        return self.margined_equity / self.maintenance * HUNDRED

    @property
    def daily_pnl_percent(self) -> Decimal | None:
        """Of what the accounts were worth together when the day began."""
        start = self.equity - self.daily_pnl
        return None if start <= 0 else self.daily_pnl / start * HUNDRED

    @property
    def drawdown_percent(self) -> Decimal | None:
        """From each account's own peak, which they need not have had at once."""
        return None if self.peak <= 0 else (self.peak - self.equity) / self.peak * HUNDRED


def total_of(parts: Iterable[Part]) -> Total:
    total = Total()
    for part in parts:
        total.add(part)
    return total

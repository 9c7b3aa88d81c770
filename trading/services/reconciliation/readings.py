"""What a venue said of one account, for its books."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

from customers.models import ExchangeAccount
from trading.domain.reconciliation import Attribution
from venues.domain.types import (
    BalanceSnapshot,
    BillSnapshot,
    FillSnapshot,
    LeverageSnapshot,
    OrderSnapshot,
    PositionSide,
    PositionSnapshot,
    Readings,
    StopSnapshot,
    WalletMove,
)

T = TypeVar("T")

DERIVATIVE = ":"
"""In the unified symbols of what has positions. Spot is held in balances, with the client's own
coins, and has no books."""


@dataclass(frozen=True, slots=True)
class AccountReading:
    """Complete answers only: what could not be read in part says nothing about what is missing.

    `asked_at`: before the first question, by our clock; `asked_at_venue`: the same by the venue's.
    """

    account: ExchangeAccount
    asked_at: datetime
    asked_at_venue: datetime
    positions: Readings[PositionSnapshot] = field(default_factory=Readings)
    open_orders: Readings[OrderSnapshot] = field(default_factory=Readings)
    fills: Readings[FillSnapshot] = field(default_factory=Readings)
    balances: Readings[BalanceSnapshot] = field(default_factory=Readings)
    """Asked for before all else."""
    balances_asked_at: datetime | None = None
    bills: Readings[BillSnapshot] | None = None
    stops: Readings[StopSnapshot] | None = None
    wallet_moves: Readings[WalletMove] | None = None
    leverages: Readings[LeverageSnapshot] | None = None
    """None, of bills and all after them: not asked for, or they could not be had, which holds up
    nothing else."""

    @property
    def is_complete(self) -> bool:
        parts = (self.positions, self.open_orders, self.fills)
        return self.fills_are_all and not any(part.unreadable for part in parts)

    @property
    def fills_are_all(self) -> bool:
        """Else there were too many for one reading, and positions tell of those that follow."""
        return self.fills.until_ms is None

    def read_until(self, rows: Readings[T]) -> datetime:
        """By the venue's clock; `rows` are fills or bills."""
        if rows.until_ms is None:
            return self.asked_at_venue
        return datetime.fromtimestamp(rows.until_ms / 1000, tz=UTC)

    def held(self) -> dict[tuple[str, PositionSide], PositionSnapshot]:
        """By symbol and side; what is held of it in two margin modes is one."""
        found: dict[tuple[str, PositionSide], PositionSnapshot] = {}
        for row in self.positions:
            if DERIVATIVE not in row.symbol or not row.quantity:
                continue
            key = (row.symbol, row.position_side)
            other = found.get(key)
            if other is not None:
                row = replace(row, quantity=row.quantity + other.quantity, average_price=None)
            found[key] = row
        return {key: row for key, row in found.items() if row.quantity}

    def cash(self) -> dict[str, Decimal]:
        """By currency, of those that are listed."""
        return {row.currency: row.cash for row in self.balances if row.cash is not None}

    def shown_filled(self) -> dict[str, Decimal]:
        """What the venue shows as filled of its open orders, by client order id."""
        return {row.client_order_id: row.filled_quantity for row in self.open_orders}


def attribution_of(fill: FillSnapshot) -> Attribution:
    """Of a fill that is of no order of ours."""
    return {"liquidation": Attribution.LIQUIDATION, "adl": Attribution.ADL}.get(
        fill.cause, Attribution.MANUAL
    )

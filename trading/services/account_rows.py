"""Rows of balances and positions as a venue tells them, whoever asked or listened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from customers.bulk_rows import rows_upsert
from trading.models import Balance, Position
from venues.domain.types import BalanceSnapshot, PositionSnapshot


def balance_rows_store(
    tenant_id: str, told: Mapping[str, Sequence[BalanceSnapshot]], now: datetime
) -> None:
    """Insert or update by account and currency; others stay as they are."""
    rows = [
        Balance(
            tenant_id=tenant_id,
            account_id=account_id,
            currency=item.currency,
            equity=item.equity,
            available=item.available,
            equity_usd=item.equity_usd,
            updated_at=now,
        )
        for account_id, balances in told.items()
        for item in balances
    ]
    rows_upsert(
        Balance, rows, ["account", "currency"], ["equity", "available", "equity_usd", "updated_at"]
    )


def position_rows_store(
    tenant_id: str, told: Mapping[str, Sequence[PositionSnapshot]], now: datetime
) -> None:
    """Insert or update by account, symbol and side; others stay as they are."""
    rows = [
        Position(
            tenant_id=tenant_id,
            account_id=account_id,
            symbol=item.symbol,
            position_side=item.position_side,
            quantity=item.quantity,
            average_price=item.average_price,
            mark_price=item.mark_price,
            unrealised_pnl=item.unrealised_pnl,
            leverage=item.leverage,
            margin_mode=item.margin_mode,
            liquidation_price=item.liquidation_price,
            maintenance_margin=item.maintenance,
            updated_at=now,
        )
        for account_id, positions in told.items()
        for item in positions
    ]
    rows_upsert(
        Position,
        rows,
        ["account", "symbol", "position_side"],
        [
            "quantity",
            "average_price",
            "mark_price",
            "unrealised_pnl",
            "leverage",
            "margin_mode",
            "liquidation_price",
            "maintenance_margin",
            "updated_at",
        ],
    )

"""Fills and positions of a leader, as tests write them down."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from venues.domain.types import FillSnapshot, PositionSnapshot

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"


def fill(
    trade_id: int | str, signed: str | int | Decimal, *, at: int = 0, **changes: Any
) -> FillSnapshot:
    """A buy for a positive quantity, a sale for a negative one; `at` in ms."""
    quantity = Decimal(signed)
    values: dict[str, Any] = {
        "trade_id": str(trade_id),
        "venue_order_id": "order-1",
        "client_order_id": "",
        "symbol": BTC,
        "side": "buy" if quantity > 0 else "sell",
        "quantity": abs(quantity),
        "price": Decimal(50_000),
        "fee": Decimal(0),
        "fee_currency": "USDT",
        "is_maker": False,
        "filled_at_ms": at,
        **changes,
    }
    return FillSnapshot(**values)


def position(signed: str | int, *, side: str = "net", **changes: Any) -> PositionSnapshot:
    values: dict[str, Any] = {
        "symbol": BTC,
        "position_side": side,
        "quantity": Decimal(signed),
        "average_price": Decimal(50_000),
        "mark_price": Decimal(50_000),
        "unrealised_pnl": Decimal(0),
        "leverage": Decimal(5),
        "margin_mode": "cross",
        "liquidation_price": None,
        **changes,
    }
    return PositionSnapshot(**values)

"""Canonical documents that tests begin from."""

from datetime import UTC, datetime

NOW = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)
OPEN = {
    "action": "open",
    "symbol": "BTC/USDT:USDT",
    "side": "long",
    "size": "0.1",
    "size_basis": "base",
    "emitted_at": "2030-01-31T12:00:00Z",
}
REDUCE = {**OPEN, "action": "reduce", "size": "0.25", "size_basis": "position_fraction"}
CLOSE = {"action": "close", "symbol": "BTC/USDT:USDT", "emitted_at": "2030-01-31T12:00:00Z"}
TARGET = {**OPEN, "action": "set_target"}
LIMIT = {**OPEN, "order_type": "limit", "price": "100"}

"""What one call holds in memory: the updates, the locked rows, and what they produce."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from trading.domain.order_states import OrderTrigger
from trading.domain.reasons import Reason
from trading.models import CopiedPosition, Order, Trade
from venues.domain.types import FillSnapshot, Instrument, OrderSnapshot


@dataclass(frozen=True, slots=True)
class OrderUpdate:
    """What was learnt about one order.

    Either `trigger` (our own protocol step) or `snapshot` with `fills` (what the venue shows).
    `check_at` None stops looking; `keep_check` leaves the schedule alone.
    """

    order_id: str
    trigger: OrderTrigger | None = None
    venue_order_id: str = ""
    reason: Reason | None = None
    snapshot: OrderSnapshot | None = None
    fills: Sequence[FillSnapshot] = ()
    check_at: datetime | None = None
    misses: int | None = None
    watch_until: datetime | None = None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass
class Work:
    """Rows of one call, in memory, and what they produced."""

    now: datetime
    instruments: dict[str, dict[str, Instrument]]
    orders: dict[str, Order]
    positions: dict[tuple[str, str], CopiedPosition]
    known_trades: set[tuple[str, str, str]]
    changed_orders: set[str] = field(default_factory=set)
    first_answers: set[str] = field(default_factory=set)
    """Orders of which nothing was heard before, an acceptance apart."""
    changed_positions: set[tuple[str, str]] = field(default_factory=set)
    events: list[dict[str, Any]] = field(default_factory=list)
    fills: list[dict[str, Any]] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    finished: list[Order] = field(default_factory=list)
    filled_accounts: set[str] = field(default_factory=set)

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

TradeKey = tuple[str, str, str]
"""Account, symbol, and the venue's trade id."""
HoldingKey = tuple[str, str]
"""Account and symbol: what the venue holds as one, and the account's copies share."""


class SiblingsNeeded(Exception):  # noqa: N818  (no error: the work begins again with more rows)
    """An exit closed more than its copy held, so the account's other copies are to be locked."""

    def __init__(self, key: HoldingKey) -> None:
        super().__init__(key)
        self.key = key


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
    unreadable: str = ""
    """The field for which what the venue says of the order, or of its fills, cannot be read."""


@dataclass
class Work:
    """Rows of one call, in memory, and what they produced."""

    now: datetime
    instruments: dict[str, dict[str, Instrument]]
    orders: dict[str, Order]
    positions: dict[tuple[str, str], CopiedPosition]
    known_trades: set[TradeKey]
    strays: dict[TradeKey, str] = field(default_factory=dict)
    """Fills that were stored without an order and not booked as anybody's yet."""
    changed_orders: set[str] = field(default_factory=set)
    first_answers: set[str] = field(default_factory=set)
    """Orders of which nothing was heard before, an acceptance apart."""
    changed_positions: set[tuple[str, str]] = field(default_factory=set)
    moved_positions: set[tuple[str, str]] = field(default_factory=set)
    """Those that hold something else now."""
    entered_by: dict[str, str] = field(default_factory=dict)
    """By position: the intent of an entry that filled and wants stops."""
    events: list[dict[str, Any]] = field(default_factory=list)
    fills: list[dict[str, Any]] = field(default_factory=list)
    siblings: dict[HoldingKey, list[CopiedPosition]] = field(default_factory=dict)
    """The copies of accounts where an exit of one has closed another's."""
    found_strays: list[str] = field(default_factory=list)
    """Stored without an order, and now written as one's."""
    trades: list[Trade] = field(default_factory=list)
    finished: list[Order] = field(default_factory=list)
    following: dict[str, Order] = field(default_factory=dict)
    """By the entry that has ended: the order in which it goes on."""
    filled_accounts: set[str] = field(default_factory=set)

    def siblings_of(self, order: Order) -> list[CopiedPosition]:
        """The account's other copies in the order's symbol. Raises SiblingsNeeded."""
        key = (order.account_id, order.symbol)
        if key not in self.siblings:
            raise SiblingsNeeded(key)
        return [row for row in self.siblings[key] if row.subscription_id != order.subscription_id]

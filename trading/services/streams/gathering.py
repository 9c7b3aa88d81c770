"""What a batch of pushes amounts to, account by account. Nothing here asks the database."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from venues.domain.types import (
    BalanceSnapshot,
    FillSnapshot,
    OrderSnapshot,
    PositionSnapshot,
    VenueOrderState,
)
from venues.streams.events import (
    BalancesChanged,
    Connected,
    OrderChanged,
    PositionsChanged,
    StreamEvent,
)
from venues.streams.registry import Delivery

REPEAT_SECONDS = 15.0
"""What only its mark price moves is written so often at most: venues push it every few seconds."""

_ENDED = frozenset({VenueOrderState.FILLED, VenueOrderState.CANCELLED})
PositionKey = tuple[str, str]
"""Symbol and side."""


@dataclass(slots=True)
class ToldOrder:
    """One order: its latest state, and all executions that were told."""

    snapshot: OrderSnapshot
    fills: list[FillSnapshot] = field(default_factory=list)

    def take(self, event: OrderChanged) -> None:
        # The first terminal state wins; pushes may be repeated.
        stays = self.snapshot.state in _ENDED and event.order.state not in _ENDED
        fewer = event.order.filled_quantity < self.snapshot.filled_quantity
        if not stays and not fewer:
            self.snapshot = event.order
        if event.fill is not None:
            self.fills.append(event.fill)


@dataclass(slots=True)
class ToldAccount:
    """What to write of one account; None and empty: nothing."""

    account_id: str
    venue: str
    orders: dict[str, ToldOrder] = field(default_factory=dict)
    """By the venue's id."""
    positions: dict[PositionKey, PositionSnapshot] = field(default_factory=dict)
    """Quantity 0: closed."""
    all_positions: bool = False
    """What is not among them is closed, too."""
    balances: dict[str, BalanceSnapshot] = field(default_factory=dict)
    all_balances: bool = False
    is_news: bool = False
    """More than prices moved."""


Material = tuple[Decimal, Decimal | None, Decimal | None, str, Decimal | None]


def _material(position: PositionSnapshot) -> Material:
    """What of a position changes by more than the market's moving."""
    return (
        position.quantity,
        position.average_price,
        position.leverage,
        position.margin_mode,
        position.margin,
    )


@dataclass(slots=True)
class _Known:
    """What was written of an account last."""

    positions: dict[PositionKey, Material] = field(default_factory=dict)
    currencies: frozenset[str] = frozenset()
    written_at_s: float = float("-inf")
    """By the monotonic clock, in seconds."""


class Gatherer:
    """Remembers what it passed on, so that repetitions cost no write. One thread at a time."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def gather(self, deliveries: Iterable[Delivery]) -> list[ToldAccount]:
        """By account id, as rows are locked; accounts without anything to write left out."""
        told = (self._account(delivery) for delivery in deliveries)
        found = [account for account in told if _has_something(account)]
        return sorted(found, key=lambda account: account.account_id)

    def forget(self, account_ids: Iterable[str]) -> None:
        """Nothing is known of what the database holds of these."""
        for account_id in account_ids:
            self._known.pop(account_id, None)

    def _account(self, delivery: Delivery) -> ToldAccount:
        account = ToldAccount(delivery.subject.id, delivery.subject.venue)
        _fold(account, delivery.events)
        if any(isinstance(event, Connected) for event in delivery.events):
            self.forget([account.account_id])
        self._leave_out_repetitions(account)
        return account

    def _leave_out_repetitions(self, account: ToldAccount) -> None:
        known = self._known.get(account.account_id)
        if known is None:
            known = self._known[account.account_id] = _Known()
        told = {key: _material(position) for key, position in account.positions.items()}
        moved = any(known.positions.get(key) != value for key, value in told.items())
        account.is_news = moved or bool(account.orders)
        now = time.monotonic()
        due = now - known.written_at_s > REPEAT_SECONDS
        new_currency = not known.currencies.issuperset(account.balances)
        if not (account.is_news or due or new_currency):
            account.positions, account.all_positions = {}, False
            account.balances, account.all_balances = {}, False
            return
        if not (account.positions or account.balances):
            return
        if account.all_positions:
            known.positions = {}
        known.positions.update(told)
        known.currencies |= account.balances.keys()
        known.written_at_s = now


def _fold(account: ToldAccount, events: Sequence[StreamEvent]) -> None:
    for event in events:
        if isinstance(event, OrderChanged):
            told = account.orders.get(event.order.venue_order_id)
            if told is None:
                told = account.orders[event.order.venue_order_id] = ToldOrder(event.order)
            told.take(event)
        elif isinstance(event, PositionsChanged):
            if event.is_complete:
                account.positions, account.all_positions = {}, True
            for position in event.positions:
                account.positions[position.symbol, position.position_side] = position
        elif isinstance(event, BalancesChanged):
            if event.is_complete:
                account.balances, account.all_balances = {}, True
            for balance in event.balances:
                account.balances[balance.currency] = balance


def _has_something(account: ToldAccount) -> bool:
    return bool(
        account.orders
        or account.positions
        or account.balances
        or account.all_positions
        or account.all_balances
    )

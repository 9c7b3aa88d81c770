"""The books of one account in memory: its copies, what no copy accounts for, what is under way."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Q

from customers.bulk_rows import rows_update, rows_upsert
from customers.fields import rounded
from customers.models import ExchangeAccount
from trading.domain.order_states import LIVE_STATES, OrderState
from trading.domain.positions import apply_fill
from trading.domain.reconciliation import (
    SideBook,
    Unattributed,
    copies_of_side,
    fee_share,
    netted,
    target_after_share,
)
from trading.models import CopiedPosition, Order, Trade, UnattributedPosition
from trading.services.order_updates.holdings import holding_of, trade_of, write_holding
from trading.services.order_updates.writing import COPIED_FIELDS
from trading.services.reconciliation.readings import DERIVATIVE, AccountReading
from trading.services.stops.marking import stops_mark
from venues.domain.types import Instrument, PositionSide

ZERO = Decimal(0)
_LIVE = [str(state) for state in LIVE_STATES]
_AT_VENUE = frozenset({OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED})
_UNPROVEN = frozenset({OrderState.SENDING, OrderState.UNKNOWN, OrderState.NOT_PLACED})
Key = tuple[str, PositionSide]
"""Symbol and side."""

_UNATTRIBUTED_FIELDS = [
    "quantity", "average_price", "fees", "cause", "suspected", "suspected_at", "changed_at",
]  # fmt: skip


@dataclass
class AccountLedger:
    """Locked rows; `store` writes those that changed."""

    account: ExchangeAccount
    now: datetime
    copies: list[CopiedPosition]
    unattributed: dict[Key, UnattributedPosition]
    orders: list[Order]
    """Live ones, and those that may still turn up."""
    moved_at: dict[Key, datetime] = field(default_factory=dict)
    """When somebody else traded there last, as the fills say."""
    _changed_copies: set[str] = field(default_factory=set)
    _changed_rests: set[Key] = field(default_factory=set)
    _trades: list[Trade] = field(default_factory=list)

    @classmethod
    def locked(
        cls, account: ExchangeAccount, now: datetime, *, symbols: Collection[str] | None = None
    ) -> AccountLedger:
        """In a transaction; copies first, as whoever plans or books fills locks them. Of these
        symbols; None: of all derivatives."""
        mine: dict[str, Any] = {"account_id": account.pk, "symbol__contains": DERIVATIVE}
        if symbols is not None:
            mine = {"account_id": account.pk, "symbol__in": sorted(symbols)}
        tenant_id = account.tenant_id
        copies = (
            CopiedPosition.objects.for_tenant(tenant_id)
            .filter(**mine)
            .order_by("pk")
            .select_for_update()
        )
        rests = (
            UnattributedPosition.objects.for_tenant(tenant_id)
            .filter(**mine)
            .order_by("pk")
            .select_for_update()
        )
        orders = Order.objects.for_tenant(tenant_id).filter(
            Q(state__in=_LIVE) | Q(state=OrderState.NOT_PLACED, watch_until__gt=now), **mine
        )
        found = list(copies)
        keyed = {(row.symbol, _side(row.position_side)): row for row in rests}
        return cls(account, now, found, keyed, list(orders))

    # --- reading it -------------------------------------------------------------------------

    def keys(self, held: Iterable[Key]) -> list[Key]:
        """All symbols and sides that somebody holds something of."""
        found = {*held, *self.unattributed}
        for row in self.copies:
            if row.filled:
                found.add((row.symbol, self.side_of(row.filled)))
        return sorted(found)

    def side_of(self, held: Decimal) -> PositionSide:
        if self.account.position_mode == ExchangeAccount.PositionMode.NET:
            return "net"
        return "long" if held > 0 else "short"

    def book(self, key: Key) -> SideBook:
        symbol, side = key
        held = ((row.pk, row.filled) for row in self.copies if row.symbol == symbol)
        return SideBook(copies_of_side(held, side), self.rest(key))

    def rest(self, key: Key) -> Unattributed:
        row = self.unattributed.get(key)
        if row is None:
            return Unattributed()
        return Unattributed(row.quantity, row.average_price, row.fees)

    def copy(self, pk: str) -> CopiedPosition:
        return next(row for row in self.copies if row.pk == pk)

    def is_working(self, copy: CopiedPosition) -> bool:
        return any(
            (order.subscription_id, order.symbol) == (copy.subscription_id, copy.symbol)
            for order in self.orders
        )

    def is_in_flight(
        self, symbol: str, reading: AccountReading, *, asked_at: datetime | None = None
    ) -> bool:
        """Whether something of ours may be in the position and not in the books, or the other way.

        A working order explains nothing while the venue shows as much filled of it as we have.
        """
        shown = reading.shown_filled()
        for order in self.orders:
            if order.symbol != symbol:
                continue
            if order.state in _UNPROVEN:
                return True
            if order.state in _AT_VENUE and shown.get(order.pk) != order.filled_quantity:
                return True
        moved = [row.changed_at for row in self.copies if row.symbol == symbol]
        moved += [row.changed_at for key, row in self.unattributed.items() if key[0] == symbol]
        return any(at >= (asked_at or reading.asked_at) for at in moved)

    # --- moving it --------------------------------------------------------------------------

    def move_rest(self, key: Key, rest: Unattributed, *, cause: str | None = None) -> None:
        row = self._rest_row(key)
        row.quantity = rest.quantity
        row.average_price = None if rest.average_price is None else rounded(rest.average_price)
        row.fees = rounded(rest.fees)
        if cause is not None:
            row.cause = cause
        row.changed_at = self.now
        self._changed_rests.add(key)

    def suspect(self, key: Key, difference: Decimal | None) -> None:
        """Note a difference that is to be looked at again; None: there is none."""
        row = self.unattributed.get(key)
        if row is None and difference is None:
            return
        row = self._rest_row(key)
        if row.suspected == difference:
            return
        row.suspected = difference
        row.suspected_at = None if difference is None else self.now
        self._changed_rests.add(key)

    def _rest_row(self, key: Key) -> UnattributedPosition:
        if key not in self.unattributed:
            symbol, side = key
            self.unattributed[key] = UnattributedPosition(
                tenant_id=self.account.tenant_id,
                account_id=self.account.pk,
                symbol=symbol,
                position_side=side,
                # Not a move of the position: it explains no difference.
                changed_at=datetime.min.replace(year=1970, tzinfo=self.now.tzinfo),
            )
        return self.unattributed[key]

    def take_from_copies(
        self, key: Key, shares: dict[str, Decimal], instrument: Instrument
    ) -> list[tuple[CopiedPosition, Decimal]]:
        """Net the unattributed part with the copies at its own price; (copy, its loss) each."""
        before = self.rest(key)
        assert before.average_price is not None
        losses = []
        for pk, share in sorted(shares.items()):
            fee = fee_share(share, before)
            copy = self.move_copy(pk, share, before.average_price, fee, instrument)
            losses.append((copy, share))
        self.move_rest(key, netted(before, shares))
        return losses

    def move_copy(
        self, pk: str, share: Decimal, price: Decimal, fee: Decimal, instrument: Instrument
    ) -> CopiedPosition:
        """A copy loses `share` (signed) by somebody else's hand; its target follows."""
        copy = self.copy(pk)
        holding, trip = apply_fill(
            holding_of(copy),
            signed_quantity=share,
            price=price,
            fee=fee,
            at=self.now,
            instrument=instrument,
        )
        write_holding(copy, holding)
        copy.target = target_after_share(
            copy.target, share, held=copy.filled, is_working=self.is_working(copy)
        )
        if trip is not None:
            self._trades.append(trade_of(copy, trip))
        self._changed_copies.add(pk)
        return copy

    # --- writing it -------------------------------------------------------------------------

    def store(self) -> None:
        changes = {}
        for copy in self.copies:
            if copy.pk in self._changed_copies:
                copy.version += 1
                copy.changed_at = self.now
                changes[copy.pk] = {name: getattr(copy, name) for name in COPIED_FIELDS}
        rows_update(CopiedPosition, changes, COPIED_FIELDS)
        stops_mark(
            tenant_id=self.account.tenant_id,
            positions=[copy for copy in self.copies if copy.pk in self._changed_copies],
            entered_by={},
            now=self.now,
        )
        if self._trades:
            Trade.objects.bulk_create(self._trades)
        rests = [self.unattributed[key] for key in sorted(self._changed_rests)]
        rows_upsert(
            UnattributedPosition,
            rests,
            ["account", "symbol", "position_side"],
            _UNATTRIBUTED_FIELDS,
        )

    @property
    def has_changed(self) -> bool:
        return bool(self._changed_copies or self._changed_rests)


def _side(name: str) -> PositionSide:
    sides: dict[str, PositionSide] = {"net": "net", "long": "long", "short": "short"}
    return sides[name]

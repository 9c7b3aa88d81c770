"""What streams told, written: by the services that take our own answers and look-ups.

A fixed number of statements for a batch, however many accounts are in it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import transaction
from django.utils import timezone

from customers.deadlocks import retry_on_deadlock
from customers.models import ExchangeAccount
from customers.services.events import EventDraft, customer_audience, events_record
from trading.domain.order_doubts import OrderFacts, snapshot_doubt
from trading.domain.order_states import OrderState
from trading.models import Balance, Fill, Order, Position
from trading.services.account_rows import balance_rows_store, position_rows_store
from trading.services.believing import fills_believed
from trading.services.instruments import instrument_of_order
from trading.services.order_updates import OrderUpdate, order_updates_apply
from trading.services.stops.strangers import stop_orders_adopt
from trading.services.streams.gathering import ToldAccount, ToldOrder
from trading.services.unreadable import unreadable_note
from venues.domain.types import FillSnapshot, Instrument

logger = logging.getLogger(__name__)

_ID_LENGTH = 26
_NEVER_SENT = frozenset(
    {OrderState.READY, OrderState.CLAIMED, OrderState.REJECTED, OrderState.EXPIRED}
)


@dataclass(frozen=True, slots=True)
class _Ours:
    """What was told of one of our orders, and the order as it was sent."""

    facts: OrderFacts
    venue: str
    told: ToldOrder


_Told = tuple[ToldAccount, ToldOrder]


def told_apply(*, tenant_id: str, accounts: Sequence[ToldAccount]) -> None:
    """Repeating it changes nothing. Runs in the tenant's scope."""
    ours, others = _sorted_orders(tenant_id, accounts)
    instruments = _instruments(ours)
    order_updates_apply(
        tenant_id=tenant_id, updates=_believed(tenant_id, ours), instruments=instruments
    )
    retry_on_deadlock(lambda: _store(tenant_id, accounts, others))


def _sorted_orders(
    tenant_id: str, accounts: Iterable[ToldAccount]
) -> tuple[list[_Ours], list[_Told]]:
    """What was told of our orders, by their ids, and of what others placed."""
    told = [(account, order) for account in accounts for order in account.orders.values()]
    ids = {order.snapshot.client_order_id for _, order in told}
    ids = {each for each in ids if len(each) == _ID_LENGTH}
    known = _known_orders(tenant_id, ids)
    strange = [order.snapshot for _, order in told if order.snapshot.client_order_id in ids]
    strange = [order for order in strange if order.client_order_id not in known]
    if strange and stop_orders_adopt(tenant_id=tenant_id, told=strange):
        known |= _known_orders(tenant_id, {order.client_order_id for order in strange})
    ours, others = [], []
    for account, order in told:
        client_order_id = order.snapshot.client_order_id
        found = known.get(client_order_id)
        if found is None or found[0] != account.account_id:
            others.append((account, order))
            continue
        _, state, facts = found
        if state in _NEVER_SENT:
            logger.error("order %s is at the venue, and %s here", client_order_id, state)
        else:
            ours.append(_Ours(facts, account.venue, order))
    return sorted(ours, key=lambda each: each.facts.client_order_id), others


def _known_orders(tenant_id: str, ids: Collection[str]) -> dict[str, tuple[str, str, OrderFacts]]:
    """(account, state, as it was sent) by id."""
    known: dict[str, tuple[str, str, OrderFacts]] = {}
    if ids:
        rows = Order.objects.for_tenant(tenant_id).filter(pk__id_in=ids)
        columns = ("pk", "symbol", "side", "quantity")
        for account_id, state, *sent in rows.values_list("account_id", "state", *columns):
            facts = OrderFacts(*sent)
            known[facts.client_order_id] = (account_id, state, facts)
    return known


def _believed(tenant_id: str, ours: Iterable[_Ours]) -> list[OrderUpdate]:
    """Doubted like a look-up's answer. What cannot be of our order is looked up instead."""
    updates, doubted = [], []
    for each in ours:
        facts, shown = each.facts, each.told.snapshot
        fills: tuple[FillSnapshot, ...] = ()
        doubt = snapshot_doubt(facts, shown)
        if doubt:
            doubted.append(facts.client_order_id)
        else:
            fills, doubt = fills_believed(facts, each.venue, shown, each.told.fills)
            updates.append(
                OrderUpdate(facts.client_order_id, snapshot=shown, fills=fills, unreadable=doubt)
            )
        if doubt:
            logger.warning("a push about %s: a doubtful %s", facts.client_order_id, doubt)
            unreadable_note(tenant_id, each.venue, "orders", doubt)
    if doubted:
        now = timezone.now()
        rows = Order.objects.for_tenant(tenant_id).filter(pk__id_in=doubted, check_at__gt=now)
        rows.update(check_at=now)
    return updates


def _instruments(ours: Iterable[_Ours]) -> dict[str, dict[str, Instrument]]:
    found: dict[str, dict[str, Instrument]] = {}
    for each in ours:
        known = found.setdefault(each.venue, {})
        symbol = each.facts.symbol
        if symbol not in known:
            instrument = instrument_of_order(each.venue, symbol)
            if instrument is not None:
                known[symbol] = instrument
    return found


# --- what is not of our orders ------------------------------------------------------------------


def _store(tenant_id: str, accounts: Sequence[ToldAccount], others: Sequence[_Told]) -> None:
    now = timezone.now()
    with transaction.atomic():
        written = [
            account.account_id
            for account in accounts
            if account.positions or account.balances or account.all_positions
        ]
        # First, as readings lock them: one that was asked for before this is older.
        rows = ExchangeAccount.objects.for_tenant(tenant_id)
        rows.filter(pk__in=written).update(synced_at=now)
        _store_foreign_fills(tenant_id, others, now)
        _store_positions(tenant_id, accounts, now)
        _store_balances(tenant_id, accounts, now)
        news = {account.account_id for account in accounts if account.is_news}
        customers = rows.filter(pk__in=news).values_list("pk", "customer_id") if news else ()
        events_record(
            EventDraft(
                tenant_id,
                customer_audience(customer_id),
                "position.changed",
                {"account": account_id, "symbol": ""},
            )
            for account_id, customer_id in customers
        )


def _store_foreign_fills(tenant_id: str, others: Sequence[_Told], now: datetime) -> None:
    """Executions of what the client, or the venue itself, ordered."""
    told = [(account, fill) for account, order in others for fill in order.fills]
    fills = [
        Fill(
            tenant_id=tenant_id,
            account_id=account.account_id,
            order=None,
            symbol=fill.symbol,
            trade_id=fill.trade_id,
            venue_order_id=fill.venue_order_id,
            side=fill.side,
            quantity=fill.quantity,
            price=fill.price,
            fee=fill.fee,
            fee_currency=fill.fee_currency,
            is_maker=fill.is_maker,
            position_side=fill.position_side,
            filled_at=datetime.fromtimestamp(fill.filled_at_ms / 1000, tz=UTC),
            created_at=now,
        )
        for account, fill in told
    ]
    if not fills:
        return
    Fill.objects.bulk_create(fills, ignore_conflicts=True)
    # The next sweep books them; until then copies count on what the client may have closed.
    accounts = ExchangeAccount.objects.for_tenant(tenant_id)
    accounts.filter(pk__in={account.account_id for account, _ in told}).update(tried_at=None)


def _store_positions(tenant_id: str, accounts: Sequence[ToldAccount], now: datetime) -> None:
    told = {
        account.account_id: [row for row in account.positions.values() if row.quantity]
        for account in accounts
        if account.positions or account.all_positions
    }
    complete = {account.account_id for account in accounts if account.all_positions}
    closed = {
        (account.account_id, row.symbol, row.position_side)
        for account in accounts
        for row in account.positions.values()
        if not row.quantity
    }
    still_open = {(pk, row.symbol, row.position_side) for pk, rows in told.items() for row in rows}
    touched = complete | {account_id for account_id, *_ in closed}
    if touched:
        mine = Position.objects.for_tenant(tenant_id).filter(account_id__in=touched)
        keys = mine.values_list("pk", "account_id", "symbol", "position_side")
        gone = [
            pk
            for pk, *key in keys
            if tuple(key) in closed or (key[0] in complete and tuple(key) not in still_open)
        ]
        if gone:
            mine.filter(pk__in=gone).delete()
    position_rows_store(tenant_id, told, now)


def _store_balances(tenant_id: str, accounts: Sequence[ToldAccount], now: datetime) -> None:
    told = {
        account.account_id: list(account.balances.values())
        for account in accounts
        if account.balances or account.all_balances
    }
    complete = [account.account_id for account in accounts if account.all_balances]
    if complete:
        mine = Balance.objects.for_tenant(tenant_id).filter(account_id__in=complete)
        still = {(pk, row.currency) for pk, rows in told.items() for row in rows}
        keys = mine.values_list("pk", "account_id", "currency")
        gone = [pk for pk, *key in keys if tuple(key) not in still]
        if gone:
            mine.filter(pk__in=gone).delete()
    balance_rows_store(tenant_id, told, now)

"""The transaction: lock, apply each update, write."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from customers.deadlocks import retry_on_deadlock
from customers.failpoints import failpoint
from trading.domain.order_states import InvalidTransitionError
from trading.models import CopiedPosition, Fill, Order
from trading.services.order_updates.leverages import leverages_settle
from trading.services.order_updates.one_order import apply_update
from trading.services.order_updates.work import (
    HoldingKey,
    OrderUpdate,
    SiblingsNeeded,
    TradeKey,
    Work,
)
from trading.services.order_updates.writing import store
from venues.domain.types import Instrument

logger = logging.getLogger(__name__)

_TRADE_COLUMNS = ("account_id", "symbol", "trade_id")


def order_updates_apply(
    *,
    tenant_id: str,
    updates: Sequence[OrderUpdate],
    instruments: dict[str, dict[str, Instrument]],
) -> None:
    """Apply what was learnt; `instruments[venue][symbol]` must know the symbols that filled.

    Repeating an update changes nothing. An update that contradicts the state table, or cannot be
    stored, is logged and left out; the others are applied. Runs in the tenant's scope.
    """
    if not updates:
        return
    try:
        retry_on_deadlock(lambda: _apply_all(tenant_id, updates, instruments))
        failpoint("updates.committed")
    except (OperationalError, InterfaceError):
        raise  # the database, not an update
    except Exception:
        # What a venue reported of one order may be nonsense; its neighbours do not pay for it.
        if connection.in_atomic_block:
            raise
        logger.exception("not stored: what was learnt about %s", [u.order_id for u in updates])
        for update in updates if len(updates) > 1 else ():
            order_updates_apply(tenant_id=tenant_id, updates=[update], instruments=instruments)


def _apply_all(
    tenant_id: str,
    updates: Sequence[OrderUpdate],
    instruments: dict[str, dict[str, Instrument]],
) -> None:
    shared: set[HoldingKey] = set()
    while True:
        try:
            return _apply_once(tenant_id, updates, instruments, shared)
        except SiblingsNeeded as needed:
            if needed.key in shared:
                raise
            shared.add(needed.key)


@transaction.atomic
def _apply_once(
    tenant_id: str,
    updates: Sequence[OrderUpdate],
    instruments: dict[str, dict[str, Instrument]],
    shared: set[HoldingKey],
) -> None:
    work = _load(tenant_id, updates, instruments, shared)
    for update in updates:
        order = work.orders.get(update.order_id)
        if order is None:
            logger.error("an update for an order that does not exist: %s", update.order_id)
            continue
        try:
            apply_update(work, order, update)
        except InvalidTransitionError as error:
            logger.error("order %s: %s", order.pk, error)
    leverages_settle(tenant_id, work)
    store(tenant_id, work)
    failpoint("updates.before_commit")


def _load(
    tenant_id: str,
    updates: Sequence[OrderUpdate],
    instruments: dict[str, dict[str, Instrument]],
    shared: set[HoldingKey],
) -> Work:
    ids = sorted({update.order_id for update in updates})
    # Positions before orders, as planning locks them.
    pairs = set(
        Order.objects.for_tenant(tenant_id)
        .filter(pk__in=ids)
        .exclude(subscription_id="")
        .values_list("subscription_id", "symbol")
    )
    pairs |= _siblings(tenant_id, shared)
    positions = _locked_positions(tenant_id, pairs)
    rows = (
        Order.objects.for_tenant(tenant_id)
        .filter(pk__in=ids)
        .order_by("pk")
        .select_for_update()
        # Prefetched, not joined: a joined row would be locked, too.
        .prefetch_related("intent", "account")
    )
    orders = {order.pk: order for order in rows}
    trade_ids = {fill.trade_id for update in updates for fill in update.fills}
    known: set[TradeKey] = set()
    strays: dict[TradeKey, str] = {}
    if trade_ids:
        stored = Fill.objects.for_tenant(tenant_id).filter(
            account_id__in={order.account_id for order in orders.values()},
            trade_id__in=trade_ids,
        )
        columns = ("pk", "order_id", "attribution", *_TRADE_COLUMNS)
        for pk, order_id, attribution, *key in stored.values_list(*columns):
            if order_id is None and not attribution:
                strays[tuple(key)] = pk
            else:
                known.add(tuple(key))
    work = Work(timezone.now(), instruments, orders, positions, known, strays)
    work.siblings = {key: [] for key in shared}
    for row in positions.values():
        if (row.account_id, row.symbol) in shared:
            work.siblings[row.account_id, row.symbol].append(row)
    return work


def _siblings(tenant_id: str, shared: set[HoldingKey]) -> set[tuple[str, str]]:
    """All copies of these accounts in these symbols: (subscription, symbol)."""
    if not shared:
        return set()
    rows = CopiedPosition.objects.for_tenant(tenant_id).filter(
        account_id__in={account_id for account_id, _ in shared},
        symbol__in={symbol for _, symbol in shared},
    )
    return {
        (subscription_id, symbol)
        for account_id, subscription_id, symbol in rows.values_list(
            "account_id", "subscription_id", "symbol"
        )
        if (account_id, symbol) in shared
    }


def _locked_positions(
    tenant_id: str, pairs: set[tuple[str, str]]
) -> dict[tuple[str, str], CopiedPosition]:
    if not pairs:
        return {}
    rows = (
        CopiedPosition.objects.for_tenant(tenant_id)
        .filter(
            subscription_id__in={pair[0] for pair in pairs},
            symbol__in={pair[1] for pair in pairs},
        )
        .order_by("pk")
        .select_for_update()
    )
    return {(row.subscription_id, row.symbol): row for row in rows}

"""Asking for cancellations. A request is a durable mark; the look-up sends it and proves it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q

from customers.wakeup import wake_on_commit
from trading.domain.order_states import LIVE_STATES, OrderState
from trading.models import Order


def entries_cancel(
    *, tenant_id: str, subscription_ids: Sequence[str], symbol: str = "", now: datetime
) -> int:
    """Mark these subscriptions' live entries for cancellation; returns how many.

    In one symbol, or in all of them.
    """
    live = [str(state) for state in LIVE_STATES]
    rows = Order.objects.for_tenant(tenant_id).filter(
        subscription_id__id_in=subscription_ids,
        is_entry=True,
        state__in=live,
        cancel_requested_at__isnull=True,
    )
    if symbol:
        rows = rows.filter(symbol=symbol)
    lost_entries_give_up(
        tenant_id=tenant_id, subscription_ids=subscription_ids, symbol=symbol, now=now
    )
    return _mark(tenant_id, list(rows.values_list("pk", flat=True)), now)


def orders_withdraw(
    *, tenant_id: str, order_ids: Sequence[str], withdrawn_for: str, now: datetime
) -> int:
    """Mark these live entries for cancellation; returns how many were not marked before.

    `withdrawn_for`: the signal that replaces them. Not of what a person has cancelled already: that
    is not to be replaced.
    """
    live = [str(state) for state in LIVE_STATES]
    rows = Order.objects.for_tenant(tenant_id).filter(
        Q(withdrawn_by="") | Q(amended_price__isnull=False),
        pk__in=order_ids,
        is_entry=True,
        state__in=live,
        cancel_requested_at__isnull=True,
    )
    ids = list(rows.values_list("pk", flat=True))
    return _mark(tenant_id, ids, now, withdrawn_for=withdrawn_for)


def _mark(tenant_id: str, order_ids: list[str], now: datetime, *, withdrawn_for: str = "") -> int:
    live = [str(state) for state in LIVE_STATES]
    if order_ids:
        # Not those that ended since: nothing would ever take them off the list of what is due.
        # Who asks first says why: a client's wish is not turned into a replacement.
        Order.objects.for_tenant(tenant_id).filter(
            pk__in=order_ids, state__in=live, cancel_requested_at__isnull=True
        ).update(cancel_requested_at=now, check_at=now, withdrawn_for=withdrawn_for)
        wake_on_commit("trading.tasks.orders_check", order_ids=order_ids, tenant_id=tenant_id)
    return len(order_ids)


def lost_entries_give_up(
    *,
    tenant_id: str,
    subscription_ids: Sequence[str],
    symbol: str = "",
    side: str = "",
    now: datetime,
) -> int:
    """Entries found absent that are not wanted any more; returns how many.

    The venue may show one of them later all the same. It is then cancelled, and what it filled is
    exited, instead of being counted as the copy's. `side`: only buys, or only sells.
    """
    rows = Order.objects.for_tenant(tenant_id).filter(
        subscription_id__id_in=subscription_ids,
        is_entry=True,
        state=OrderState.NOT_PLACED,
        watch_until__gt=now,
        cancel_requested_at__isnull=True,
    )
    if symbol:
        rows = rows.filter(symbol=symbol)
    if side:
        rows = rows.filter(side=side)
    return rows.update(cancel_requested_at=now)

"""Asking for cancellations. A request is a durable mark; the look-up sends it and proves it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q

from customers.wakeup import wake_on_commit
from trading.domain.order_states import LIVE_STATES, OrderState
from trading.models import CopiedPosition, Order

_WOKEN = 500
"""Cancelled at once; the sweeper finds the others within two seconds."""


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


def entries_overtake(
    *, position: CopiedPosition, exit_side: str, now: datetime, placed_by: datetime | None = None
) -> None:
    """An exit that no signal asked for (a stop, a liquidation, a close by hand) ends the entries
    that would open again what it closes.

    As with a leader's exit the target leaves them out at once, in memory: the caller holds the
    position and stores it. `placed_by`: when the exit happened, if that is known; what was decided
    after it stays. Entries of the other side, of a turn, stay too.
    """
    side = "sell" if exit_side == "buy" else "buy"
    rows = Order.objects.for_tenant(position.tenant_id).filter(
        subscription_id=position.subscription_id,
        symbol=position.symbol,
        side=side,
        is_entry=True,
        state__in=[str(state) for state in LIVE_STATES],
        cancel_requested_at__isnull=True,
    )
    if placed_by is not None:
        rows = rows.filter(created_at__lte=placed_by)
    found = list(rows.values_list("pk", "quantity", "filled_quantity"))
    for _, quantity, filled in found:
        position.target -= (quantity - filled) if side == "buy" else (filled - quantity)
    _mark(position.tenant_id, [pk for pk, _, _ in found], now)


def entries_stop(*, tenant_id: str, entries: Q, now: datetime) -> int:
    """Have these waiting entries cancelled because entries are stopped; returns how many.

    As when a person cancels them: until their end they count as working, what they fill stays, and
    nothing follows them. So entries may be let go on at any moment. Repeating it changes nothing.
    """
    live = [str(state) for state in LIVE_STATES]
    rows = Order.objects.for_tenant(tenant_id).filter(
        Q(withdrawn_by="") | Q(amended_price__isnull=False),
        entries,
        is_entry=True,
        state__in=live,
        cancel_requested_at__isnull=True,
    )
    ids = list(rows.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(ids), _WOKEN):
        some = ids[start : start + _WOKEN]
        # Not those that ended since: nothing would ever take them off the list of what is due.
        Order.objects.for_tenant(tenant_id).filter(
            pk__in=some, state__in=live, cancel_requested_at__isnull=True
        ).update(
            withdrawn_by=Order.WithdrawnBy.PAUSE,
            amended_price=None,
            amended_quantity=None,
            check_at=now,
        )
    if ids:
        wake_on_commit("trading.tasks.orders_check", order_ids=ids[:_WOKEN], tenant_id=tenant_id)
    return len(ids)


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

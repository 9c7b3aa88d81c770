"""Fills without a name of ours: a stop order's, when its order is not known here yet.

Venues do not say of an execution that it came of a stop. Before such a fill is called somebody
else's, every stop of ours that may have gone off is looked up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from trading.domain.stops.states import LIVE_STATES, StopState, StopTrigger
from trading.models import Order, StopOrder
from trading.services.stops.checking import stops_look_up
from trading.services.stops.learning import StopUpdate, stop_updates_apply
from venues.domain.types import FillSnapshot, OrderSnapshot, StopSnapshot

_MAY_BE_THERE = [str(state) for state in (StopState.SENDING, StopState.UNKNOWN, StopState.WAITING)]
_MAY_HAVE_GONE_OFF = Q(state__in=_MAY_BE_THERE) | Q(
    # One that was absent may show up late, as long as it is watched.
    state=StopState.NOT_PLACED,
    check_at__isnull=False,
)


def strangers_explained(*, tenant_id: str, account_id: str, fills: Sequence[FillSnapshot]) -> bool:
    """Whether it is certain that none of these is of a stop that is not known to have gone off.

    Asks the venue, so not in a transaction. In the tenant's scope.
    """
    nameless = {
        (fill.symbol, fill.side): fill.venue_order_id for fill in fills if not fill.client_order_id
    }
    if not nameless:
        return True
    unread = Q(state=StopState.TRIGGERED) & ~Exists(Order.objects.filter(pk=OuterRef("pk")))
    mine = StopOrder.objects.for_tenant(tenant_id).filter(
        _MAY_HAVE_GONE_OFF | unread, account_id=account_id
    )
    misses = {
        pk: count
        for pk, count, symbol, side in mine.values_list("pk", "misses", "symbol", "side")
        if (symbol, side) in nameless
    }
    if not misses:
        return True
    asked_at = timezone.now()
    rows = StopOrder.objects.for_tenant(tenant_id).filter(pk__in=list(misses))
    rows.update(check_at=asked_at)
    stops_look_up(tenant_id=tenant_id, stop_ids=list(misses))
    if rows.filter(unread).exists():
        return False
    return all(
        _was_seen_waiting(stop, asked_at) or _was_absent_again(stop, misses[stop.pk])
        for stop in rows.filter(_MAY_HAVE_GONE_OFF)
    )


def _was_seen_waiting(stop: StopOrder, asked_at: datetime) -> bool:
    return stop.seen_at is not None and stop.seen_at >= asked_at


def _was_absent_again(stop: StopOrder, misses: int) -> bool:
    return stop.state == StopState.NOT_PLACED and stop.misses > misses


def stop_orders_adopt(*, tenant_id: str, told: Iterable[OrderSnapshot]) -> int:
    """Orders that carry the name of a stop of ours become ours; returns how many did.

    `told`: what a stream tells of orders that nobody here knows. In the tenant's scope.
    """
    by_id = {order.client_order_id: order for order in told if order.client_order_id}
    if not by_id:
        return 0
    stops = StopOrder.objects.for_tenant(tenant_id).filter(pk__in=list(by_id))
    now = timezone.now()
    updates = [
        StopUpdate(stop.pk, StopTrigger.GO_OFF, shown=_went_off(stop, by_id[stop.pk]), check_at=now)
        for stop in stops
        if by_id[stop.pk].symbol == stop.symbol and by_id[stop.pk].side in (None, stop.side)
    ]
    stop_updates_apply(tenant_id=tenant_id, updates=updates)
    return len(updates)


def _went_off(stop: StopOrder, order: OrderSnapshot) -> StopSnapshot:
    """By which of its prices is looked up: the order does not say."""
    return StopSnapshot(
        venue_stop_id=stop.venue_stop_id,
        client_stop_id=stop.pk,
        symbol=stop.symbol,
        state="effective",
        side=order.side,
        position_side=order.position_side,
        quantity=order.quantity,
        stop_loss_trigger=stop.stop_loss,
        take_profit_trigger=stop.take_profit,
        reduce_only=True,
        updated_at_ms=order.updated_at_ms,
        venue_order_id=order.venue_order_id,
        actual_quantity=order.quantity,
    )


def orders_by_venue_id(
    tenant_id: str, account_id: str, fills: Iterable[FillSnapshot]
) -> dict[str, str]:
    """Our orders by the venue's ids, of fills that carry no name. One query."""
    ids = {fill.venue_order_id for fill in fills if not fill.client_order_id}
    if not ids:
        return {}
    rows = Order.objects.for_tenant(tenant_id).filter(
        account_id=account_id, placed_by_venue=True, venue_order_id__in=ids
    )
    return dict(rows.values_list("venue_order_id", "pk"))


def stops_listed(
    *, tenant_id: str, listings: Mapping[str, tuple[datetime, Sequence[StopSnapshot]]]
) -> set[str]:
    """Which of the stops that venues list as waiting are ours, by their ids. One query.

    `listings` by account, with the time before which they were asked for. What waits there and
    not here, or the other way round, or with another size or price, is looked up now. In the
    tenant's scope.
    """
    named = {
        stop.client_stop_id: (account_id, stop)
        for account_id, (_, stops) in listings.items()
        for stop in stops
        if stop.client_stop_id
    }
    rows = StopOrder.objects.for_tenant(tenant_id).filter(
        Q(pk__in=list(named)) | Q(account_id__in=list(listings), state=StopState.WAITING)
    )
    ours, doubted = set(), []
    for row in rows.annotate(moved_at=Coalesce("finished_at", "created_at")):
        account_id, listed = named.get(row.pk, ("", None))
        is_listed = account_id == row.account_id
        if is_listed:
            ours.add(row.pk)
        asked_at = listings[row.account_id][0] if row.account_id in listings else row.moved_at
        is_as_listed = is_listed == (row.state in LIVE_STATES)
        if listed is not None and is_listed and row.state == StopState.WAITING:
            is_as_listed = row.amending is not None or _is_as_listed(row, listed)
        if not is_as_listed and row.moved_at < asked_at:
            doubted.append(row.pk)
    if doubted:
        StopOrder.objects.for_tenant(tenant_id).filter(pk__in=doubted).update(
            check_at=timezone.now()
        )
    return ours


def _is_as_listed(row: StopOrder, listed: StopSnapshot) -> bool:
    prices = (listed.stop_loss_trigger, listed.take_profit_trigger)
    same_size = listed.quantity in (None, row.quantity)
    return same_size and prices == (row.stop_loss, row.take_profit)

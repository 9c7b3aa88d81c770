"""Leverages that venues refused: nothing is asked twice while the answer cannot be another one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import timedelta
from decimal import Decimal

from django.utils import timezone

from customers.bulk_rows import rows_upsert
from trading.models import LeverageRefusal, Position
from trading.services.outgoing import OutgoingOrder
from trading.services.submission.wire import Prepared
from venues.domain.types import VenueError, VenueErrorKind

HOLDS_FOR = timedelta(hours=1)
"""Then it is asked again: funds, orders and stops of the client's own may have been in the way."""

_Key = tuple[str, str, str, Decimal]


def refusals_note(tenant_id: str, prepared: Sequence[Prepared]) -> None:
    """Of the leverage itself: not of a key, a mode, a rate limit, or by a venue out of order."""
    refused = [
        item
        for item in prepared
        if item.error is not None and item.error.kind is VenueErrorKind.REFUSED and item.error.code
    ]
    if not refused:
        return
    now = timezone.now()
    held = _held(tenant_id, [item.job.order for item in refused])
    rows = {}
    for item in refused:
        order, error = item.job.order, item.error
        assert order.leverage is not None
        assert error is not None
        rows[_key(order)] = LeverageRefusal(
            tenant_id=tenant_id,
            account_id=order.account_id,
            symbol=order.symbol,
            margin_mode=order.margin_mode,
            leverage=order.leverage,
            held=held[order.account_id, order.symbol],
            code=error.code,
            message=error.message,
            refused_at=now,
        )
    rows_upsert(
        LeverageRefusal,
        list(rows.values()),
        ["account", "symbol", "margin_mode", "leverage"],
        ["held", "code", "message", "refused_at"],
    )


def refusals_standing(tenant_id: str, orders: Sequence[OutgoingOrder]) -> dict[str, VenueError]:
    """By order: what the venue said to the same before. Of orders whose leverage is to be set."""
    if not orders:
        return {}
    stored = LeverageRefusal.objects.for_tenant(tenant_id).filter(
        account_id__id_in={order.account_id for order in orders},
        symbol__in={order.symbol for order in orders},
        refused_at__gt=timezone.now() - HOLDS_FOR,
    )
    known = {(row.account_id, row.symbol, row.margin_mode, row.leverage): row for row in stored}
    met = [order for order in orders if _key(order) in known]
    held = _held(tenant_id, met)
    return {
        order.id: VenueError(VenueErrorKind.REFUSED, row.code, row.message)
        for order in met
        if (row := known[_key(order)]).held == held[order.account_id, order.symbol]
    }


def _key(order: OutgoingOrder) -> _Key:
    assert order.leverage is not None
    return order.account_id, order.symbol, order.margin_mode, order.leverage


def _held(tenant_id: str, orders: Collection[OutgoingOrder]) -> defaultdict[tuple[str, str], str]:
    """By account and symbol, as the venue shows it."""
    found: defaultdict[tuple[str, str], str] = defaultdict(str)
    if not orders:
        return found
    rows = Position.objects.for_tenant(tenant_id).filter(
        account_id__id_in={order.account_id for order in orders},
        symbol__in={order.symbol for order in orders},
    )
    for account_id, symbol, side, quantity in rows.order_by("position_side").values_list(
        "account_id", "symbol", "position_side", "quantity"
    ):
        if quantity:
            found[account_id, symbol] += f"{side} {quantity.normalize():f} "
    return found

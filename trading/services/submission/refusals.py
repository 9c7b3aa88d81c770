"""Leverages that venues refused: nothing is asked twice while the answer cannot be another one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import timedelta
from decimal import Decimal

from django.utils import timezone

from customers.bulk_rows import rows_upsert
from trading.models import Balance, LeverageRefusal, Position
from trading.services.outgoing import OutgoingOrder
from trading.services.submission.wire import Prepared
from venues.domain.types import VenueError, VenueErrorKind

PASSES_WITHIN = timedelta(hours=1)
"""What is said of the moment (a settlement, say) and not of the account is asked again then."""
MORE_FUNDS = Decimal("1.05")
"""So much more is free than when it was refused: a lower leverage may be had now."""

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
    orders = [item.job.order for item in refused]
    held, free = _held(tenant_id, orders), _free(tenant_id, orders)
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
            available=free.get((order.account_id, _settle(order))),
            in_the_way=None,
            code=error.code,
            message=error.message,
            refused_at=now,
        )
    rows_upsert(
        LeverageRefusal,
        list(rows.values()),
        ["account", "symbol", "margin_mode", "leverage"],
        ["held", "available", "in_the_way", "code", "message", "refused_at"],
    )


def refusals_standing(tenant_id: str, orders: Sequence[OutgoingOrder]) -> dict[str, VenueError]:
    """By order: what the venue said to the same before. Of orders whose leverage is to be set."""
    if not orders:
        return {}
    stored = LeverageRefusal.objects.for_tenant(tenant_id).filter(
        account_id__id_in={order.account_id for order in orders},
        symbol__in={order.symbol for order in orders},
    )
    known = {(row.account_id, row.symbol, row.margin_mode, row.leverage): row for row in stored}
    met = [order for order in orders if _key(order) in known]
    held, free = _held(tenant_id, met), _free(tenant_id, met)
    return {
        order.id: VenueError(VenueErrorKind.REFUSED, row.code, row.message)
        for order in met
        if (row := known[_key(order)]).held == held[order.account_id, order.symbol]
        and not _has_passed(row)
        and not _has_more(row, free.get((order.account_id, _settle(order))))
    }


def _has_passed(row: LeverageRefusal) -> bool:
    """What is said of the request, or of the account as it is, is said as long as that is so."""
    if row.code.startswith("59") or row.code == "51000":
        return False
    return timezone.now() - row.refused_at > PASSES_WITHIN


def _has_more(row: LeverageRefusal, free: Decimal | None) -> bool:
    return row.available is not None and free is not None and free > row.available * MORE_FUNDS


def refusals_forget(*, tenant_id: str, account_id: str) -> None:
    """Somebody has the account checked: what was in the way may be out of it."""
    LeverageRefusal.objects.for_tenant(tenant_id).filter(account_id=account_id).delete()


def _key(order: OutgoingOrder) -> _Key:
    assert order.leverage is not None
    return order.account_id, order.symbol, order.margin_mode, order.leverage


def _settle(order: OutgoingOrder) -> str:
    return order.symbol.rpartition(":")[2].partition("-")[0]


def _held(tenant_id: str, orders: Collection[OutgoingOrder]) -> defaultdict[tuple[str, str], str]:
    """By account and symbol, as the venue shows it, with the position mode."""
    found: defaultdict[tuple[str, str], str] = defaultdict(str)
    if not orders:
        return found
    for order in orders:
        hedged = order.position_side != "net"
        found[order.account_id, order.symbol] = "long and short: " if hedged else ""
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


def _free(tenant_id: str, orders: Collection[OutgoingOrder]) -> dict[tuple[str, str], Decimal]:
    """By account and currency."""
    if not orders:
        return {}
    rows = Balance.objects.for_tenant(tenant_id).filter(
        account_id__id_in={order.account_id for order in orders},
        currency__in={_settle(order) for order in orders},
    )
    return {
        (account_id, currency): available
        for account_id, currency, available in rows.values_list(
            "account_id", "currency", "available"
        )
    }

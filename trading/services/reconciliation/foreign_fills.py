"""Executions that are of no copy: stored once by trade id, then booked as the account's own.

Whoever hears of one stores it unbooked (streams do); booking moves the unattributed part and
marks the fill in one transaction, so that nothing is counted twice and nothing is left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from customers.models import ExchangeAccount
from trading.domain.reconciliation import Attribution, unattributed_after, worst_cause
from trading.models import AccountBooks, Fill, Order
from trading.services.reconciliation.ledger import AccountLedger, Key
from trading.services.reconciliation.readings import DERIVATIVE, attribution_of
from trading.services.stops.strangers import orders_by_venue_id
from venues.domain.types import FillSnapshot, Instrument, PositionSide

TOLD_IN_TIME = timedelta(minutes=5)
"""What a stream told is shown by the list of fills, with its side and cause, after this at most."""

_TradeKey = tuple[str, str]
"""Symbol and trade id."""


def fills_store(account: ExchangeAccount, fills: Sequence[FillSnapshot]) -> list[str]:
    """Store what is not of our orders, unbooked; the ids of our orders whose fills are missing."""
    if not fills:
        return []
    known = set(
        Fill.objects.for_tenant(account.tenant_id)
        .filter(account_id=account.pk, trade_id__in={fill.trade_id for fill in fills})
        # Told by a stream as nobody's; its order may be known by now.
        .exclude(order=None, attribution="")
        .values_list("symbol", "trade_id")
    )
    new = [fill for fill in fills if (fill.symbol, fill.trade_id) not in known]
    if not new:
        return []
    ours = set(
        Order.objects.for_tenant(account.tenant_id)
        .filter(account_id=account.pk, pk__in={fill.client_order_id for fill in new})
        .values_list("pk", flat=True)
    )
    of_stops = orders_by_venue_id(account.tenant_id, account.pk, new)
    ours.update(of_stops.values())
    names = {
        fill.trade_id: fill.client_order_id or of_stops.get(fill.venue_order_id, "") for fill in new
    }
    now = timezone.now()
    rows = [
        Fill(
            tenant_id=account.tenant_id,
            account_id=account.pk,
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
            filled_at=_moment(fill),
            created_at=now,
        )
        for fill in new
        if names[fill.trade_id] not in ours
    ]
    Fill.objects.bulk_create(rows, ignore_conflicts=True)
    return sorted({name for name in names.values() if name in ours})


def _moment(fill: FillSnapshot) -> datetime:
    return datetime.fromtimestamp(fill.filled_at_ms / 1000, tz=UTC)


def fills_book(
    ledger: AccountLedger,
    books: AccountBooks,
    shown: Sequence[FillSnapshot],
    instruments: Mapping[str, Instrument],
    missing: Collection[str] = (),
) -> dict[Key, Attribution]:
    """Book what is unbooked; by key what to call it. `shown`: fills as the venue lists them.
    `missing`: our orders that are about to be looked up for theirs.

    What is of an instrument that nobody knows stays unbooked.
    """
    listed = {(fill.symbol, fill.trade_id): fill for fill in shown}
    causes: dict[Key, list[Attribution]] = defaultdict(list)
    for row in _unbooked(ledger.account):
        told = listed.get((row.symbol, row.trade_id))
        if told is not None and told.client_order_id in missing:
            continue
        if not _is_bookable(ledger, row, told, instruments):
            continue
        if told is not None and row.order_id is None:
            row.position_side = told.position_side
        row.attribution = _attribution(books, row, told)
        row.save(update_fields=["attribution", "position_side"])
        if row.attribution == Attribution.BEFORE or DERIVATIVE not in row.symbol:
            continue
        key = (row.symbol, _side_of(ledger, row))
        signed = row.quantity if row.side == "buy" else -row.quantity
        rest = unattributed_after(
            ledger.rest(key),
            signed_quantity=signed,
            price=row.price,
            fee=row.fee,
            at=row.filled_at,
            instrument=instruments[row.symbol],
        )
        ledger.move_rest(key, rest, cause=row.attribution)
        ledger.moved_at[key] = row.filled_at
        causes[key].append(Attribution(row.attribution))
    return {key: worst_cause(found) for key, found in causes.items()}


def fills_unbooked(tenant_id: str, account_ids: Collection[str]) -> QuerySet[Fill]:
    """Of no copy, and not in any books yet."""
    return Fill.objects.for_tenant(tenant_id).filter(
        Q(order=None) | Q(order__subscription_id=""), account_id__in=account_ids, attribution=""
    )


def _unbooked(account: ExchangeAccount) -> list[Fill]:
    return list(fills_unbooked(account.tenant_id, [account.pk]).order_by("filled_at", "pk"))


def _is_bookable(
    ledger: AccountLedger,
    row: Fill,
    told: FillSnapshot | None,
    instruments: Mapping[str, Instrument],
) -> bool:
    if DERIVATIVE not in row.symbol:
        return True
    if row.symbol not in instruments:
        return False
    return (
        row.order_id is not None or told is not None or ledger.now > row.created_at + TOLD_IN_TIME
    )


def _attribution(books: AccountBooks, row: Fill, told: FillSnapshot | None) -> Attribution:
    if row.order_id is not None:
        return Attribution.OPERATOR
    if row.filled_at < books.since:
        return Attribution.BEFORE
    return Attribution.MANUAL if told is None else attribution_of(told)


def _side_of(ledger: AccountLedger, row: Fill) -> PositionSide:
    if ledger.account.position_mode == ExchangeAccount.PositionMode.NET:
        return "net"
    return "short" if row.position_side == "short" else "long"

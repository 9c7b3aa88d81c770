"""The rows of a signal's page: every follower and what became of him.

A page costs a fixed number of queries, whatever the number of followers: the intents of the page,
their orders, their first fills, and for a flip the closes that went before. Totals come from the
coverage counters, so nothing is counted twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Min, QuerySet

from customers.fields import plain
from signals_app.models import Signal
from trading.domain.slippage import slippage_bps
from trading.models import Fill, Intent, Order
from trading.reason_texts import reason_text
from trading.selectors.coverage import Coverage

ROWS_PER_PAGE = 100
COUNTED_STATUSES = (
    "filled",
    "partial",
    "working",
    "skipped",
    "rejected",
    "unknown",
    "not_placed",
    "cancelled",
    "expired",
)


@dataclass(frozen=True, slots=True)
class FollowerRow:
    """One follower's outcome. Amounts are in the venue's unit; times in milliseconds."""

    intent_id: str
    customer_id: str
    customer_name: str
    account_id: str
    account_label: str
    status: str
    status_text: str
    reason: str
    symbol: str
    """The one that is traded, where it is not the signal's."""
    side: str
    quantity: Decimal | None
    filled: Decimal
    average_price: Decimal | None
    slippage: Decimal | None
    acknowledged_ms: int | None
    filled_ms: int | None
    order_id: str
    close_status: str
    close_status_text: str


@dataclass(frozen=True, slots=True)
class FollowerPage:
    rows: list[FollowerRow]
    number: int
    pages: int
    total: int
    status: str

    @property
    def has_previous(self) -> bool:
        return self.number > 1

    @property
    def has_next(self) -> bool:
        return self.number < self.pages


def followers_page(
    signal: Signal, coverage: Coverage, *, status: str = "", number: int = 1
) -> FollowerPage:
    """One page of followers, in the order they were planned, optionally of one status."""
    if status not in COUNTED_STATUSES:
        status = ""
    total = getattr(coverage, status) if status else coverage.planned
    pages = max(1, -(-total // ROWS_PER_PAGE))
    number = min(max(1, number), pages)
    intents = _main_intents(signal)
    if status:
        intents = intents.filter(status=status)
    first = (number - 1) * ROWS_PER_PAGE
    rows = follower_rows(signal, intents[first : first + ROWS_PER_PAGE])
    return FollowerPage(rows=rows, number=number, pages=pages, total=total, status=status)


def followers_by_id(signal: Signal, intent_ids: Iterable[str]) -> list[FollowerRow]:
    """The rows of some of a signal's intents, at most a page of them."""
    wanted = list(dict.fromkeys(intent_ids))[:ROWS_PER_PAGE]
    if not wanted:
        return []
    return follower_rows(signal, _main_intents(signal).filter(pk__in=wanted))


def _main_intents(signal: Signal) -> QuerySet[Intent]:
    return (
        Intent.objects.for_tenant(signal.tenant_id)
        .filter(signal=signal, leg=0)
        .select_related("customer", "account")
        .order_by("id")
    )


def follower_rows(signal: Signal, intents: Iterable[Intent]) -> list[FollowerRow]:
    page = list(intents)
    if not page:
        return []
    orders = _orders_of(signal, page)
    first_fills = _first_fills(signal, [order.pk for group in orders.values() for order in group])
    closes = _closes_of(signal, page)
    return [
        _row(signal, intent, orders[intent.pk], first_fills, closes.get(intent.subscription_id))
        for intent in page
    ]


def _orders_of(signal: Signal, intents: Sequence[Intent]) -> dict[str, list[Order]]:
    grouped: dict[str, list[Order]] = defaultdict(list)
    rows = Order.objects.for_tenant(signal.tenant_id).filter(intent__in=[i.pk for i in intents])
    for order in rows.order_by("id"):
        grouped[order.intent_id].append(order)
    return grouped


def _first_fills(signal: Signal, order_ids: Sequence[str]) -> dict[str, datetime]:
    rows = Fill.objects.for_tenant(signal.tenant_id).filter(order__in=order_ids)
    return dict(rows.order_by().values_list("order_id").annotate(Min("filled_at")))


def _closes_of(signal: Signal, intents: Sequence[Intent]) -> dict[str | None, Intent]:
    """For a flip: the close that goes before each entry, by subscription."""
    if signal.action != Signal.Action.FLIP:
        return {}
    rows = Intent.objects.for_tenant(signal.tenant_id).filter(
        signal=signal, leg=1, subscription__in=[i.subscription_id for i in intents]
    )
    return {intent.subscription_id: intent for intent in rows}


def _row(
    signal: Signal,
    intent: Intent,
    orders: Sequence[Order],
    first_fills: dict[str, datetime],
    close: Intent | None,
) -> FollowerRow:
    filled, average_price = _executed(orders)
    acknowledged = [o.acknowledged_at for o in orders if o.acknowledged_at is not None]
    fills = [first_fills[o.pk] for o in orders if o.pk in first_fills]
    return FollowerRow(
        intent_id=intent.pk,
        customer_id=intent.customer_id,
        customer_name=intent.customer.name,
        account_id=intent.account_id,
        account_label=intent.account.label,
        status=intent.status,
        status_text=intent.get_status_display(),
        reason=reason_text(intent.reason_code, intent.reason_params),
        symbol=intent.symbol if intent.symbol != signal.symbol else "",
        side=intent.side,
        quantity=intent.quantity,
        filled=filled,
        average_price=average_price,
        slippage=slippage_bps(
            side=intent.side, price=average_price, reference_price=intent.reference_price
        ),
        acknowledged_ms=_after(signal, min(acknowledged, default=None)),
        filled_ms=_after(signal, min(fills, default=None)),
        order_id=orders[-1].pk if orders else "",
        close_status=close.status if close else "",
        close_status_text=close.get_status_display() if close else "",
    )


def _executed(orders: Sequence[Order]) -> tuple[Decimal, Decimal | None]:
    """What all attempts together filled, and at which average price."""
    priced = [(o.filled_quantity, o.average_price) for o in orders if o.average_price is not None]
    filled = sum((order.filled_quantity for order in orders), Decimal(0))
    weight = sum((quantity for quantity, _price in priced), Decimal(0))
    if not weight:
        return plain(filled), None
    value = sum((quantity * price for quantity, price in priced), Decimal(0))
    # an average of several attempts may not end: eight significant places beyond need no more
    return plain(filled), plain(priced[0][1] if len(priced) == 1 else round(value / weight, 10))


def _after(signal: Signal, moment: datetime | None) -> int | None:
    """Milliseconds from our receiving the signal; the venue's clock may be off a little."""
    if moment is None:
        return None
    return round((moment - signal.received_at).total_seconds() * 1000)

"""A client's orders with their reasons: one row per decision, placed or not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Q, QuerySet

from customers.models import Customer
from trading.models import Fill, Intent, Order
from trading.order_texts import CREATED, action_text, order_step_text
from trading.reason_texts import reason_text
from trading.selectors.order_events import events_of

PAGE_SIZE = 25
Status = Intent.Status

# What a client chooses from → the states of a decision.
OUTCOMES: dict[str, tuple[Intent.Status, ...]] = {
    "working": (Status.WORKING, Status.UNKNOWN),
    "filled": (Status.FILLED, Status.PARTIAL),
    "skipped": (Status.SKIPPED,),
    "failed": (Status.REJECTED, Status.NOT_PLACED, Status.CANCELLED, Status.EXPIRED),
}


@dataclass(frozen=True, slots=True)
class OrderFilter:
    outcome: str = ""
    account_id: str = ""
    symbol: str = ""

    @property
    def is_set(self) -> bool:
        return bool(self.outcome or self.account_id or self.symbol)


@dataclass(frozen=True, slots=True)
class OrderRow:
    """A decision with what came of it. Amounts in the venue's unit."""

    intent: Intent
    orders: list[Order]

    @property
    def action(self) -> str:
        signal = self.intent.signal
        return action_text(
            symbol=self.intent.symbol,
            side=self.intent.side,
            is_entry=self.intent.is_entry,
            position_side=signal.side if signal else "",
        )

    @property
    def filled(self) -> Decimal:
        return sum((order.filled_quantity for order in self.orders), Decimal(0))

    @property
    def average_price(self) -> Decimal | None:
        """Over all attempts, by quantity."""
        parts = [order for order in self.orders if order.filled_quantity and order.average_price]
        quantity = sum((order.filled_quantity for order in parts), Decimal(0))
        if not quantity:
            return None
        value = sum(
            (o.filled_quantity * (o.average_price or Decimal(0)) for o in parts), Decimal(0)
        )
        return value / quantity

    @property
    def reason(self) -> str:
        return reason_text(self.intent.reason_code, self.intent.reason_params)


@dataclass(frozen=True, slots=True)
class OrderPage:
    rows: list[OrderRow]
    older: str
    """The `before` of the next page; empty on the last one."""


@dataclass(frozen=True, slots=True)
class TimelineStep:
    at: datetime
    kind: str
    text: str
    since_start: float
    """Seconds since the decision."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One order on the exchange with its fills."""

    order: Order
    steps: list[TimelineStep]
    fills: list[Fill]

    @property
    def reason(self) -> str:
        return reason_text(self.order.reason_code, self.order.reason_params)

    @property
    def begins_before_its_events(self) -> bool:
        """No event tells of the order's making."""
        return not self.steps or self.steps[0].kind != CREATED


def _of(customer: Customer) -> QuerySet[Intent]:
    return Intent.objects.for_customer(customer).select_related(
        "account", "subscription__strategy", "signal"
    )


def order_page(
    *, customer: Customer, chosen: OrderFilter, before: str = "", size: int = PAGE_SIZE
) -> OrderPage:
    """Newest first, from the row after `before` (an intent's id; an unknown one starts anew)."""
    rows = _of(customer)
    if chosen.outcome in OUTCOMES:
        rows = rows.filter(status__in=OUTCOMES[chosen.outcome])
    if chosen.account_id:
        rows = rows.filter(account_id=chosen.account_id)
    if chosen.symbol:
        rows = rows.filter(symbol__icontains=chosen.symbol)
    if before:
        last = Intent.objects.for_customer(customer).filter(pk=before).first()
        if last is not None:
            rows = rows.filter(
                Q(created_at__lt=last.created_at) | Q(created_at=last.created_at, id__lt=last.pk)
            )
    page = list(rows.prefetch_related("orders").order_by("-created_at", "-id")[: size + 1])
    more = len(page) > size
    page = page[:size]
    return OrderPage(
        rows=[_row(intent) for intent in page],
        older=page[-1].pk if more else "",
    )


def _row(intent: Intent) -> OrderRow:
    return OrderRow(intent, sorted(intent.orders.all(), key=lambda order: order.pk))


def order_row(*, customer: Customer, intent_id: str) -> OrderRow | None:
    intent = _of(customer).prefetch_related("orders").filter(pk=intent_id).first()
    return _row(intent) if intent else None


def order_attempts(row: OrderRow) -> list[Attempt]:
    """Every order of a decision, with what happened to it in the order of its events."""
    ids = [order.pk for order in row.orders]
    events = events_of(row.intent.tenant_id, row.orders)
    fills = Fill.objects.for_customer(row.intent.customer_id).filter(order_id__in=ids)
    by_order_fills = list(fills.order_by("filled_at"))
    start = row.intent.created_at
    return [
        Attempt(
            order=order,
            steps=[
                TimelineStep(
                    at=event.occurred_at,
                    kind=event.kind,
                    text=order_step_text(event.kind),
                    since_start=max(0.0, (event.occurred_at - start).total_seconds()),
                )
                for event in events[order.pk]
            ],
            fills=[fill for fill in by_order_fills if fill.order_id == order.pk],
        )
        for order in row.orders
    ]

"""One order's life, in the order in which it happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trading.models import Fill, Order, OrderEvent
from trading.selectors.order_events import events_of


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    at: datetime
    since_start_ms: int
    event: OrderEvent | None = None
    fill: Fill | None = None

    @property
    def state_text(self) -> str:
        """The state it led to, in words."""
        if self.event is None or self.event.to_state not in Order.State.values:
            return ""
        return str(Order.State(self.event.to_state).label)

    @property
    def numbers(self) -> list[tuple[str, Any]]:
        return sorted(self.event.details.items()) if self.event else []


def order_timeline(order: Order) -> list[TimelineEntry]:
    """Events and fills together, in two queries. At the same moment the event comes first."""
    events = events_of(order.tenant_id, [order])[order.pk]
    fills = Fill.objects.for_tenant(order.tenant_id).filter(order=order)
    entries = [
        *(_entry(order, event.occurred_at, event=event) for event in events),
        *(_entry(order, fill.filled_at, fill=fill) for fill in fills.order_by("id")),
    ]
    return sorted(entries, key=lambda entry: (entry.at, entry.event is None))


def _entry(order: Order, at: datetime, **what: Any) -> TimelineEntry:
    passed = round((at - order.created_at).total_seconds() * 1000)
    return TimelineEntry(at=at, since_start_ms=passed, **what)

"""Writing to the outbox. Call inside the transaction of what the event reports."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from customers.bulk_rows import rows_insert
from customers.models import Event


def staff_audience(tenant_id: str) -> str:
    return f"tenant:{tenant_id}"


def customer_audience(customer_id: str) -> str:
    return f"customer:{customer_id}"


@dataclass(frozen=True, slots=True)
class EventDraft:
    """An event to be. `payload` is JSON; amounts in it are strings."""

    tenant_id: str
    audience: str
    kind: str
    payload: dict[str, Any] = field(default_factory=dict)


def events_record(drafts: Iterable[EventDraft]) -> None:
    """Store events in one INSERT."""
    now = timezone.now()
    rows_insert(
        Event,
        [
            {
                "tenant_id": draft.tenant_id,
                "audience": draft.audience,
                "kind": draft.kind,
                "payload": draft.payload,
            }
            for draft in drafts
        ],
        same={"created_at": now},
    )

"""Reading the outbox of one audience. Needs the scope of the audience's tenant."""

from __future__ import annotations

from customers.domain.event_wire import NumberedEvent
from customers.models import AudienceCounter, Event


def audience_sequence(audience: str) -> int:
    """The last number given out; a page that shows what is there now continues from it."""
    counter = AudienceCounter.objects.filter(audience=audience).first()
    return counter.last_sequence if counter else 0


def events_between(*, audience: str, after: int, up_to: int) -> list[NumberedEvent]:
    """The stored events with after < sequence <= up_to, in order."""
    rows = Event.objects.filter(
        audience=audience, sequence__gt=after, sequence__lte=up_to
    ).order_by("sequence")
    return [
        NumberedEvent(
            id=row.id,
            tenant_id=row.tenant_id,
            audience=row.audience,
            sequence=row.sequence,
            kind=row.kind,
            payload=row.payload,
            created_at=row.created_at,
        )
        for row in rows
    ]

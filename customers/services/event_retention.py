"""Events are kept for thirty days: long enough for any client that comes back, not for ever."""

from __future__ import annotations

from datetime import datetime, timedelta

from customers.models import Event

KEPT_FOR = timedelta(days=30)
CHUNK = 2_000


def events_delete_old(*, now: datetime) -> int:
    """Delete what is older, in chunks that hold no lock for long. Needs the system scope.

    An event without a number is kept, however old: the relay has yet to hand it on.
    """
    deleted = 0
    while True:
        ids = list(
            Event.objects.filter(created_at__lt=now - KEPT_FOR, sequence__isnull=False)
            .order_by("created_at")
            .values_list("id", flat=True)[:CHUNK]
        )
        if not ids:
            return deleted
        count, _ = Event.objects.filter(id__in=ids).delete()
        deleted += count

"""Refused deliveries: a few rows for an auditor, never a way to fill the disk."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from signals_app.models import SignalSource, WebhookRejection

ROWS_PER_MINUTE = 20
UNKNOWN_SOURCE = "unknown"
KEPT_FOR = timedelta(days=90)
_DELETE_BATCH = 2_000


@dataclass
class _Minute:
    number: int
    rows: int = 0
    not_recorded: int = 0


class _Budget:
    """Rows per source and minute in this process. All unknown sources share one budget, so the
    table of budgets never grows beyond the sources that exist."""

    def __init__(self) -> None:
        self._minutes: dict[str, _Minute] = {}
        self._lock = threading.Lock()

    def take(self, reference: str) -> int | None:
        """None when this one is not to be recorded, else how many were not before it."""
        number = int(time.monotonic() // 60)
        with self._lock:
            minute = self._minutes.setdefault(reference, _Minute(number))
            if minute.number != number:
                minute.number, minute.rows = number, 0
            if minute.rows >= ROWS_PER_MINUTE:
                minute.not_recorded += 1
                return None
            minute.rows += 1
            missed, minute.not_recorded = minute.not_recorded, 0
            return missed

    def clear(self) -> None:
        with self._lock:
            self._minutes.clear()


budget = _Budget()


def rejection_record(
    *,
    source: SignalSource | None,
    code: str,
    delivery_id: str,
    ip_address: str | None,
    body: bytes | None,
    body_bytes: int,
) -> bool:
    """Keep a row about a refused delivery; False when there were too many this minute."""
    reference = source.pk if source is not None else UNKNOWN_SOURCE
    missed = budget.take(reference)
    if missed is None:
        return False
    WebhookRejection.objects.create(
        source_reference=reference,
        tenant_id=source.tenant_id if source is not None else None,
        code=code,
        delivery_id=delivery_id[:128],
        ip_address=ip_address,
        body_sha256=hashlib.sha256(body).hexdigest() if body is not None else "",
        body_bytes=body_bytes,
        not_recorded=missed,
        received_at=timezone.now(),
    )
    return True


def rejections_purge() -> int:
    """Delete rows older than KEPT_FOR, in batches; how many."""
    oldest_kept = timezone.now() - KEPT_FOR
    deleted = 0
    while True:
        old = list(
            WebhookRejection.objects.filter(received_at__lt=oldest_kept)
            .order_by("id")
            .values_list("id", flat=True)[:_DELETE_BATCH]
        )
        if not old:
            return deleted
        deleted += WebhookRejection.objects.filter(id__in=old).delete()[0]

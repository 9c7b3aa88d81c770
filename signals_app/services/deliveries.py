"""Deliveries in formats of others: stored as they come, before anybody looks into them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from customers.models import User
from customers.services.audit import audit_record
from customers.tenancy import system_scope, tenant_scope
from customers.wakeup import wake_on_commit
from signals_app.domain.intake_tokens import without_tokens
from signals_app.models import RawDelivery, SignalSource

MAX_DELIVERY_BYTES = 64 * 1024
KEPT_FOR = timedelta(days=30)
GRACE = timedelta(seconds=2)
"""Younger ones are left to their wake-up."""
_DELETE_BATCH = 2_000
_SWEEP_BATCH = 500
PARSE_TASK = "signals_app.tasks.deliveries_parse"


@dataclass(frozen=True, slots=True)
class Arrival:
    """What came over the wire, authenticated."""

    body: bytes
    content_type: str
    ip_address: str | None
    received_at: datetime
    delivery_id: str = ""


def delivery_store(*, source: SignalSource, arrival: Arrival) -> RawDelivery:
    """Keep it for good, without tokens, and wake its reader. One insert."""
    body = without_tokens(arrival.body)
    delivery = RawDelivery(
        tenant_id=source.tenant_id,
        source=source,
        received_at=arrival.received_at,
        due_at=arrival.received_at,
        content_type=arrival.content_type[:120],
        content_hash=hashlib.sha256(body).hexdigest(),
        body=body,
        body_bytes=len(body),
        delivery_id=arrival.delivery_id,
        ip_address=arrival.ip_address,
    )
    with tenant_scope(source.tenant_id), transaction.atomic():
        delivery.save(force_insert=True)
        wake_on_commit(PARSE_TASK, source_id=source.pk, tenant_id=source.tenant_id)
    return delivery


def delivery_replay(
    *, delivery: RawDelivery, actor: User | None, ip_address: str | None = None
) -> bool:
    """Read it again, as the source is set up now. False when it is not in quarantine any more.

    What made a signal is never read again, and what is read again has the same identity as
    before: one delivery gives each of its signals once.
    """
    now = timezone.now()
    with tenant_scope(delivery.tenant_id), transaction.atomic():
        rows = RawDelivery.objects.for_tenant(delivery.tenant_id).filter(pk=delivery.pk)
        won = rows.filter(
            state__in=(RawDelivery.State.QUARANTINED, RawDelivery.State.IGNORED)
        ).update(
            state=RawDelivery.State.PENDING,
            due_at=now,
            reason_code="",
            reason_params={},
            replays=delivery.replays + 1,
        )
        if not won:
            return False
        wake_on_commit(PARSE_TASK, source_id=delivery.source_id, tenant_id=delivery.tenant_id)
        audit_record(
            action="delivery.replayed",
            actor=actor,
            tenant_id=delivery.tenant_id,
            target=f"signals_app.rawdelivery:{delivery.pk}",
            ip_address=ip_address,
        )
    return True


def deliveries_due() -> list[tuple[str, str]]:
    """(tenant, source) with a delivery that waits for a reader."""
    now = timezone.now()
    with system_scope("sweep: deliveries to read"):
        rows = RawDelivery.objects.filter(
            state=RawDelivery.State.PENDING, due_at__lt=now, received_at__lt=now - GRACE
        )
        return list(rows.order_by().values_list("tenant_id", "source_id").distinct()[:_SWEEP_BATCH])


def deliveries_purge() -> int:
    """Delete those older than KEPT_FOR that nobody waits for, in batches; how many."""
    oldest_kept = timezone.now() - KEPT_FOR
    deleted = 0
    with system_scope("delete old deliveries"):
        while True:
            old = list(
                RawDelivery.objects.filter(received_at__lt=oldest_kept)
                .exclude(state=RawDelivery.State.PENDING)
                .order_by("id")  # nearly as they were received, and needs no index
                .values_list("id", flat=True)[:_DELETE_BATCH]
            )
            deleted += RawDelivery.objects.filter(id__in=old).delete()[0]
            if len(old) < _DELETE_BATCH:
                return deleted

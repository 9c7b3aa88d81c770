"""One answer per Idempotency-Key: claimed before the work, stored with it, replayed after."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from customers.models import ApiKey, IdempotencyRecord

KEPT_FOR = timedelta(hours=48)
# A process that died in the middle frees its claim after this; the work itself is idempotent.
CLAIM_LIFETIME = timedelta(seconds=60)
_DELETE_BATCH = 2_000


class IdempotencyInFlightError(Exception):
    """Another request with this key is being worked on."""


class IdempotencyMismatchError(Exception):
    """This key was used for another request."""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    status: int
    body: str


def idempotency_claim(
    *, api_key: ApiKey, key: str, request: bytes
) -> IdempotencyRecord | StoredAnswer:
    """The right to do the work, or the answer that it had. Raises the two errors above.

    Committed at once, so call it outside a transaction.
    """
    claim = IdempotencyRecord(
        tenant_id=api_key.tenant_id,
        api_key=api_key,
        key_hash=hashlib.sha256(key.encode()).hexdigest(),
        request_hash=hashlib.sha256(request).hexdigest(),
    )
    try:
        with transaction.atomic():
            claim.save(force_insert=True)
    except IntegrityError:
        return _existing(claim)
    return claim


def _existing(claim: IdempotencyRecord) -> IdempotencyRecord | StoredAnswer:
    existing: IdempotencyRecord | None = IdempotencyRecord.objects.filter(
        api_key_id=claim.api_key_id, key_hash=claim.key_hash
    ).first()
    if existing is None:  # given up this very moment; the sender may try again
        raise IdempotencyInFlightError
    if existing.request_hash != claim.request_hash:
        raise IdempotencyMismatchError
    if existing.response_status is not None:
        return StoredAnswer(status=existing.response_status, body=existing.response_body)
    now = timezone.now()
    if existing.created_at > now - CLAIM_LIFETIME:
        raise IdempotencyInFlightError
    taken_over = IdempotencyRecord.objects.filter(
        pk=existing.pk, created_at=existing.created_at, response_status=None
    ).update(created_at=now)
    if not taken_over:
        raise IdempotencyInFlightError
    return existing


def idempotency_store(*, claim: IdempotencyRecord, status: int, body: str) -> None:
    """Keep the answer, in the transaction of the work."""
    IdempotencyRecord.objects.filter(pk=claim.pk).update(response_status=status, response_body=body)


def idempotency_release(*, claim: IdempotencyRecord) -> None:
    """The work was refused and changed nothing: the key may be used again."""
    IdempotencyRecord.objects.filter(pk=claim.pk, response_status=None).delete()


def idempotency_purge() -> int:
    """Delete records older than KEPT_FOR, in batches; how many. Needs the system scope."""
    oldest_kept = timezone.now() - KEPT_FOR
    deleted = 0
    while True:
        old = list(
            IdempotencyRecord.objects.filter(created_at__lt=oldest_kept).values_list(
                "id", flat=True
            )[:_DELETE_BATCH]
        )
        if not old:
            return deleted
        deleted += IdempotencyRecord.objects.filter(id__in=old).delete()[0]

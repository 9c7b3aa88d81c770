"""The audit log: who did what, as a chain of hashes.

Every entry's hash covers the hash before it, so that a changed, inserted or removed row shows.
The number of the last entry is kept in another table (a chain alone does not notice that its end
was cut off), and every hash goes to the process log as well, which lives elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.ipv6 import clean_ipv6_address

from customers.models import AudienceCounter, AuditEntry, User

logger = logging.getLogger(__name__)

CHAIN_COUNTER = "audit"
FIRST_PREVIOUS_HASH = "0" * 64
SYSTEM_LABEL = "system"


@dataclass(frozen=True, slots=True)
class AuditCheck:
    """The result of walking the chain. `broken_at` is the first sequence that does not fit."""

    entries: int
    broken_at: int | None = None
    problem: str = ""

    @property
    def is_intact(self) -> bool:
        return self.broken_at is None


@transaction.atomic
def audit_record(
    *,
    action: str,
    actor: User | None,
    tenant_id: str | None,
    target: str = "",
    details: Mapping[str, Any] | None = None,
    ip_address: str | None = None,
) -> AuditEntry:
    """Append an entry, in the transaction of what it records. No secrets, no floats in `details`.

    Appends wait for each other from here until their transaction ends, so call it last.
    """
    AudienceCounter.objects.get_or_create(audience=CHAIN_COUNTER)
    counter = AudienceCounter.objects.select_for_update().get(audience=CHAIN_COUNTER)
    previous = AuditEntry.objects.filter(sequence=counter.last_sequence).first()
    entry = AuditEntry(
        sequence=counter.last_sequence + 1,
        tenant_id=tenant_id,
        actor=actor,
        actor_label=actor.email if actor else SYSTEM_LABEL,
        action=action,
        target=target,
        details=dict(details or {}),
        ip_address=_normal_address(ip_address),
        created_at=timezone.now(),
        previous_hash=previous.entry_hash if previous else FIRST_PREVIOUS_HASH,
    )
    entry.entry_hash = _hash(entry)
    entry.save(force_insert=True)
    counter.last_sequence = entry.sequence
    counter.save(update_fields=["last_sequence"])
    logger.info("audit %s %s %s", entry.sequence, entry.action, entry.entry_hash)
    return entry


def audit_verify() -> AuditCheck:
    """Walk the whole chain; stops at the first entry that was changed, removed or added."""
    previous_hash, sequence = FIRST_PREVIOUS_HASH, 0
    for entry in AuditEntry.objects.order_by("sequence").iterator(chunk_size=1000):
        if entry.sequence != sequence + 1:
            return AuditCheck(sequence, sequence + 1, "missing")
        if entry.previous_hash != previous_hash or entry.entry_hash != _hash(entry):
            return AuditCheck(sequence, entry.sequence, "changed")
        previous_hash, sequence = entry.entry_hash, entry.sequence
    counter = AudienceCounter.objects.filter(audience=CHAIN_COUNTER).first()
    if counter is not None and counter.last_sequence != sequence:
        return AuditCheck(sequence, sequence + 1, "cut off")
    return AuditCheck(sequence)


def _hash(entry: AuditEntry) -> str:
    content = [
        entry.sequence,
        entry.tenant_id,
        entry.actor_id,
        entry.actor_label,
        entry.action,
        entry.target,
        entry.details,
        entry.ip_address,
        entry.created_at.isoformat(),
        entry.previous_hash,
    ]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _normal_address(ip_address: str | None) -> str | None:
    """As the database will give it back, so that the hash still fits when it is read."""
    if ip_address and ":" in ip_address:
        return clean_ipv6_address(ip_address)
    return ip_address or None

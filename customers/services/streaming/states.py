"""What the screens show of streams, written in bulk by the streamer that has them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from customers.bulk_rows import rows_upsert
from customers.models import StreamState
from customers.tenancy import system_scope, tenant_scope


@dataclass(frozen=True, slots=True)
class StateChange:
    tenant_id: str
    kind: str
    subject_id: str
    lease: str
    state: str
    since: datetime
    trouble: str
    detail: str
    refused_mark: str
    connection_id: str


def states_store(changes: Iterable[StateChange]) -> None:
    """One statement a tenant."""
    now = timezone.now()
    rows: dict[str, list[StreamState]] = defaultdict(list)
    for change in changes:
        rows[change.tenant_id].append(
            StreamState(
                tenant_id=change.tenant_id,
                kind=change.kind,
                subject_id=change.subject_id,
                lease=change.lease,
                state=change.state,
                since=change.since,
                trouble=change.trouble,
                detail=change.detail[:200],
                refused_mark=change.refused_mark,
                connection_id=change.connection_id,
                changed_at=now,
            )
        )
    for tenant_id, states in rows.items():
        with tenant_scope(tenant_id):
            rows_upsert(StreamState, states, ["kind", "subject_id"], _CHANGING)


_CHANGING = [
    "lease",
    "state",
    "since",
    "trouble",
    "detail",
    "refused_mark",
    "connection_id",
    "changed_at",
]


def refused_marks(leases: Iterable[str]) -> dict[tuple[str, str], str]:
    """(kind, subject) → the key that was refused, of subjects whose shards have these leases."""
    with system_scope("streamer: keys that venues refused"):
        rows = StreamState.objects.filter(lease__in=list(leases)).exclude(refused_mark="")
        found = rows.values_list("kind", "subject_id", "refused_mark")
        return {(kind, subject_id): mark for kind, subject_id, mark in found}

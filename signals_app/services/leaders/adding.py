"""Making a leader together with the source that it speaks for."""

from __future__ import annotations

from django.db import transaction

from customers.wakeup import wake_on_commit
from signals_app.models import Leader, SignalSource


@transaction.atomic
def leader_source_save(
    *, leader: Leader, name: str, kind: str, venue: str, signal_lifetime_seconds: int
) -> Leader:
    """Store a leader and its source. Kind and venue of one that is there stay as they are."""
    if leader._state.adding:
        leader.source = SignalSource.objects.create(
            tenant_id=leader.tenant_id,
            name=name,
            kind=kind,
            venue=venue,
            signal_lifetime_seconds=signal_lifetime_seconds,
        )
    else:
        SignalSource.objects.for_tenant(leader.tenant_id).filter(pk=leader.source_id).update(
            name=name, signal_lifetime_seconds=signal_lifetime_seconds
        )
    leader.save()
    wake_on_commit(
        "signals_app.tasks.leader_check", leader_id=leader.pk, tenant_id=leader.tenant_id
    )
    return leader

"""Which leaders are due to be read, and old rows to forget."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

from django.utils import timezone

from customers.models import StreamState, Tenant
from customers.selectors.streams import held_leases
from customers.tenancy import TenantQuerySet, system_scope
from signals_app.models import Leader, LeaderOrder, LeaderTrade
from signals_app.services.leaders.streaming import KIND

SECOND_OPINION = timedelta(seconds=30)
"""A leader that is heard by stream is compared with its venue so often all the same."""
TRADES_KEPT = timedelta(days=30)
"""Much longer than trades are asked for again: by these rows they are known again."""
_DELETE_BATCH = 2_000

Due = dict[str, list[str]]
"""Ids by tenant."""


def leaders_due() -> Due:
    """Public lead traders, leaders without a live stream, and the others from time to time."""
    now = timezone.now()
    due: Due = defaultdict(list)
    with system_scope("sweep: leaders to read"):
        live = StreamState.objects.filter(kind=KIND, state=StreamState.State.LIVE)
        streams = list(live.values_list("subject_id", "lease"))
        held = held_leases(lease for _, lease in streams)
        heard = {subject_id for subject_id, lease in streams if lease in held}
        rows = Leader.objects.filter(source__tenant__status=Tenant.Status.ACTIVE).values_list(
            "tenant_id", "pk", "poll_seconds", "tried_at"
        )
        for tenant_id, pk, poll_seconds, tried_at in rows:
            pause = timedelta(seconds=poll_seconds)
            if pk in heard:
                pause = max(pause, SECOND_OPINION)
            if tried_at is None or tried_at <= now - pause:
                due[tenant_id].append(pk)
    return due


def leader_trades_purge() -> int:
    """Delete trades, and orders that ended, older than TRADES_KEPT, in batches; how many."""
    oldest_kept = timezone.now() - TRADES_KEPT
    with system_scope("old trades and orders of leaders"):
        return _purge(LeaderTrade.objects.filter(filled_at__lt=oldest_kept)) + _purge(
            LeaderOrder.objects.filter(ended_at__lt=oldest_kept)
        )


def _purge(old: TenantQuerySet) -> int:
    deleted = 0
    while True:
        # The oldest ids are found first: no index is needed for it.
        ids = list(old.order_by("id").values_list("id", flat=True)[:_DELETE_BATCH])
        deleted += old.filter(id__in=ids).delete()[0]
        if len(ids) < _DELETE_BATCH:
            return deleted

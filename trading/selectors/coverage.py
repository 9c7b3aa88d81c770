"""How far a signal got with its followers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count

from signals_app.models import Signal
from trading.models import Intent


@dataclass(frozen=True, slots=True)
class Coverage:
    """Numbers of followers by the state of what became of them; planned = their sum."""

    followers: int
    planned: int
    filled: int = 0
    partial: int = 0
    working: int = 0
    unknown: int = 0
    skipped: int = 0
    rejected: int = 0
    not_placed: int = 0
    cancelled: int = 0
    expired: int = 0

    @property
    def is_settled(self) -> bool:
        """Nothing is planned, sent or looked up any more (a partial fill may still work on)."""
        return self.planned >= self.followers and self.working == 0 and self.unknown == 0


def signal_coverage(signal: Signal) -> Coverage:
    """Counts a follower once: for a flip by its entry leg, when there is one."""
    counts: dict[str, int] = dict(
        Intent.objects.for_tenant(signal.tenant_id)
        .filter(signal=signal, leg=0)
        .values_list("status")
        .annotate(Count("id"))
    )
    return Coverage(followers=signal.followers, planned=sum(counts.values()), **counts)


def coverage_by_signal(
    signals: Sequence[Signal], *, partner_id: str | None = None
) -> dict[str, Coverage]:
    """The coverage of several signals in one query; with a partner, of its customers alone.

    How many customers of a partner will be planned is not known before they are, so there
    `followers` is `planned`.
    """
    rows = Intent.objects.filter(signal_id__in=[signal.pk for signal in signals], leg=0)
    if partner_id is not None:
        rows = rows.filter(customer__partner_id=partner_id)
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for signal_id, status, count in rows.values_list("signal_id", "status").annotate(Count("id")):
        counts[signal_id][status] = count
    coverage = {}
    for signal in signals:
        planned = sum(counts[signal.pk].values())
        followers = signal.followers if partner_id is None else planned
        coverage[signal.pk] = Coverage(followers, planned, **counts[signal.pk])
    return coverage

"""How far a signal got with its followers."""

from __future__ import annotations

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

"""How far a signal would go, before it is sent."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count

from signals_app.models import SignalSource
from strategies.models import Strategy, Subscription


@dataclass(frozen=True, slots=True)
class Reach:
    """`paused` follow exits only; `not_copied` are of strategies that leave this symbol out."""

    strategies: int
    active: int
    paused: int
    not_copied: int


def signal_reach(*, source: SignalSource, symbol: str) -> Reach:
    """Counts the copies that a signal of this source in this symbol would come to."""
    strategies = Strategy.objects.for_tenant(source.tenant_id).filter(source=source)
    open_for_it: dict[str, bool] = {
        strategy.pk: not strategy.symbols or symbol in strategy.symbols
        for strategy in strategies.exclude(status=Strategy.Status.CLOSED)
    }
    counts = (
        Subscription.objects.for_tenant(source.tenant_id)
        .filter(strategy__in=list(open_for_it))
        .exclude(status=Subscription.Status.STOPPED)
        .order_by()
        .values_list("strategy_id", "status")
        .annotate(Count("id"))
    )
    active = paused = not_copied = 0
    for strategy_id, status, count in counts:
        if not open_for_it[strategy_id]:
            not_copied += count
        elif status == Subscription.Status.ACTIVE:
            active += count
        else:
            paused += count
    return Reach(
        strategies=sum(open_for_it.values()), active=active, paused=paused, not_copied=not_copied
    )

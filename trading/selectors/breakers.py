"""Circuit breakers and alerts, for a reader."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q

from customers.models import Tenant
from strategies.models import Strategy
from trading.models import Alert, Breaker


@dataclass(frozen=True, slots=True)
class NamedBreaker:
    """One breaker with the name of what it stops."""

    breaker: Breaker
    name: str


def open_breakers(tenant: Tenant | None) -> list[NamedBreaker]:
    """Those that stop something of this tenant, venues first; None: of all tenants.

    Run it in a scope that sees the tenant's strategies.
    """
    rows = Breaker.objects.filter(is_open=True)
    if tenant is not None:
        rows = rows.filter(Q(tenant=tenant) | Q(tenant=None))
    return named_breakers(sorted(rows, key=lambda row: (row.level != Breaker.Level.VENUE, row.pk)))


def named_breakers(breakers: list[Breaker]) -> list[NamedBreaker]:
    """Adds the names of strategies, in one query however many there are."""
    ids = [row.subject_id for row in breakers if row.level == Breaker.Level.STRATEGY]
    names: dict[str, str] = {}
    if ids:
        names = dict(Strategy.objects.filter(pk__in=ids).values_list("pk", "name"))
    return [NamedBreaker(row, names.get(row.subject_id, row.subject_id)) for row in breakers]


def breaker_of_strategy(strategy_id: str) -> Breaker | None:
    return Breaker.objects.filter(level=Breaker.Level.STRATEGY, subject_id=strategy_id).first()


def open_alerts(tenant: Tenant | None, limit: int = 10) -> list[Alert]:
    """What lasts, the newest first; None: of all tenants that the scope sees."""
    rows = Alert.objects.select_related("tenant").filter(open_key__isnull=False)
    if tenant is not None:
        rows = rows.filter(tenant=tenant)
    return list(rows.order_by("-id")[:limit])

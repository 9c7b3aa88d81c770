"""What an operator sees first. Every function runs a fixed number of queries."""

from __future__ import annotations

from dataclasses import dataclass

from customers.models import ExchangeAccount, Tenant
from signals_app.models import Signal
from trading.models import Order
from trading.selectors.coverage import Coverage, coverage_by_signal

RECENT_SIGNALS = 12
LISTED_ROWS = 10


@dataclass(frozen=True, slots=True)
class SignalSummary:
    signal: Signal
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class Listed:
    """The first few rows of something, and whether there are more."""

    rows: list
    has_more: bool


def recent_signals(tenant: Tenant | None) -> list[SignalSummary]:
    """The newest signals with their coverage; None: of all tenants that the scope sees."""
    signals = Signal.objects.select_related("source", "tenant")
    if tenant is not None:
        signals = signals.filter(tenant=tenant)
    newest = list(signals.order_by("-id")[:RECENT_SIGNALS])
    coverage = coverage_by_signal(newest)
    return [SignalSummary(signal, coverage[signal.pk]) for signal in newest]


def unhealthy_accounts(tenant: Tenant | None) -> Listed:
    rows = ExchangeAccount.objects.select_related("customer").filter(
        health=ExchangeAccount.Health.UNHEALTHY, status=ExchangeAccount.Status.ACTIVE
    )
    if tenant is not None:
        rows = rows.filter(tenant=tenant)
    return _listed(rows.order_by("-health_checked_at", "id"))


def unknown_orders(tenant: Tenant | None) -> Listed:
    rows = Order.objects.select_related("account__customer").filter(state=Order.State.UNKNOWN)
    if tenant is not None:
        rows = rows.filter(tenant=tenant)
    return _listed(rows.order_by("id"))


def _listed(rows) -> Listed:  # type: ignore[no-untyped-def]
    found = list(rows[: LISTED_ROWS + 1])
    return Listed(rows=found[:LISTED_ROWS], has_more=len(found) > LISTED_ROWS)

"""Staff are told of books that go on differing, and of findings that wait for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from django.db.models import Count, Min
from django.utils import timezone

from customers.models import ExchangeAccount
from customers.tenancy import system_scope, tenant_scope
from trading.domain.alerts import AlertCode
from trading.models import AccountBooks, Alert, Finding
from trading.services.alerts import alert_raise, alert_resolve

PATIENCE = timedelta(minutes=3)
"""Longer than a second look takes."""


def books_alert() -> None:
    """Raise or end both alerts of every firm."""
    with system_scope("alert: books that differ, findings that wait"):
        differing = list(
            AccountBooks.objects.filter(differs_since__lt=timezone.now() - PATIENCE)
            .exclude(account__status=ExchangeAccount.Status.CLOSED)
            .values_list("tenant_id")
            .annotate(accounts=Count("pk"), since=Min("differs_since"))
        )
        waiting = list(
            Finding.objects.filter(state=Finding.State.OPEN)
            .values_list("tenant_id")
            .annotate(findings=Count("pk"), since=Min("first_seen_at"))
        )
    minutes = f"{PATIENCE.total_seconds() / 60:.0f}"
    _tell(
        AlertCode.BOOKS_DIFFER,
        {
            tenant_id: {"accounts": str(count), "since": f"{since:%F %T}", "minutes": minutes}
            for tenant_id, count, since in differing
        },
    )
    _tell(
        AlertCode.FINDINGS_OPEN,
        {
            tenant_id: {"findings": str(count), "since": f"{since:%F %T}"}
            for tenant_id, count, since in waiting
        },
    )


def _tell(code: AlertCode, params_of_tenant: Mapping[str, Mapping[str, str]]) -> None:
    with system_scope("alert: firms that were told"):
        told = set(
            Alert.objects.filter(code=code, open_key__isnull=False).values_list(
                "tenant_id", flat=True
            )
        )
    for tenant_id, params in params_of_tenant.items():
        with tenant_scope(tenant_id):
            alert_raise(tenant_id=tenant_id, code=code, subject="", params=params)
    for tenant_id in told - set(params_of_tenant):
        with tenant_scope(tenant_id):
            alert_resolve(tenant_id=tenant_id, code=code, subject="")

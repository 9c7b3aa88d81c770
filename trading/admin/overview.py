"""The console's start page, and what is on every page."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from customers.admin_pages import access_of
from customers.console import register_page
from customers.selectors.access import staff_tenants
from trading.admin.breakers import breaker_text
from trading.admin.coverage_bars import coverage_segments
from trading.alert_texts import alert_text
from trading.reason_texts import reason_text
from trading.selectors.breakers import open_alerts, open_breakers
from trading.selectors.controls import halts_in_force
from trading.selectors.dashboard import recent_signals, unhealthy_accounts, unknown_orders


def console_context(request: HttpRequest) -> dict[str, Any]:
    """For every page of the console (UNFOLD["GLOBAL_CALLBACK"])."""
    access = access_of(request)
    if not access.may_enter:
        return {}
    return {
        "console_halts": halts_in_force(access.tenant),
        "console_breakers": [
            (named, breaker_text(named.breaker)) for named in open_breakers(access.tenant)
        ],
        "console_tenant": access.tenant,
        "console_tenants": staff_tenants(request.user),
        "console_is_platform": access.is_platform,
    }


def overview_context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """For the start page (UNFOLD["DASHBOARD_CALLBACK"])."""
    return {**context, **_overview(request)}


def overview_view(request: HttpRequest) -> HttpResponse:
    """The start page's content alone, for its live refresh."""
    return TemplateResponse(request, "admin/console/overview.html", _overview(request))


def _overview(request: HttpRequest) -> dict[str, Any]:
    tenant = access_of(request).tenant
    accounts = unhealthy_accounts(tenant)
    return {
        "signals": [
            (summary, coverage_segments(summary.coverage)) for summary in recent_signals(tenant)
        ],
        "unhealthy": accounts,
        "unhealthy_rows": [
            (account, reason_text(account.health_code, account.health_params))
            for account in accounts.rows
        ],
        "unknown": unknown_orders(tenant),
        "halts": halts_in_force(tenant),
        "alerts": [(alert, alert_text(alert.code, alert.params)) for alert in open_alerts(tenant)],
        "overview_url": reverse("admin:overview"),
    }


register_page("overview/", overview_view, name="overview")

"""The client's orders: a list to filter and to page through, and one order's whole story."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from customers.models import ExchangeAccount
from customers.portal_access import ClientRequest, client_page
from trading.selectors.order_history import (
    OUTCOMES,
    OrderFilter,
    order_attempts,
    order_page,
    order_row,
)

OUTCOME_LABELS = {
    "": _("All"),
    "working": _("In progress"),
    "filled": _("Filled"),
    "skipped": _("Skipped"),
    "failed": _("Not executed"),
}


@require_safe
@client_page
def order_list(request: ClientRequest) -> HttpResponse:
    accounts = list(ExchangeAccount.objects.for_customer(request.customer).order_by("id"))
    chosen = _chosen(request, {account.pk for account in accounts})
    page = order_page(
        customer=request.customer, chosen=chosen, before=request.GET.get("before", "")
    )
    query = {
        "outcome": chosen.outcome,
        "account": chosen.account_id,
        "symbol": chosen.symbol,
    }
    context = {
        "page": page,
        "chosen": chosen,
        "accounts": accounts,
        "outcomes": OUTCOME_LABELS,
        "filter_query": urlencode({name: value for name, value in query.items() if value}),
        "is_first": not request.GET.get("before"),
    }
    if request.htmx and request.htmx.target == "order-list":
        return render(request, "portal/parts/order_list.html", context)
    if request.htmx and request.htmx.trigger == "older-orders":
        return render(request, "portal/parts/order_rows.html", context)
    return render(request, "portal/orders.html", context)


def _chosen(request: ClientRequest, account_ids: set[str]) -> OrderFilter:
    """Values that do not exist choose nothing."""
    outcome = request.GET.get("outcome", "")
    account_id = request.GET.get("account", "")
    return OrderFilter(
        outcome=outcome if outcome in OUTCOMES else "",
        account_id=account_id if account_id in account_ids else "",
        symbol=request.GET.get("symbol", "").strip()[:48],
    )


@require_safe
@client_page
def order_detail(request: ClientRequest, intent_id: str) -> HttpResponse:
    row = order_row(customer=request.customer, intent_id=intent_id)
    if row is None:
        raise Http404
    context = {"row": row, "intent": row.intent, "attempts": order_attempts(row)}
    if request.htmx and request.htmx.target == "order-detail":
        return render(request, "portal/parts/order_detail.html", context)
    return render(request, "portal/order_detail.html", context)

"""The client's orders: a list to filter and to page through, and one order's whole story."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from customers.models import ExchangeAccount
from customers.portal_access import ClientRequest, client_address, client_page
from trading.entry_change_form import EntryAmendForm, amend_initial
from trading.models import Order
from trading.portal.copies import PortalText
from trading.selectors.order_history import (
    OUTCOMES,
    OrderFilter,
    OrderRow,
    order_attempts,
    order_page,
    order_row,
)
from trading.services.entry_changes import (
    Asker,
    EntryChangeRefusedError,
    entry_amend,
    entry_withdraw,
    later_slices,
    may_amend,
    may_withdraw,
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
    latest = row.orders[-1] if row.orders else None
    context = {
        "row": row,
        "intent": row.intent,
        "attempts": order_attempts(row),
        "may_cancel": latest is not None and may_withdraw(latest) and not latest.withdrawn_by,
        "may_change": latest is not None and may_amend(latest),
        "later": 0 if latest is None else later_slices(latest).count(),
    }
    if request.htmx and request.htmx.target == "order-detail":
        return render(request, "portal/parts/order_detail.html", context)
    return render(request, "portal/order_detail.html", context)


class PortalAmendForm(EntryAmendForm):
    amount_widget = PortalText


@require_http_methods(["GET", "HEAD", "POST"])
@client_page
def order_cancel(request: ClientRequest, intent_id: str) -> HttpResponse:
    """Asks first (GET), then has the waiting entry cancelled (POST)."""
    row, order = _waiting(request, intent_id)
    if request.method == "POST":
        try:
            entry_withdraw(order=order, asker=_asker(request))
        except EntryChangeRefusedError as refused:
            messages.error(request, refused.message)
        else:
            messages.success(request, _("The order is being cancelled."))
        return redirect("portal:order", intent_id)
    context = {"row": row, "order": order, "later": later_slices(order).count()}
    return render(request, "portal/order_cancel.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@client_page
def order_change(request: ClientRequest, intent_id: str) -> HttpResponse:
    """A waiting entry's new price and size."""
    row, order = _waiting(request, intent_id)
    form = PortalAmendForm(request.POST or None, initial=amend_initial(order))
    if request.method == "POST" and form.is_valid():
        found = form.cleaned_data
        try:
            entry_amend(
                order=order,
                price=found["price"],
                quantity=found["quantity"],
                asker=_asker(request),
            )
        except EntryChangeRefusedError as refused:
            form.add_error(None, refused.message)
        else:
            messages.success(request, _("The order is being changed."))
            return redirect("portal:order", intent_id)
    context = {"row": row, "order": order, "form": form}
    return render(request, "portal/order_change.html", context)


def _waiting(request: ClientRequest, intent_id: str) -> tuple[OrderRow, Order]:
    """The client's own entry, and the order that stands for it now."""
    row = order_row(customer=request.customer, intent_id=intent_id)
    if row is None or not row.orders or not row.intent.is_entry:
        raise Http404
    return row, row.orders[-1]


def _asker(request: ClientRequest) -> Asker:
    return Asker(request.user, Order.WithdrawnBy.CLIENT, client_address(request))

"""The first page, and the parts of it that refresh by themselves."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from customers.models import Customer, ExchangeAccount
from customers.portal_access import ClientRequest, client_page
from customers.selectors.streams import stream_views
from trading.risk_texts import action_done_text, action_found_text
from trading.selectors.account_changes import account_changes
from trading.selectors.feed import feed_lines
from trading.selectors.order_history import OrderFilter, order_page
from trading.selectors.portfolio import (
    account_states,
    customer_copies,
    held_positions,
    portfolio_summary,
)
from trading.selectors.risk import customer_risk, customer_risk_actions
from trading.services.streams.kind import ACCOUNT_KIND

RECENT_ORDERS = 8


def _numbers(customer: Customer) -> dict[str, Any]:
    accounts, positions = account_states(customer), held_positions(customer)
    copies = customer_copies(customer)
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    return {
        "accounts": accounts,
        "positions": positions,
        "copies": copies,
        "summary": portfolio_summary(
            customer=customer,
            accounts=accounts,
            positions=positions,
            copies=copies,
            today_from=midnight,
        ),
    }


def _orders(customer: Customer) -> dict[str, Any]:
    return {
        "page": order_page(customer=customer, chosen=OrderFilter(), size=RECENT_ORDERS),
        "compact": True,
    }


def _feed(customer: Customer) -> dict[str, Any]:
    return {"lines": feed_lines(customer)}


PARTS = {
    "numbers": ("portal/parts/numbers.html", _numbers),
    "positions": ("portal/parts/positions.html", lambda c: {"positions": held_positions(c)}),
    "orders": ("portal/parts/order_table.html", _orders),
    "feed": ("portal/parts/feed.html", _feed),
}


@require_safe
@client_page
def home(request: ClientRequest) -> HttpResponse:
    customer = request.customer
    context = {
        **_numbers(customer),
        **_orders(customer),
        **_feed(customer),
    }
    return render(request, "portal/home.html", context)


@require_safe
@client_page
def part(request: ClientRequest, name: str) -> HttpResponse:
    """A part of a page, for its refresh after an event."""
    if name not in PARTS:
        raise Http404
    template, context = PARTS[name]
    return render(request, template, context(request.customer))


@require_safe
@client_page
def positions(request: ClientRequest) -> HttpResponse:
    context = {"positions": held_positions(request.customer)}
    return render(request, "portal/positions.html", context)


@require_safe
@client_page
def account(request: ClientRequest, account_id: str) -> HttpResponse:
    found = next(
        (state for state in account_states(request.customer) if state.account.pk == account_id),
        None,
    )
    if found is None:
        raise Http404
    row: ExchangeAccount = found.account
    copies = [copy for copy in customer_copies(request.customer) if copy.account_id == row.pk]
    context = {
        "state": found,
        "positions": held_positions(request.customer, account=row),
        "on_exchange": row.positions.for_customer(request.customer).order_by("symbol"),
        "copies": copies,
        "changes": account_changes(request.customer, row),
        "risk": customer_risk(request.customer, row),
        "risk_actions": [
            (action, action_found_text(action), action_done_text(action))
            for action in customer_risk_actions(request.customer, row)
        ],
        "stream": stream_views(row.tenant_id, ACCOUNT_KIND, [row.pk])[row.pk],
    }
    return render(request, "portal/account.html", context)

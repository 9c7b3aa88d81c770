"""Who may see a portal page."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.cache import add_never_cache_headers, patch_vary_headers

from customers.models import Customer, User
from customers.selectors.access import staff_tenants
from customers.selectors.events import audience_sequence
from customers.services.events import customer_audience


class ClientRequest(HttpRequest):
    """A request that `client_page` let through. For type checking only."""

    user: User
    customer: Customer
    htmx: Any
    live_sequence: int


def client_page(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """For a client, in the customer's scope. Staff are sent to their console; a login that may do
    nothing here is told so (403)."""

    @wraps(view)
    def guarded(request: ClientRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return _to_login(request)
        if request.customer is None:
            if request.user.is_superuser or staff_tenants(request.user):
                return redirect("admin:index")
            raise PermissionDenied
        if not request.htmx:
            # First the number, then the state: what happens in between is told again, not missed.
            request.live_sequence = audience_sequence(customer_audience(request.customer.pk))
        response = view(request, *args, **kwargs)
        # Balances stay in no cache; the same address answers a page or a part of one.
        add_never_cache_headers(response)
        response["Cache-Control"] += ", no-store"
        patch_vary_headers(response, ["HX-Request"])
        return response

    return guarded


def _to_login(request: ClientRequest) -> HttpResponse:
    """A fragment's request must move the whole page, not fill a card with the login form."""
    target = request.htmx.current_url_abs_path if request.htmx else request.get_full_path()
    response = redirect_to_login(target or "/")
    if request.htmx:
        return HttpResponse(headers={"HX-Redirect": response["Location"]})
    return response


def client_address(request: HttpRequest) -> str | None:
    return request.META.get("REMOTE_ADDR") or None

"""Puts each browser request into its tenant's scope.

Whom the login may act for is read again on every request, so that a removed membership ends at
once. Synchronous on purpose: every page is a synchronous view, and an asynchronous link in front
of one would only add a change of thread.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from customers.models import Customer, Membership, Tenant
from customers.selectors.access import (
    CUSTOMER_SESSION_KEY,
    TENANT_SESSION_KEY,
    chosen_among,
    client_customers,
    staff_tenants,
)
from customers.selectors.time_zones import zone_of
from customers.tenancy import system_scope, tenant_scope

# They find their tenant by themselves (from a source or an API key), or touch no tenant's rows.
UNSCOPED_PREFIXES = ("/hooks/", "/api/", "/static/", "/i18n/", "/health/", "/metrics")


class TenantMiddleware:
    """Sets `tenant`, `membership` (staff) and `customer` (client) on the request.

    In the operator console the tenant is the one that the staff user works in; everywhere else it
    is that of the customer that the login acts for. A login that may do neither gets no scope: the
    page itself says so, and a query that is made nevertheless fails.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.tenant = None  # type: ignore[attr-defined]
        request.membership = None  # type: ignore[attr-defined]
        request.customer = None  # type: ignore[attr-defined]
        if request.path_info.startswith(UNSCOPED_PREFIXES) or not request.user.is_authenticated:
            return self.get_response(request)
        with ExitStack() as stack:
            find_scope = _staff_scope if is_console(request) else _client_scope
            scope = find_scope(request)
            if scope is not None:
                stack.enter_context(scope)
            tenant: Tenant | None = request.tenant  # type: ignore[attr-defined]
            if tenant is not None:
                stack.enter_context(timezone.override(zone_of(tenant)))
            return self.get_response(request)


def is_console(request: HttpRequest) -> bool:
    """Whether this is a page of the operator console."""
    try:
        return request.path_info.startswith(reverse("admin:index"))
    except NoReverseMatch:
        return False


def _staff_scope(request: HttpRequest) -> AbstractContextManager[None] | None:
    user = request.user
    choice = request.session.get(TENANT_SESSION_KEY)
    tenant: Tenant | None = chosen_among(staff_tenants(user), choice)
    # a superuser works in one tenant only when he chose it
    picked = tenant is not None and tenant.pk == choice
    if user.is_superuser and user.is_active and not picked:
        return system_scope(f"platform-wide console of {user.pk}")
    if tenant is None:
        return None
    request.tenant = tenant  # type: ignore[attr-defined]
    with tenant_scope(tenant.pk):
        request.membership = (  # type: ignore[attr-defined]
            Membership.objects.for_tenant(tenant).filter(user=user).first()
        )
    return tenant_scope(tenant.pk)


def _client_scope(request: HttpRequest) -> AbstractContextManager[None] | None:
    customers = client_customers(request.user)
    customer: Customer | None = chosen_among(customers, request.session.get(CUSTOMER_SESSION_KEY))
    request.customers = customers  # type: ignore[attr-defined]  # for the menu
    if customer is None:
        return None
    request.customer = customer  # type: ignore[attr-defined]
    request.tenant = customer.tenant  # type: ignore[attr-defined]
    return tenant_scope(customer.tenant_id)

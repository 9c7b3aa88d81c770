"""Whom a login may act for: staff for tenants, a client for customers.

The choice is kept in the session under these keys. A choice that is not (or no longer) allowed
counts as none, so that the first allowed one is used; the browser never decides by itself.
"""

from __future__ import annotations

from typing import Any, Protocol

from customers.models import Customer, Tenant, User
from customers.tenancy import system_scope

TENANT_SESSION_KEY = "tenant_id"
CUSTOMER_SESSION_KEY = "customer_id"


class SessionLike(Protocol):
    def get(self, key: str, default: Any = None) -> Any: ...


def staff_tenants(user: Any) -> list[Tenant]:
    """The active tenants whose console this user may enter, by name; all for a superuser."""
    if not (is_usable_login(user) and user.is_staff):
        return []
    active = Tenant.objects.filter(status=Tenant.Status.ACTIVE).order_by("name", "id")
    if user.is_superuser:
        return list(active)
    with system_scope("the tenants that a staff user may enter"):
        tenant_ids = list(user.memberships.values_list("tenant_id", flat=True))
    return list(active.filter(id__in=tenant_ids))


def client_customers(user: Any) -> list[Customer]:
    """The customers of active tenants that this user may act for in the portal, oldest first."""
    if not is_usable_login(user):
        return []
    with system_scope("the customers that a client may act for"):
        return list(
            Customer.objects.filter(logins__user=user, tenant__status=Tenant.Status.ACTIVE)
            .select_related("tenant")
            .order_by("id")
        )


def chosen_tenant(user: Any, session: SessionLike) -> Tenant | None:
    """The tenant that the session chose, else the first allowed one, else none."""
    return chosen_among(staff_tenants(user), session.get(TENANT_SESSION_KEY))


def chosen_customer(user: Any, session: SessionLike) -> Customer | None:
    """The customer that the session chose, else the first allowed one, else none."""
    return chosen_among(client_customers(user), session.get(CUSTOMER_SESSION_KEY))


def is_usable_login(user: Any) -> bool:
    """Whether this is a login that may still be used, through any lazy wrapper."""
    return isinstance(user, User) and user.is_active


def chosen_among(allowed: list[Any], choice: Any) -> Any:
    """The row that the session chose, else the first one, else none."""
    if not allowed:
        return None
    return next((row for row in allowed if row.pk == choice), allowed[0])

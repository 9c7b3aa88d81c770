"""Giving people access: staff by a membership, clients by a customer login.

A User is global, so a tenant can only attach one, never change or read what is his own. A new
one gets a password that is shown once to whoever made it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from customers.models import Customer, CustomerUser, Membership, Tenant, User
from customers.services.audit import audit_record
from customers.tenancy import same_tenant


class LoginRefusedError(Exception):
    """The login was not made; `message` is for the operator."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Granted:
    """`initial_password` is None when the person had a login before."""

    row: Membership | CustomerUser
    initial_password: str | None

    def __repr__(self) -> str:
        return f"Granted({self.row.pk})"


def membership_grant(
    *,
    tenant: Tenant,
    email: str,
    name: str = "",
    role: str,
    actor: User | None,
    ip_address: str | None = None,
) -> Granted:
    """Make somebody staff of the tenant. Raises LoginRefusedError when he is already."""
    with transaction.atomic():
        user, password = _login_ensure(email=email, name=name)
        if Membership.objects.for_tenant(tenant).filter(user=user).exists():
            raise LoginRefusedError("exists", _("This person already has a role here."))
        membership = Membership(tenant=tenant, user=user, role=role)
        membership.save()
        if not user.is_staff:
            user.is_staff = True
            user.save(update_fields=["is_staff"])
        audit_record(
            action="membership.granted",
            actor=actor,
            tenant_id=tenant.pk,
            target=f"customers.membership:{membership.pk}",
            details={"user": user.email, "role": role, "new_login": password is not None},
            ip_address=ip_address,
        )
    return Granted(row=membership, initial_password=password)


def customer_login_grant(
    *,
    customer: Customer,
    email: str,
    name: str = "",
    actor: User | None,
    ip_address: str | None = None,
) -> Granted:
    """Let somebody act for a customer in the portal."""
    with transaction.atomic():
        user, password = _login_ensure(email=email, name=name)
        if CustomerUser.objects.filter(customer=customer, user=user).exists():
            raise LoginRefusedError("exists", _("This person can already act for this customer."))
        login = CustomerUser(tenant_id=customer.tenant_id, customer=customer, user=user)
        same_tenant(customer, login)
        login.save()
        audit_record(
            action="customer_login.granted",
            actor=actor,
            tenant_id=customer.tenant_id,
            target=f"customers.customeruser:{login.pk}",
            details={"user": user.email, "new_login": password is not None},
            ip_address=ip_address,
        )
    return Granted(row=login, initial_password=password)


def _login_ensure(*, email: str, name: str) -> tuple[User, str | None]:
    known = User.objects.filter(email=email.strip().lower()).first()
    if known is not None:
        return known, None
    password = secrets.token_urlsafe(12)
    return User.objects.create_user(email, password, name=name), password

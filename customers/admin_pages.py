"""What every page of the console needs to know, and pages that belong to no model admin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from customers.domain.roles import Resource, Verb, role_allows
from customers.models import Membership, Tenant, User

# --- who asks -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Access:
    """What the user of this request is here."""

    user: User | None
    tenant: Tenant | None
    role: str | None
    is_platform: bool

    @property
    def may_enter(self) -> bool:
        return self.is_platform or (self.tenant is not None and self.role is not None)

    def may(self, resource: Resource, verb: Verb) -> bool:
        if not self.may_enter:
            return False
        if self.is_platform:
            return verb is Verb.VIEW or resource is not Resource.LEDGER
        return role_allows(self.role, resource, verb)


def access_of(request: HttpRequest) -> Access:
    """From what customers.middleware found out about the request."""
    user = request.user
    if not user.is_authenticated or not user.is_active:
        return Access(None, None, None, False)
    membership: Membership | None = getattr(request, "membership", None)
    return Access(
        user=user,
        tenant=getattr(request, "tenant", None),
        role=membership.role if membership is not None else None,
        is_platform=user.is_superuser,
    )


# --- pages --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Panel:
    """Something that a downstream app shows below an object: a template and its context."""

    template: str
    context: Callable[[HttpRequest, Any], dict[str, Any]]


PANELS: dict[type[models.Model], list[Panel]] = {}


def register_panel(model: type[models.Model], panel: Panel) -> None:
    PANELS.setdefault(model, []).append(panel)


def console_page(
    request: HttpRequest, template: str, *, title: str, http_status: int = 200, **context: Any
) -> TemplateResponse:
    """A page in the console's frame."""
    return TemplateResponse(
        request,
        template,
        {**admin.site.each_context(request), "title": title, **context},
        status=http_status,
    )


def shown_once(
    request: HttpRequest, *, title: str, label: str, secret: str, back: str, note: str = ""
) -> HttpResponse:
    """The only answer that contains a new secret. It is kept nowhere readable, nor in a cache."""
    response = console_page(
        request,
        "admin/console/shown_once.html",
        title=title,
        label=label,
        secret=secret,
        back=back,
        note=note,
    )
    response["Cache-Control"] = "no-store"
    return response


def require(request: HttpRequest, resource: Resource, verb: Verb) -> Access:
    access = access_of(request)
    if not access.may(resource, verb):
        raise PermissionDenied
    return access


def client_address(request: HttpRequest) -> str | None:
    return request.META.get("REMOTE_ADDR") or None


class RefusalError(Exception):
    """A service said no; `message` is for the operator."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

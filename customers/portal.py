"""Logging in and out, the language, and choosing for whom to act."""

from __future__ import annotations

import math
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth import authenticate, login, logout
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import translation
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from customers.models import User
from customers.portal_access import client_address
from customers.selectors.access import (
    CUSTOMER_SESSION_KEY,
    TENANT_SESSION_KEY,
    client_customers,
    staff_tenants,
)
from customers.services.audit import audit_record
from customers.services.login_guard import login_failed, login_locked_for, login_succeeded

LANGUAGE_COOKIE_SECONDS = 365 * 24 * 3600


class LoginForm(forms.Form):
    email = forms.EmailField(
        label=gettext_lazy("Email address"),
        widget=forms.EmailInput(
            attrs={"autocomplete": "username", "autofocus": True, "class": "form-control"}
        ),
    )
    password = forms.CharField(
        label=gettext_lazy("Password"),
        strip=False,
        max_length=256,
        widget=forms.PasswordInput(
            attrs={"autocomplete": "current-password", "class": "form-control"}
        ),
    )


@method_decorator([never_cache, sensitive_post_parameters("password")], name="dispatch")
class LoginView(View):
    """One login for everybody: staff go on to the console, clients to the portal."""

    def get(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            return HttpResponseRedirect(landing_page(request.user, ""))
        return self._page(request, LoginForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        form = LoginForm(request.POST)
        if not form.is_valid():
            return self._page(request, form, status=400)
        email, address = form.cleaned_data["email"], client_address(request)
        wait = login_locked_for(email=email, ip_address=address)
        if wait is not None:
            form.add_error(None, _locked_text(wait.total_seconds()))
            return self._page(request, form, status=429)
        user = authenticate(request, username=email, password=form.cleaned_data["password"])
        if not isinstance(user, User):
            if login_failed(email=email, ip_address=address):
                audit_record(
                    action="login.locked",
                    actor=None,
                    tenant_id=None,
                    details={"email": email.lower()},
                    ip_address=address,
                )
            form.add_error(None, _("This email address and password do not fit together."))
            return self._page(request, form, status=403)
        login_succeeded(email=email, ip_address=address)
        login(request, user)
        audit_record(
            action="login.succeeded",
            actor=user,
            tenant_id=None,
            target=f"customers.user:{user.pk}",
            ip_address=address,
        )
        response = HttpResponseRedirect(landing_page(user, _wanted_page(request)))
        if settings.LANGUAGE_COOKIE_NAME not in request.COOKIES:
            _keep_language(response, user.language)
        return response

    def _page(self, request: HttpRequest, form: LoginForm, status: int = 200) -> HttpResponse:
        context = {"form": form, "next": _wanted_page(request)}
        return render(request, "portal/login.html", context, status=status)


def _locked_text(seconds: float) -> str:
    minutes = max(1, math.ceil(seconds / 60))
    return ngettext(
        "Too many failed attempts. Try again in %(minutes)s minute.",
        "Too many failed attempts. Try again in %(minutes)s minutes.",
        minutes,
    ) % {"minutes": minutes}


def _wanted_page(request: HttpRequest) -> str:
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    safe = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if safe else ""


def landing_page(user: Any, wanted: str) -> str:
    """Where a login goes: the page it asked for if it may, else its own first page."""
    console = reverse("admin:index")
    is_staff = bool(user.is_superuser or staff_tenants(user))
    if wanted.startswith(console) and not is_staff:
        wanted = ""
    if wanted:
        return wanted
    if is_staff and not client_customers(user):
        return console
    return reverse("portal:home")


@require_POST
def logout_view(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("portal:login")


# --- language -----------------------------------------------------------------------------------


@require_POST
def set_language(request: HttpRequest) -> HttpResponse:
    """Keeps the choice in a cookie and, for a login, in its profile."""
    language = request.POST.get("language", "")
    if language not in dict(settings.LANGUAGES):
        raise Http404
    response = HttpResponseRedirect(_wanted_page(request) or reverse("portal:home"))
    _keep_language(response, language)
    if isinstance(request.user, User) or request.user.is_authenticated:
        User.objects.filter(pk=request.user.pk).update(language=language)
    return response


def _keep_language(response: HttpResponse, language: str) -> None:
    if language not in dict(settings.LANGUAGES):
        return
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        translation.get_supported_language_variant(language),
        max_age=LANGUAGE_COOKIE_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


# --- for whom -----------------------------------------------------------------------------------


@require_POST
@login_required
def choose_customer(request: HttpRequest) -> HttpResponse:
    """A login of several customers goes on as another one."""
    customer_id = request.POST.get("customer", "")
    if customer_id not in {customer.pk for customer in client_customers(request.user)}:
        raise Http404
    request.session[CUSTOMER_SESSION_KEY] = customer_id
    return redirect("portal:home")


@login_required
def choose_tenant(request: HttpRequest) -> HttpResponse:
    """Staff of several tenants choose one; a superuser may also work across all of them."""
    tenants = staff_tenants(request.user)
    if not tenants and not request.user.is_superuser:
        raise PermissionDenied
    if request.method != "POST":
        context = {
            "tenants": tenants,
            "chosen": request.session.get(TENANT_SESSION_KEY)
            or ("" if request.user.is_superuser else tenants[0].pk),
        }
        return render(request, "portal/choose_tenant.html", context)
    tenant_id = request.POST.get("tenant", "")
    if tenant_id == "" and request.user.is_superuser:
        request.session.pop(TENANT_SESSION_KEY, None)
    elif tenant_id in {tenant.pk for tenant in tenants}:
        request.session[TENANT_SESSION_KEY] = tenant_id
    else:
        raise Http404
    return HttpResponseRedirect(_wanted_page(request) or reverse("admin:index"))

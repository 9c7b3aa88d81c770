"""The operator console's site: who may enter it, and pages that belong to no model."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, cast

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import logout as auth_logout
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from unfold.sites import UnfoldAdminSite

from customers.admin_pages import access_of


class ConsoleSite(UnfoldAdminSite):
    site_title = "Tandem"
    index_title = _("Overview")

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self._pages: list[URLPattern] = []

    # --- who ----------------------------------------------------------------------------

    def has_permission(self, request: HttpRequest) -> bool:
        """An active superuser, or a member of the tenant that the session works in."""
        return access_of(request).may_enter

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """One login for everybody: the portal's."""
        if self.has_permission(request):
            return HttpResponseRedirect(reverse("admin:index", current_app=self.name))
        target = request.GET.get("next") or reverse("admin:index", current_app=self.name)
        return redirect_to_login(target, resolve_url(settings.LOGIN_URL))

    def logout(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ends the session and leads back to the one login."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        auth_logout(request)
        return HttpResponseRedirect(resolve_url(settings.LOGIN_URL))

    def admin_view(self, view: Callable, cacheable: bool = False) -> Callable:
        """Lets in who may enter; customers.middleware has opened the scope around the request."""

        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not self.has_permission(request):
                return self._turned_away(request)
            return view(request, *args, **kwargs)

        inner: Callable = guarded if cacheable else never_cache(guarded)
        if not getattr(view, "csrf_exempt", False):
            inner = csrf_protect(inner)
        return update_wrapper(inner, view)

    def _turned_away(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            # sending a client who is logged in to the login page would send him round in circles
            raise PermissionDenied
        return redirect_to_login(request.get_full_path(), resolve_url(settings.LOGIN_URL))

    # --- pages --------------------------------------------------------------------------

    def add_page(self, route: str, view: Callable, name: str) -> None:
        self._pages.append(path(route, self.admin_view(view), name=name))

    def get_urls(self) -> list[URLPattern]:
        return [*self._pages, *super().get_urls()]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context = super().each_context(request)
        # the palette is in console.css: an inline <style> would need a hole in the CSP
        context["colors"] = None
        return context


def register_page(route: str, view: Callable, name: str) -> None:
    """Add a page that belongs to no model; call it in an app's admin module."""
    cast(ConsoleSite, admin.site).add_page(route, view, name)

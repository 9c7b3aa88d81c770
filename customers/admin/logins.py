"""The page that gives somebody a login, and shows a new password once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminSelectWidget
from unfold.widgets import UnfoldAdminTextInputWidget as TextInput

from customers.admin_pages import access_of, client_address, console_page, shown_once
from customers.models import Membership
from customers.services.logins import Granted, LoginRefusedError


class LoginForm(forms.Form):
    email = forms.EmailField(
        label=gettext_lazy("Email address"), widget=UnfoldAdminEmailInputWidget
    )
    name = forms.CharField(
        label=gettext_lazy("Name"), required=False, max_length=120, widget=TextInput
    )


class MembershipForm(LoginForm):
    role = forms.ChoiceField(
        label=gettext_lazy("Role"),
        choices=Membership.Role.choices,
        initial=Membership.Role.AUDITOR,
        widget=UnfoldAdminSelectWidget,
    )


def grant_page(
    request: HttpRequest,
    *,
    title: str,
    scope: AbstractContextManager[None],
    back: str,
    grant: Callable[..., Granted],
    form_class: type[LoginForm] = LoginForm,
) -> HttpResponse:
    form = form_class(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            with scope:
                granted = grant(
                    form.cleaned_data,
                    actor=access_of(request).user,
                    ip_address=client_address(request),
                )
        except LoginRefusedError as refusal:
            form.add_error("email", refusal.message)
        else:
            if granted.initial_password is None:
                messages.success(request, _("Done. The person uses the login that exists."))
                return HttpResponseRedirect(back)
            return shown_once(
                request,
                title=title,
                label=_("Password of %(email)s") % {"email": form.cleaned_data["email"]},
                secret=granted.initial_password,
                note=_("Hand it over on a safe way and ask for it to be changed."),
                back=back,
            )
    context: dict[str, Any] = {"form": form, "button": _("Give access"), "back": back}
    return console_page(request, "admin/console/form_page.html", title=str(title), **context)

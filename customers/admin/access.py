"""Who may do what: memberships of staff, API keys of partners."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import action, display
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextInputWidget,
)

from customers.admin.logins import MembershipForm, grant_page
from customers.admin_base import ConsoleModelAdmin
from customers.admin_pages import access_of, client_address, console_page, require, shown_once
from customers.domain.roles import Resource, Verb
from customers.models import ApiKey, Membership, Partner, Tenant
from customers.services.api_keys import api_key_create, api_key_revoke
from customers.services.logins import membership_grant
from customers.tenancy import tenant_scope


@admin.register(Membership)
class MembershipAdmin(ConsoleModelAdmin[Membership]):
    resource = Resource.ACCESS
    list_display = ["user", "name", "role_label", "created_at"]
    list_filter = [("role", ChoicesDropdownFilter)]
    list_select_related = ["user"]
    search_fields = ["user__email", "user__name"]
    fields = ["user", "role", "created_at"]
    readonly_fields = ["user", "created_at"]

    @display(description=gettext_lazy("name"), ordering="user__name")
    def name(self, membership: Membership) -> str:
        return membership.user.name

    @display(description=gettext_lazy("role"), ordering="role", label={"owner": "primary"})
    def role_label(self, membership: Membership) -> tuple[str, str]:
        return membership.role, membership.get_role_display()

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        access = require(request, self.resource, Verb.ADD)
        if access.tenant is None:
            return choose_tenant_page(request)
        tenant = access.tenant
        return grant_page(
            request,
            title=_("Give somebody a role at %(tenant)s") % {"tenant": tenant},
            scope=tenant_scope(tenant.pk),
            back=reverse("admin:customers_membership_changelist"),
            form_class=MembershipForm,
            grant=lambda entered, **who: membership_grant(tenant=tenant, **entered, **who),
        )


class ApiKeyForm(forms.Form):
    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=80, widget=UnfoldAdminTextInputWidget
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("Scopes"),
        choices=ApiKey.Scope.choices,
        initial=[ApiKey.Scope.READ],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )
    partner = forms.ModelChoiceField(
        label=gettext_lazy("Partner"),
        queryset=Partner.objects.none(),
        required=False,
        empty_label=gettext_lazy("None: the key sees the whole firm"),
        help_text=gettext_lazy("Limits the key to this partner's customers."),
        widget=UnfoldAdminSelectWidget,
    )
    expires_at = forms.SplitDateTimeField(
        label=gettext_lazy("Expires at"), required=False, widget=UnfoldAdminSplitDateTimeWidget
    )

    def __init__(self, *args: Any, tenant: Tenant, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        partners = self.fields["partner"]
        assert isinstance(partners, forms.ModelChoiceField)
        partners.queryset = Partner.objects.for_tenant(tenant).filter(is_active=True)

    def clean_expires_at(self) -> Any:
        expires_at = self.cleaned_data["expires_at"]
        if expires_at is not None and expires_at <= timezone.now():
            raise forms.ValidationError(_("This time has passed."))
        return expires_at


@admin.register(ApiKey)
class ApiKeyAdmin(ConsoleModelAdmin[ApiKey]):
    """A key is made (its token shown once) and revoked, never edited."""

    resource = Resource.ACCESS
    list_display = [
        "name", "prefix", "state_label", "partner", "scope_list", "expires_at", "last_used_at",
        "created_by",
    ]  # fmt: skip
    list_filter = [("partner", RelatedDropdownFilter)]
    list_select_related = ["partner", "created_by"]
    search_fields = ["name", "prefix", "partner__name"]
    fields = [
        "name", "prefix", "partner", "scopes", "expires_at", "revoked_at", "last_used_at",
        "created_by", "created_at",
    ]  # fmt: skip
    readonly_fields = fields
    actions_detail = ["revoke"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # what a key did must stay attributable

    @display(
        description=gettext_lazy("state"),
        label={"live": "success", "revoked": "danger", "expired": "warning"},
    )
    def state_label(self, key: ApiKey) -> tuple[str, str]:
        if key.revoked_at is not None:
            return "revoked", _("revoked")
        if key.expires_at is not None and key.expires_at <= timezone.now():
            return "expired", _("expired")
        return "live", _("valid")

    @display(description=gettext_lazy("scopes"))
    def scope_list(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        access = require(request, self.resource, Verb.ADD)
        if access.tenant is None:
            return choose_tenant_page(request)
        back = reverse("admin:customers_apikey_changelist")
        form = ApiKeyForm(request.POST or None, tenant=access.tenant)
        if request.method == "POST" and form.is_valid():
            with tenant_scope(access.tenant.pk):
                created = api_key_create(
                    tenant=access.tenant,
                    **form.cleaned_data,
                    actor=access.user,
                    ip_address=client_address(request),
                )
            return shown_once(
                request,
                title=_("API key %(name)s") % {"name": created.api_key.name},
                label=_("Token"),
                secret=created.token,
                back=back,
            )
        return console_page(
            request,
            "admin/console/form_page.html",
            title=_("New API key"),
            form=form,
            button=_("Create key"),
            back=back,
            media=form.media,
        )

    @action(
        description=gettext_lazy("Revoke"),
        url_path="revoke",
        permissions=["change"],
        icon="block",
    )
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        key = self.object_or_404(request, object_id, Verb.CHANGE)
        return self.confirm_page(
            request,
            key,
            title=_("Revoke %(name)s") % {"name": key.name},
            question=_("Requests with this key are refused from now on. This cannot be undone."),
            act=lambda reason: api_key_revoke(
                api_key=key,
                reason=reason,
                actor=access_of(request).user,
                ip_address=client_address(request),
            ),
            done=_("The key is revoked."),
            button=_("Revoke"),
            dangerous=True,
        )


def choose_tenant_page(request: HttpRequest) -> HttpResponse:
    """A superuser who works across all tenants has to choose one before adding a row."""
    return console_page(
        request,
        "admin/console/notice.html",
        title=_("Choose a tenant first"),
        notice=_("A new row belongs to one tenant. Choose it at the top left."),
        http_status=409,
    )

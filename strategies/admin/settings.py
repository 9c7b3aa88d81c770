"""The copy settings that platform, firm and customers state."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from customers.admin_base import ConsoleForm, LedgerAdmin
from customers.admin_json import pretty_json
from customers.domain.roles import Resource
from customers.models import Customer
from strategies.admin.settings_page import SettingsRowAdmin
from strategies.models import CustomerSettings, PlatformSettings, SettingsVersion, TenantSettings


class SettingsAdmin(SettingsRowAdmin):
    """A level's row; what it states is on a page of its own."""

    readonly_fields = ["settings_version"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(SettingsVersion)
class SettingsVersionAdmin(LedgerAdmin[SettingsVersion]):
    """Who stated what, and when."""

    list_display = ["changed_at", "level", "owner_id", "version", "changed_by"]
    list_filter = [("level", ChoicesDropdownFilter)]
    search_fields = ["=owner_id"]
    fields = ["level", "owner_id", "version", "changed_by", "changed_at", "content_text"]
    readonly_fields = fields

    @display(description=gettext_lazy("copy settings"))
    def content_text(self, version: SettingsVersion) -> str:
        return pretty_json(version.settings)


@admin.register(PlatformSettings)
class PlatformSettingsAdmin(SettingsAdmin):
    resource = Resource.PLATFORM
    tenant_path = None
    list_display = ["__str__", "settings_version"]
    fields = ["settings_version"]
    ordering = ["pk"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_add_permission(request, obj) and not PlatformSettings.objects.exists()


@admin.register(TenantSettings)
class TenantSettingsAdmin(SettingsAdmin):
    resource = Resource.ACCESS
    list_display = ["__str__", "settings_version"]
    fields = ["settings_version"]


class CustomerSettingsForm(ConsoleForm):
    def clean_customer(self) -> Customer:
        customer: Customer = self.cleaned_data["customer"]
        taken = CustomerSettings.objects.for_tenant(customer.tenant_id).filter(customer=customer)
        if self.instance._state.adding and taken.exists():
            raise forms.ValidationError(
                gettext_lazy("This customer has settings already: open them in the list.")
            )
        return customer


@admin.register(CustomerSettings)
class CustomerSettingsAdmin(SettingsAdmin):
    form = CustomerSettingsForm
    list_display = ["customer", "settings_version"]
    list_select_related = ["customer"]
    search_fields = ["customer__name"]
    fields = ["customer", "settings_version"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        fixed = list(self.readonly_fields)
        return [*fixed, "customer"] if obj is not None else fixed

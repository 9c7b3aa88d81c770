"""Tenants, partners, customers, users."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from customers.admin.logins import grant_page
from customers.admin_base import ConsoleForm, ConsoleModelAdmin
from customers.admin_pages import access_of
from customers.domain.roles import Resource, Verb, role_allows
from customers.models import Customer, CustomerUser, ExchangeAccount, Partner, Tenant, User
from customers.services.logins import customer_login_grant

admin.site.unregister(Group)  # rights come from memberships alone


@admin.register(Tenant)
class TenantAdmin(ConsoleModelAdmin[Tenant]):
    """Superusers see all firms; an owner sees and sets up his own."""

    resource = Resource.PLATFORM
    tenant_path = "pk"
    form = ConsoleForm
    list_display = ["name", "slug", "status_label", "time_zone", "language", "created_at"]
    list_filter = [("status", ChoicesDropdownFilter)]
    search_fields = ["name", "slug"]
    readonly_fields = ["created_at"]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access_of(request).may_enter

    def has_module_permission(self, request: HttpRequest) -> bool:
        return access_of(request).may_enter

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        access = access_of(request)
        return access.is_platform or role_allows(access.role, Resource.ACCESS, Verb.CHANGE)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        if access_of(request).is_platform:
            return list(self.readonly_fields)
        return [*self.readonly_fields, "slug", "status"]

    @display(description=_("status"), ordering="status", label={"active": "success"})
    def status_label(self, tenant: Tenant) -> tuple[str, str]:
        return tenant.status, tenant.get_status_display()


@admin.register(Partner)
class PartnerAdmin(ConsoleModelAdmin[Partner]):
    list_display = ["name", "is_active", "customer_count", "created_at"]
    list_filter = ["is_active"]
    search_fields = ["name"]
    readonly_fields = ["created_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Partner]:
        customers = (
            Customer.objects.filter(partner=OuterRef("pk"))
            .order_by()
            .values("partner")
            .annotate(count=Count("pk"))
            .values("count")
        )
        return super().get_queryset(request).annotate(customers_=Coalesce(Subquery(customers), 0))

    @display(description=_("customers"))
    def customer_count(self, partner: Any) -> str:
        url = reverse("admin:customers_customer_changelist")
        return format_html(
            '<a href="{}?partner__id__exact={}">{}</a>', url, partner.pk, partner.customers_
        )


@admin.register(Customer)
class CustomerAdmin(ConsoleModelAdmin[Customer]):
    resource = Resource.CUSTOMERS
    list_display = [
        "name", "email", "external_reference", "partner", "status_label", "account_count",
        "created_at",
    ]  # fmt: skip
    list_filter = [("status", ChoicesDropdownFilter), ("partner", RelatedDropdownFilter)]
    list_select_related = ["partner"]
    search_fields = ["name", "email", "external_reference", "=id"]
    date_hierarchy = "created_at"
    autocomplete_fields = ["partner"]
    readonly_fields = ["created_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Customer]:
        accounts = (
            ExchangeAccount.objects.filter(customer=OuterRef("pk"))
            .order_by()
            .values("customer")
            .annotate(count=Count("pk"))
            .values("count")
        )
        return super().get_queryset(request).annotate(accounts_=Coalesce(Subquery(accounts), 0))

    @display(
        description=_("status"),
        ordering="status",
        label={"active": "success", "suspended": "warning"},
    )
    def status_label(self, customer: Customer) -> tuple[str, str]:
        return customer.status, customer.get_status_display()

    @display(description=_("accounts"))
    def account_count(self, customer: Any) -> str:
        url = reverse("admin:customers_exchangeaccount_changelist")
        return format_html(
            '<a href="{}?customer__id__exact={}">{}</a>', url, customer.pk, customer.accounts_
        )

    def object_pages(self) -> list[Any]:
        return [("add-login", self.add_login_view)]

    def add_login_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        customer = self.object_or_404(request, object_id, Verb.CHANGE)
        return grant_page(
            request,
            title=_("Let somebody act for %(customer)s") % {"customer": customer},
            scope=self.writing_scope(request, customer),
            back=self.change_url(customer),
            grant=lambda entered, **who: customer_login_grant(
                customer=customer, email=entered["email"], name=entered["name"], **who
            ),
        )


@admin.register(CustomerUser)
class CustomerUserAdmin(ConsoleModelAdmin[CustomerUser]):
    """Logins of clients. A new one is made from its customer's page."""

    resource = Resource.CUSTOMERS
    list_display = ["user", "customer", "created_at"]
    list_select_related = ["user", "customer"]
    search_fields = ["user__email", "user__name", "customer__name"]
    fields = ["customer", "user", "created_at"]
    readonly_fields = ["customer", "user", "created_at"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, Verb.CHANGE)  # taking a login away is everyday support work


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ConsoleModelAdmin[User]):  # type: ignore[misc]  # both type alike
    """Global logins: superusers only. A tenant manages memberships and customer logins."""

    resource = Resource.PLATFORM
    tenant_path = None
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["email", "name", "is_staff", "is_superuser", "is_active", "last_login"]
    list_filter = ["is_staff", "is_superuser", "is_active"]
    search_fields = ["email", "name"]
    ordering = ["email"]  # type: ignore[misc, assignment]  # as above
    filter_horizontal = []
    readonly_fields = ["created_at", "last_login"]
    fieldsets = [
        (None, {"fields": ["email", "name", "language", "password"]}),
        (_("Rights"), {"fields": ["is_active", "is_staff", "is_superuser"]}),
        (_("Dates"), {"fields": ["last_login", "created_at"]}),
    ]
    add_fieldsets = [
        (None, {"fields": ["email", "name", "usable_password", "password1", "password2"]})
    ]

"""What every admin page is built on: tenant-explicit rows, roles, audit, read-only ledgers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Any, ClassVar, Generic, TypeVar

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.paginator import InfinitePaginator
from unfold.widgets import UnfoldAdminTextInputWidget

from customers.admin_pages import (
    PANELS,
    RefusalError,
    access_of,
    client_address,
    console_page,
    require,
)
from customers.domain.roles import Resource, Verb
from customers.fields import AmountField, plain
from customers.models import Tenant
from customers.services.audit import audit_record
from customers.tenancy import tenant_scope

M = TypeVar("M", bound=models.Model)

LEDGER_PAGE_SIZE = 50


# --- small pieces that pages share --------------------------------------------------------------


class ConsoleForm(forms.ModelForm):
    """Knows its tenant before it validates, so that unique keys with the tenant are checked."""

    console_tenant: ClassVar[Tenant | None] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.console_tenant is not None and self.instance._state.adding:
            self.instance.tenant = self.console_tenant

    def _get_validation_exclusions(self) -> set[str]:
        # Django leaves out what is not in the form; it is no public method, so the stubs lack it
        return super()._get_validation_exclusions() - {"tenant"}  # type: ignore[misc]


def _amount_column(field: AmountField) -> Callable[[Any], str]:
    @display(description=field.verbose_name)
    def column(row: Any) -> str:
        amount = getattr(row, field.name)
        return "-" if amount is None else format(plain(amount), "f")

    column.__name__ = field.name
    return column


def _without_zeros(shown: str) -> str:
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


# --- model admins -------------------------------------------------------------------------------


class ConsoleModelAdmin(ModelAdmin, Generic[M]):
    """The base of all model admins.

    Rows come from the request's tenant and nowhere else; a superuser who chose no tenant sees
    those of all tenants and writes each in its own tenant's scope.
    """

    model: type[M]
    resource: ClassVar[Resource] = Resource.TRADING
    tenant_path: ClassVar[str | None] = "tenant_id"
    """The lookup from a row to its tenant; None for rows of the whole platform."""

    readonly_preprocess_fields: dict[str, Any] = {}
    page_select_related: ClassVar[list[str]] = []
    """As list_select_related, for the page of one row."""

    form = ConsoleForm
    ordering: list[str] | tuple[str, ...] | None = ("-id",)  # newest first: ids are time-ordered
    list_per_page = 50
    list_max_show_all = 200
    list_filter_submit = True
    list_fullwidth = True
    change_form_outer_after_template = "admin/console/panels.html"
    warn_unsaved_form = True
    # an input of type "number" turns 0.1 into a float on its way
    formfield_overrides = {AmountField: {"widget": UnfoldAdminTextInputWidget}}

    def __init__(self, model: type[M], admin_site: Any) -> None:
        super().__init__(model, admin_site)
        amounts = [f for f in model._meta.concrete_fields if isinstance(f, AmountField)]
        self._amount_columns = {field.name: _amount_column(field) for field in amounts}
        self.readonly_preprocess_fields = {
            **{field.name: _without_zeros for field in amounts},
            **self.readonly_preprocess_fields,
        }

    # --- rows -----------------------------------------------------------------------------

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Amounts without the zeros that the admin would fill up to 18 places."""
        names = super().get_list_display(request)
        return [self._amount_columns.get(name, name) for name in names]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[M]:
        rows = self.model._default_manager.get_queryset()
        ordering = self.get_ordering(request)
        if ordering:
            rows = rows.order_by(*ordering)
        access = access_of(request)
        if not access.may_enter:
            return rows.none()
        if access.tenant is None or self.tenant_path is None:
            return rows
        return rows.filter(**{self.tenant_path: access.tenant.pk})

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> M | None:
        """One row of the tenant, with what its page shows of its relations."""
        rows = self.get_queryset(request)
        if self.page_select_related:  # none given would mean all
            rows = rows.select_related(*self.page_select_related)
        try:
            return rows.get(pk=self.model._meta.pk.to_python(object_id))
        except (ObjectDoesNotExist, ValidationError, ValueError):
            return None

    def tenant_of(self, request: HttpRequest, obj: M | None) -> Tenant | None:
        if obj is not None and not obj._state.adding and hasattr(obj, "tenant_id"):
            return obj.tenant  # type: ignore[attr-defined]
        return access_of(request).tenant

    def writing_scope(self, request: HttpRequest, obj: M | None) -> AbstractContextManager[None]:
        tenant = self.tenant_of(request, obj)
        return tenant_scope(tenant.pk) if tenant is not None else nullcontext()

    def object_or_404(self, request: HttpRequest, object_id: str, verb: Verb) -> M:
        """For pages beside the change page: 404 for a foreign row, 403 for a missing right."""
        obj = self.get_object(request, object_id)
        if obj is None:
            raise Http404
        require(request, self.resource, verb)
        return obj

    def _get_obj_does_not_exist_redirect(
        self, request: HttpRequest, opts: Any, object_id: str
    ) -> HttpResponse:
        raise Http404  # Django's redirect with a message would be no answer for a foreign id

    # --- rights ---------------------------------------------------------------------------

    def _may(self, request: HttpRequest, verb: Verb) -> bool:
        return access_of(request).may(self.resource, verb)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._may(request, Verb.VIEW)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, Verb.VIEW)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if self.tenant_path == "tenant_id" and access_of(request).tenant is None:
            return False  # a row needs a tenant: choose one first
        return self._may(request, Verb.ADD)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, Verb.CHANGE)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, Verb.DELETE)

    # --- forms ----------------------------------------------------------------------------

    def get_exclude(self, request: HttpRequest, obj: M | None = None) -> list[str]:
        exclude = list(super().get_exclude(request, obj) or [])
        return [*exclude, "tenant"] if self.tenant_path == "tenant_id" else exclude

    def get_form(
        self, request: HttpRequest, obj: M | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm]:
        request._console_object = obj  # type: ignore[attr-defined]  # for the foreign keys
        form = super().get_form(request, obj, change, **kwargs)
        if issubclass(form, ConsoleForm) and self.tenant_path == "tenant_id":
            form.console_tenant = self.tenant_of(request, obj)
        return form

    def formfield_for_foreignkey(
        self, db_field: models.ForeignKey, request: HttpRequest, **kwargs: Any
    ) -> forms.ModelChoiceField | None:
        related: Any = db_field.remote_field.model
        if getattr(related, "tenant_owned", False) and "queryset" not in kwargs:
            tenant = self.tenant_of(request, getattr(request, "_console_object", None))
            rows = related.objects.all()
            kwargs["queryset"] = rows.for_tenant(tenant) if tenant is not None else rows
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_dbfield(
        self, db_field: models.Field, request: HttpRequest, **kwargs: Any
    ) -> forms.Field | None:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget = field.widget.widget  # a row is added on its own page, not in a pop-up
        return field

    def save_model(self, request: HttpRequest, obj: M, form: forms.ModelForm, change: bool) -> None:
        with self.writing_scope(request, obj):
            super().save_model(request, obj, form, change)

    def delete_model(self, request: HttpRequest, obj: M) -> None:
        with self.writing_scope(request, obj):
            super().delete_model(request, obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)  # rows go one by one, each with its own checks
        return actions

    # --- what stays of a change -------------------------------------------------------------

    def audit(
        self, request: HttpRequest, action: str, obj: M, details: dict[str, Any] | None = None
    ) -> None:
        audit_record(
            action=action,
            actor=access_of(request).user,
            tenant_id=self._tenant_id_of(request, obj),
            target=f"{obj._meta.label_lower}:{obj.pk}",
            details=details or {},
            ip_address=client_address(request),
        )

    def _tenant_id_of(self, request: HttpRequest, obj: M) -> str | None:
        if isinstance(obj, Tenant):
            return obj.pk
        return getattr(obj, "tenant_id", None)

    def log_addition(self, request: HttpRequest, obj: M, message: Any) -> None:
        self.audit(request, f"{obj._meta.model_name}.added", obj)

    def log_change(self, request: HttpRequest, obj: M, message: Any) -> None:
        changed = [
            name
            for part in (message if isinstance(message, list) else [])
            for name in part.get("changed", {}).get("fields", [])
        ]
        if changed:
            self.audit(
                request,
                f"{obj._meta.model_name}.changed",
                obj,
                {"fields": [str(n) for n in changed]},
            )

    def log_deletions(self, request: HttpRequest, queryset: Any) -> list[Any]:
        for obj in queryset:
            self.audit(request, f"{obj._meta.model_name}.deleted", obj, {"was": str(obj)})
        return []

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The history of a row is its audit entries."""
        obj = self.object_or_404(request, object_id, Verb.VIEW)
        target = f"{obj._meta.label_lower}:{obj.pk}"
        return HttpResponseRedirect(
            reverse("admin:customers_auditentry_changelist") + f"?q={target}"
        )

    # --- panels ---------------------------------------------------------------------------

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: M | None = None,
    ) -> HttpResponse:
        context["show_save_and_add_another"] = False
        if obj is not None:
            context["console_panels"] = [
                {"template": panel.template, **panel.context(request, obj)}
                for panel in PANELS.get(self.model, [])
            ]
        return super().render_change_form(request, context, add, change, form_url, obj)

    # --- pages beside the change page -----------------------------------------------------

    def object_pages(self) -> list[tuple[str, Callable[..., HttpResponse]]]:
        """(path below the object, view); named `<app>_<model>_<path>`."""
        return []

    def get_urls(self) -> list[URLPattern]:
        prefix = f"{self.opts.app_label}_{self.opts.model_name}"
        pages = [
            path(
                f"<str:object_id>/{route}/",
                self.admin_site.admin_view(view),
                name=f"{prefix}_{route.replace('-', '_')}",
            )
            for route, view in self.object_pages()
        ]
        return [self._own_rows_only(pattern) for pattern in (*pages, *super().get_urls())]

    def _own_rows_only(self, pattern: URLPattern) -> URLPattern:
        """Whatever the page and the right that it asks for: a foreign id is a 404 before that."""
        view = pattern.callback

        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            object_id: str = kwargs.get("object_id", "")
            asked = object_id and access_of(request).may_enter
            if asked and self.get_object(request, unquote(object_id)) is None:
                raise Http404
            return view(request, *args, **kwargs)

        return URLPattern(pattern.pattern, guarded, pattern.default_args, pattern.name)

    def change_url(self, obj: M) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[obj.pk])

    def confirm_page(
        self,
        request: HttpRequest,
        obj: M,
        *,
        title: str,
        question: str,
        act: Callable[[str], object],
        done: str,
        button: str,
        dangerous: bool = False,
        refusal: type[Exception] = RefusalError,
    ) -> HttpResponse:
        """Asks, takes a reason, acts on POST in the row's tenant scope, goes back to the row."""
        form = ReasonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                with self.writing_scope(request, obj):
                    act(form.cleaned_data["reason"])
            except refusal as refused:
                messages.error(request, getattr(refused, "message", str(refused)))
            else:
                messages.success(request, done)
            return HttpResponseRedirect(self.change_url(obj))
        return console_page(
            request,
            "admin/console/form_page.html",
            title=title,
            form=form,
            explanation=question,
            button=button,
            dangerous=dangerous,
            back=self.change_url(obj),
        )


class ReasonForm(forms.Form):
    reason = forms.CharField(max_length=200, required=False, widget=UnfoldAdminTextInputWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].label = _("Reason")
        self.fields["reason"].help_text = _("Is kept in the audit log.")


class LedgerAdmin(ConsoleModelAdmin[M]):
    """Rows that only the system writes. Big tables: no counting, pages forward and back."""

    resource = Resource.LEDGER
    show_full_result_count = False
    paginator = InfinitePaginator
    list_per_page = LEDGER_PAGE_SIZE
    list_max_show_all = LEDGER_PAGE_SIZE
    actions = None

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

"""The kill switch: its list, its page, its panel on tenants, strategies and customers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminTextInputWidget

from customers.admin_base import ConsoleModelAdmin
from customers.admin_pages import Panel, access_of, client_address, console_page, register_panel
from customers.domain.roles import Resource, Verb
from customers.models import Customer, Tenant
from strategies.models import Strategy
from trading.models import TradingControl
from trading.selectors.controls import control_of
from trading.services.controls import control_set

Level = TradingControl.Level
Mode = TradingControl.Mode

_SUBJECTS: dict[str, Any] = {
    Level.TENANT: Tenant,
    Level.STRATEGY: Strategy,
    Level.CUSTOMER: Customer,
}


class ControlForm(forms.Form):
    mode = forms.ChoiceField(
        label=gettext_lazy("Trading is"),
        choices=Mode.choices,
        widget=UnfoldAdminRadioSelectWidget(radio_style=admin.VERTICAL),
    )
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("Needed to stop something; the whole team reads it."),
        widget=UnfoldAdminTextInputWidget,
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("mode") != Mode.ACTIVE and not (cleaned.get("reason") or "").strip():
            self.add_error("reason", _("Say why."))
        return cleaned


def may_set(request: HttpRequest, level: str) -> bool:
    if level == Level.PLATFORM:
        return access_of(request).may(Resource.PLATFORM, Verb.CHANGE)
    return access_of(request).may(Resource.TRADING, Verb.CHANGE)


def set_url(level: str, subject_id: str = "") -> str:
    url = reverse("admin:trading_tradingcontrol_set")
    return f"{url}?level={level}&subject={subject_id}"


def control_page(request: HttpRequest) -> HttpResponse:
    level, subject_id = request.GET.get("level", ""), request.GET.get("subject", "")
    if level not in Level.values:
        raise Http404
    subject = _subject(request, level, subject_id)
    if not may_set(request, level):
        raise PermissionDenied
    current = control_of(level, subject_id)
    form = ControlForm(
        request.POST or None,
        initial={"mode": current.mode if current else Mode.ACTIVE},
    )
    back = reverse("admin:trading_tradingcontrol_changelist")
    if request.method == "POST" and form.is_valid():
        control_set(
            level=level,
            subject_id=subject_id,
            mode=form.cleaned_data["mode"],
            reason=form.cleaned_data["reason"],
            actor=access_of(request).user,
            ip_address=client_address(request),
        )
        messages.success(request, _("The kill switch is set."))
        return HttpResponseRedirect(back)
    name = _("the whole platform") if subject is None else str(subject)
    return console_page(
        request,
        "admin/console/form_page.html",
        title=_("Kill switch: %(subject)s") % {"subject": name},
        form=form,
        explanation=_(
            "“Exits only” opens nothing and lets positions be reduced. “Halted” sends nothing at "
            "all. It is checked again right before each order is sent. Either way entries that "
            "wait on the order book, or for their time, are cancelled within seconds."
        ),
        button=_("Set the kill switch"),
        dangerous=True,
        back=back,
    )


def _subject(request: HttpRequest, level: str, subject_id: str) -> Any:
    """The row that the switch stops; a foreign or unknown one is a 404."""
    if level == Level.PLATFORM:
        if subject_id:
            raise Http404
        return None
    access = access_of(request)
    try:
        subject = _SUBJECTS[level].objects.get(pk=subject_id)
    except ObjectDoesNotExist:
        raise Http404 from None
    tenant_id = subject.pk if isinstance(subject, Tenant) else subject.tenant_id
    if access.tenant is not None and tenant_id != access.tenant.pk:
        raise Http404
    return subject


@admin.register(TradingControl)
class TradingControlAdmin(ConsoleModelAdmin[TradingControl]):
    """Rows are set through the page above, which knows the rules; here they are read."""

    list_display = ["mode_label", "level", "subject", "reason", "changed_by", "changed_at"]
    list_display_links = ["level"]
    list_filter = [("mode", ChoicesDropdownFilter), ("level", ChoicesDropdownFilter)]
    list_select_related = ["tenant", "changed_by"]
    ordering = ["-changed_at"]
    fields = ["level", "subject", "mode", "reason", "changed_by", "changed_at"]
    readonly_fields = fields
    list_before_template = "admin/console/control_buttons.html"

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = TradingControl.objects.order_by(*self.ordering)
        access = access_of(request)
        if not access.may_enter:
            return rows.none()
        if access.tenant is None:
            return rows
        # staff must see that the platform stopped them
        return rows.filter(Q(tenant=access.tenant) | Q(tenant=None))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[Any]:
        from django.urls import path

        page = self.admin_site.admin_view(control_page)
        return [path("set/", page, name="trading_tradingcontrol_set"), *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        tenant = access_of(request).tenant
        buttons = []
        if may_set(request, Level.PLATFORM):
            buttons.append((_("Platform"), set_url(Level.PLATFORM)))
        if tenant is not None and may_set(request, Level.TENANT):
            buttons.append((tenant.name, set_url(Level.TENANT, tenant.pk)))
        return super().changelist_view(
            request, {**(extra_context or {}), "control_buttons": buttons}
        )

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        from trading.selectors.controls import with_subjects

        changelist = super().get_changelist_instance(request)
        rows = list(changelist.result_list)
        for control, named in zip(rows, with_subjects(rows), strict=True):
            control.subject_name = named.subject_name
        changelist.result_list = rows
        return changelist

    @display(
        description=gettext_lazy("mode"),
        ordering="mode",
        label={"active": "success", "reducing": "warning", "halted": "danger"},
    )
    def mode_label(self, control: TradingControl) -> tuple[str, str]:
        return control.mode, control.get_mode_display()

    @display(description=gettext_lazy("subject"))
    def subject(self, control: Any) -> str:
        return getattr(control, "subject_name", "") or control.subject_id or "-"


def _panel_for(level: str) -> Callable[[HttpRequest, Any], dict[str, Any]]:
    def context(request: HttpRequest, subject: Any) -> dict[str, Any]:
        return {
            "control": control_of(level, subject.pk),
            "set_url": set_url(level, subject.pk) if may_set(request, level) else "",
        }

    return context


for _level, _model in _SUBJECTS.items():
    register_panel(_model, Panel("admin/console/panel_control.html", _panel_for(_level)))


def _own_panel(request: HttpRequest, control: TradingControl) -> dict[str, Any]:
    url = set_url(control.level, control.subject_id) if may_set(request, control.level) else ""
    return {"control": control, "set_url": url}


register_panel(TradingControl, Panel("admin/console/panel_control.html", _own_panel))

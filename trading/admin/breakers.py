"""Circuit breakers with their reset, and alerts."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import display

from customers.admin_base import ConsoleModelAdmin, LedgerAdmin
from customers.admin_json import pretty_json
from customers.admin_pages import Panel, access_of, client_address, register_panel
from customers.domain.roles import Resource, Verb
from strategies.models import Strategy
from trading.alert_texts import alert_text
from trading.models import Alert, Breaker
from trading.reason_texts import reason_text
from trading.selectors.breakers import breaker_of_strategy, named_breakers
from trading.services.breaker.switching import breaker_reset
from trading.services.control_state import breaker_reason

_STATES = {
    "closed": gettext_lazy("closed"),
    "open": gettext_lazy("open: no entries"),
    "half_open": gettext_lazy("half open: trying again"),
}


def breaker_state(breaker: Breaker) -> str:
    if not breaker.is_open:
        return "closed"
    if breaker.half_open_at is not None and breaker.half_open_at <= timezone.now():
        return "half_open"
    return "open"


def breaker_text(breaker: Breaker) -> str:
    reason = breaker_reason(breaker)
    return reason_text(reason.code, reason.params)


def may_reset(request: HttpRequest, breaker: Breaker) -> bool:
    """A venue's concerns every firm, so it is the platform's."""
    resource = Resource.PLATFORM if breaker.tenant_id is None else Resource.TRADING
    return access_of(request).may(resource, Verb.CHANGE)


@admin.register(Breaker)
class BreakerAdmin(ConsoleModelAdmin[Breaker]):
    """They open by themselves and are reset here; nothing else can be changed."""

    list_display = ["state_label", "level", "subject", "cause", "trips", "opened_at"]
    list_display_links = ["subject"]
    list_filter = [("level", ChoicesDropdownFilter), "is_open", ("cause", ChoicesDropdownFilter)]
    list_select_related = ["tenant"]
    ordering = ["-is_open", "-changed_at"]
    fields = [
        "state_label", "level", "subject", "cause", "text", "numbers", "trips", "opened_at",
        "half_open_at", "counts_from", "changed_at",
    ]  # fmt: skip
    readonly_fields = fields
    page_select_related = ["tenant"]

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = Breaker.objects.order_by(*self.ordering)
        access = access_of(request)
        if not access.may_enter:
            return rows.none()
        if access.tenant is None:
            return rows
        return rows.filter(Q(tenant=access.tenant) | Q(tenant=None))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def object_pages(self) -> list[tuple[str, Any]]:
        return [("reset", self.reset_page)]

    def reset_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        breaker = self.object_or_404(request, object_id, Verb.VIEW)
        user = access_of(request).user
        if user is None or not may_reset(request, breaker):
            raise PermissionDenied
        name = named_breakers([breaker])[0].name
        return self.confirm_page(
            request,
            breaker,
            title=_("Reset the circuit breaker: %(subject)s") % {"subject": name},
            question=breaker_text(breaker)
            + " "
            + _("After the reset entries go again, and counting begins anew."),
            act=lambda reason: breaker_reset(
                breaker_id=breaker.pk,
                actor=user,
                reason=reason,
                ip_address=client_address(request),
            ),
            done=_("The circuit breaker is reset."),
            button=_("Reset"),
            dangerous=True,
        )

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        rows: list[Any] = list(changelist.result_list)
        for row, named in zip(rows, named_breakers(rows), strict=True):
            row.subject_name = named.name
        changelist.result_list = rows
        return changelist

    @display(
        description=gettext_lazy("state"),
        label={"closed": "success", "half_open": "warning", "open": "danger"},
    )
    def state_label(self, breaker: Breaker) -> tuple[str, str]:
        state = breaker_state(breaker)
        return state, str(_STATES[state])

    @display(description=gettext_lazy("subject"))
    def subject(self, breaker: Any) -> str:
        if not hasattr(breaker, "subject_name"):
            breaker.subject_name = named_breakers([breaker])[0].name
        return str(breaker.subject_name)

    @display(description=gettext_lazy("what followers read"))
    def text(self, breaker: Breaker) -> str:
        return breaker_text(breaker)

    @display(description=gettext_lazy("numbers"))
    def numbers(self, breaker: Breaker) -> str:
        return pretty_json(breaker.params)


def _panel(request: HttpRequest, breaker: Breaker | None) -> dict[str, Any]:
    if breaker is None:
        return {"breaker": None}
    reset = reverse("admin:trading_breaker_reset", args=[breaker.pk])
    state = breaker_state(breaker)
    return {
        "breaker": breaker,
        "state": state,
        "state_text": _STATES[state],
        "text": breaker_text(breaker) if breaker.is_open else "",
        "reset_url": reset if breaker.is_open and may_reset(request, breaker) else "",
    }


register_panel(Breaker, Panel("admin/console/panel_breaker.html", _panel))
register_panel(
    Strategy,
    Panel(
        "admin/console/panel_breaker.html",
        lambda request, strategy: _panel(request, breaker_of_strategy(strategy.pk)),
    ),
)


@admin.register(Alert)
class AlertAdmin(LedgerAdmin[Alert]):
    list_display = ["raised_at", "state_label", "text", "resolved_at"]
    list_display_links = ["text"]
    list_filter = [("raised_at", RangeDateTimeFilter)]
    search_fields = ["=id", "=subject", "=code"]
    fields = ["code", "text", "numbers", "raised_at", "seen_at", "resolved_at"]
    readonly_fields = fields

    @display(description=gettext_lazy("state"), label={"lasts": "danger", "over": "success"})
    def state_label(self, alert: Alert) -> tuple[str, str]:
        if alert.resolved_at is None:
            return "lasts", _("lasts")
        return "over", _("over")

    @display(description=gettext_lazy("what happened"))
    def text(self, alert: Alert) -> str:
        return alert_text(alert.code, alert.params)

    @display(description=gettext_lazy("numbers"))
    def numbers(self, alert: Alert) -> str:
        return pretty_json(alert.params)

"""Stop orders with what happened to them, and the panel on the position that they guard."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import display

from customers.admin_base import LedgerAdmin
from customers.admin_pages import Panel, register_panel
from trading.models import CopiedPosition, StopEvent, StopOrder
from trading.reason_texts import reason_text
from trading.selectors.stops import stop_lines

PANEL_ROWS = 20


@admin.register(StopOrder)
class StopOrderAdmin(LedgerAdmin[StopOrder]):
    list_display = [
        "created_at", "state", "symbol", "side", "quantity", "stop_loss", "take_profit",
        "account", "reason",
    ]  # fmt: skip
    list_filter = [("state", ChoicesDropdownFilter), ("created_at", RangeDateTimeFilter)]
    list_select_related = ["account"]
    search_fields = [
        "=id", "=venue_stop_id", "symbol__istartswith", "=account__id",
        "account__label__istartswith", "account__customer__name__istartswith",
    ]  # fmt: skip
    fields = [
        "id", "venue_stop_id", "state", "reason", "account", "subscription", "copied_position",
        "symbol", "side", "position_side", "quantity", "stop_loss", "take_profit", "triggered_by",
        "sent_at", "seen_at", "cancel_requested_at", "finished_at", "check_at",
    ]  # fmt: skip
    readonly_fields = fields
    page_select_related = ["account", "subscription__strategy", "subscription__account"]

    @display(description=_("reason"))
    def reason(self, stop: StopOrder) -> str:
        return reason_text(stop.reason_code, stop.reason_params)


def _events_panel(request: HttpRequest, stop: StopOrder) -> dict[str, Any]:
    return {"events": list(StopEvent.objects.filter(stop=stop).order_by("pk")[:PANEL_ROWS])}


def _stops_panel(request: HttpRequest, copied: CopiedPosition) -> dict[str, Any]:
    """What guards it in words, and its newest stop orders: 3 queries."""
    rows = StopOrder.objects.filter(copied_position=copied).order_by("-id")[:PANEL_ROWS]
    return {
        "lines": stop_lines(copied.tenant_id, [copied]).get(copied.pk, []),
        "orders": [(row, reason_text(row.reason_code, row.reason_params)) for row in rows],
    }


register_panel(CopiedPosition, Panel("admin/console/panel_stops.html", _stops_panel))
register_panel(StopOrder, Panel("admin/console/panel_stop_events.html", _events_panel))

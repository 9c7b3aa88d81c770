"""Orders with their timeline, their events and fills."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import display

from customers.admin_base import LedgerAdmin
from customers.admin_json import pretty_json
from trading.models import Fill, Order, OrderEvent
from trading.reason_texts import reason_text
from trading.selectors.order_page import order_timeline

STATE_COLOURS = {
    "filled": "success",
    "partially_filled": "info",
    "accepted": "info",
    "sending": "info",
    "unknown": "warning",
    "rejected": "danger",
    "not_placed": "danger",
}


@admin.register(Order)
class OrderAdmin(LedgerAdmin[Order]):
    list_display = [
        "created_at", "state_label", "symbol", "side", "quantity", "filled_quantity",
        "average_price", "account", "venue_order_id", "reason_code",
    ]  # fmt: skip
    list_filter = [
        ("state", ChoicesDropdownFilter),
        "is_entry",
        ("created_at", RangeDateTimeFilter),
    ]
    list_select_related = ["account"]
    search_fields = [
        "=id", "=venue_order_id", "=signal_id", "=subscription_id", "=customer_id",
        "symbol__istartswith", "=account__id", "account__label__istartswith",
        "account__customer__name__istartswith",
    ]  # fmt: skip
    readonly_fields = ["reason"]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    ("id", "venue_order_id"),
                    ("state", "attempt"),
                    "reason",
                    ("account", "intent"),
                ]
            },
        ),
        (
            _("Order"),
            {
                "fields": [
                    ("symbol", "side", "position_side"),
                    ("order_type", "quantity", "price"),
                    ("rests_until", "chase_price"),
                    ("leverage", "margin_mode", "reduce_only"),
                    ("filled_quantity", "average_price"),
                ]
            },
        ),
        (
            _("Times"),
            {
                "fields": [
                    ("created_at", "sent_at", "acknowledged_at", "finished_at"),
                    ("deadline_at", "expires_at", "check_at", "watch_until"),
                    ("checks", "misses"),
                ],
                "classes": ["collapse"],
            },
        ),
    ]
    change_form_outer_after_template = "admin/console/order_timeline.html"

    page_select_related = ["account", "intent"]

    @display(description=_("state"), ordering="state", label=STATE_COLOURS)
    def state_label(self, order: Order) -> tuple[str, str]:
        return order.state, order.get_state_display()

    @display(description=_("reason"))
    def reason(self, order: Order) -> str:
        return reason_text(order.reason_code, order.reason_params) or "-"

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        order = kwargs.get("obj")
        if order is not None:
            context["timeline"] = order_timeline(order)
        return super().render_change_form(request, context, *args, **kwargs)


@admin.register(OrderEvent)
class OrderEventAdmin(LedgerAdmin[OrderEvent]):
    list_display = ["occurred_at", "kind", "from_state", "to_state", "order"]
    list_filter = [("occurred_at", RangeDateTimeFilter)]
    list_select_related = ["order"]
    search_fields = ["=id", "=order__id"]
    fields = ["order", "kind", "from_state", "to_state", "details_text", "occurred_at"]
    readonly_fields = fields

    page_select_related = ["order"]

    @display(description=_("details"))
    def details_text(self, event: OrderEvent) -> str:
        return pretty_json(event.details)


@admin.register(Fill)
class FillAdmin(LedgerAdmin[Fill]):
    list_display = [
        "filled_at", "symbol", "side", "quantity", "price", "fee", "fee_currency", "is_maker",
        "account", "order",
    ]  # fmt: skip
    list_filter = [("filled_at", RangeDateTimeFilter)]
    list_select_related = ["account", "order"]
    search_fields = [
        "=id", "=order__id", "=trade_id", "=venue_order_id", "symbol__istartswith",
        "=account__id", "account__label__istartswith", "account__customer__name__istartswith",
    ]  # fmt: skip
    fields = [
        "account", "order", "symbol", "side", "quantity", "price", "fee", "fee_currency",
        "is_maker", "trade_id", "venue_order_id", "filled_at", "created_at",
    ]  # fmt: skip
    readonly_fields = fields

    page_select_related = ["account", "order"]

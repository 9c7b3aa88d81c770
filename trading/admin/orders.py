"""Orders with their timeline, their events and fills."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from customers.admin_base import LedgerAdmin
from customers.admin_json import pretty_json
from customers.admin_pages import access_of, client_address, console_page, require
from customers.domain.roles import Resource, Verb
from trading.entry_change_form import EntryAmendForm, amend_initial
from trading.models import Fill, Order, OrderEvent
from trading.reason_texts import reason_text
from trading.selectors.order_page import order_timeline
from trading.services.entry_changes import (
    Asker,
    EntryChangeRefusedError,
    entry_amend,
    entry_withdraw,
    may_amend,
    may_withdraw,
)

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
                    ("withdrawn_by", "amended_price", "amended_quantity"),
                    ("leverage", "margin_mode", "reduce_only"),
                    ("filled_quantity", "average_price"),
                ]
            },
        ),
        (
            _("Times"),
            {
                "fields": [
                    ("created_at", "send_at", "sent_at", "acknowledged_at", "finished_at"),
                    ("deadline_at", "expires_at", "check_at", "watch_until"),
                    ("checks", "misses"),
                ],
                "classes": ["collapse"],
            },
        ),
    ]
    change_form_outer_after_template = "admin/console/order_timeline.html"

    page_select_related = ["account", "intent"]

    def object_pages(self) -> list[tuple[str, Any]]:
        return [("withdraw", self.withdraw_page), ("amend", self.amend_page)]

    def withdraw_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        order = self._to_change(request, object_id)
        return self.confirm_page(
            request,
            order,
            title=gettext("Cancel this order?"),
            question=gettext(
                "The exchange is asked to cancel it until that is proven. What it fills until then "
                "stays and keeps its stops; the rest is not entered. Of an entry in slices those "
                "that come after it are cancelled, too."
            ),
            act=lambda reason: entry_withdraw(order=order, asker=_asker(request, reason)),
            done=gettext("The order is being cancelled."),
            button=gettext("Cancel the order"),
            dangerous=True,
            refusal=EntryChangeRefusedError,
        )

    def amend_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        order = self._to_change(request, object_id)
        form = AmendForm(request.POST or None, initial=amend_initial(order))
        if request.method == "POST" and form.is_valid():
            found = form.cleaned_data
            try:
                with self.writing_scope(request, order):
                    entry_amend(
                        order=order,
                        price=found["price"],
                        quantity=found["quantity"],
                        asker=_asker(request, found["reason"]),
                    )
            except EntryChangeRefusedError as refused:
                form.add_error(None, refused.message)
            else:
                messages.success(request, gettext("The order is being changed."))
                return HttpResponseRedirect(self.change_url(order))
        return console_page(
            request,
            "admin/console/form_page.html",
            title=gettext("Change this order"),
            form=form,
            explanation=gettext(
                "The exchange cancels the order first; then another one takes its place, for what "
                "of the new size is not filled by then. The size can only be made smaller, and "
                "what a higher price costs more has to be within the copy's caps."
            ),
            button=gettext("Change the order"),
            back=self.change_url(order),
        )

    def _to_change(self, request: HttpRequest, object_id: str) -> Order:
        order = self.object_or_404(request, object_id, Verb.VIEW)
        require(request, Resource.TRADING, Verb.CHANGE)
        return order

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
            context["order_pages"] = _pages(request, order)
        return super().render_change_form(request, context, *args, **kwargs)


def _asker(request: HttpRequest, reason: str) -> Asker:
    return Asker(
        access_of(request).user, Order.WithdrawnBy.OPERATOR, client_address(request), reason
    )


def _pages(request: HttpRequest, order: Order) -> list[tuple[str, str]]:
    """What may be done with it now."""
    if not access_of(request).may(Resource.TRADING, Verb.CHANGE):
        return []
    offered = (
        ("amend", gettext("Change"), may_amend(order)),
        ("withdraw", gettext("Cancel order"), may_withdraw(order)),
    )
    return [
        (reverse(f"admin:trading_order_{name}", args=[order.pk]), label)
        for name, label, may in offered
        if may
    ]


class AmendForm(EntryAmendForm):
    amount_widget = UnfoldAdminTextInputWidget
    reason = forms.CharField(
        label=_("Reason"),
        max_length=200,
        required=False,
        help_text=_("Is kept in the audit log."),
        widget=UnfoldAdminTextInputWidget,
    )


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

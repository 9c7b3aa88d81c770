"""What accounts and subscriptions hold, and the account page's panel of it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RelatedDropdownFilter
from unfold.decorators import display

from customers.admin_base import LedgerAdmin
from customers.admin_pages import Panel, register_panel
from customers.models import ExchangeAccount
from strategies.models import Subscription
from trading.models import (
    Balance,
    CopiedPosition,
    InstrumentSetting,
    Order,
    Position,
    Trade,
)
from trading.reason_texts import reason_text


@admin.register(CopiedPosition)
class CopiedPositionAdmin(LedgerAdmin[CopiedPosition]):
    list_display = [
        "changed_at", "customer", "account", "symbol", "leader_symbol", "target", "filled",
        "average_entry_price", "realised_pnl", "fees",
    ]  # fmt: skip
    list_filter = [("subscription__strategy", RelatedDropdownFilter)]
    list_select_related = ["customer", "account"]
    search_fields = [
        "=id",
        "symbol__istartswith",
        "=account__id",
        "account__label__istartswith",
        "account__customer__name__istartswith",
        "=subscription__id",
    ]
    fields = [
        "subscription", "account", "customer", "symbol", "leader_symbol", "target", "filled",
        "average_entry_price", "leverage", "realised_pnl", "fees", "opened_at",
        "entered_quantity", "entered_value", "exited_quantity", "exited_value", "round_trip_pnl",
        "round_trip_fees", "changed_at",
    ]  # fmt: skip
    readonly_fields = fields

    page_select_related = ["customer", "subscription__strategy", "subscription__account"]


@admin.register(Position)
class PositionAdmin(LedgerAdmin[Position]):
    list_display = [
        "updated_at", "account", "symbol", "position_side", "quantity", "average_price",
        "mark_price", "unrealised_pnl", "leverage", "liquidation_price",
    ]  # fmt: skip
    list_select_related = ["account"]
    search_fields = [
        "=id",
        "symbol__istartswith",
        "=account__id",
        "account__label__istartswith",
        "account__customer__name__istartswith",
    ]
    fields = [
        "account", "symbol", "position_side", "quantity", "average_price", "mark_price",
        "unrealised_pnl", "leverage", "margin_mode", "liquidation_price", "updated_at",
    ]  # fmt: skip
    readonly_fields = fields


@admin.register(Balance)
class BalanceAdmin(LedgerAdmin[Balance]):
    list_display = ["updated_at", "account", "currency", "equity", "available"]
    list_select_related = ["account"]
    search_fields = [
        "=id",
        "=currency",
        "=account__id",
        "account__label__istartswith",
        "account__customer__name__istartswith",
    ]
    fields = ["account", "currency", "equity", "available", "updated_at"]
    readonly_fields = fields


@admin.register(Trade)
class TradeAdmin(LedgerAdmin[Trade]):
    list_display = [
        "closed_at", "customer", "account", "symbol", "direction", "quantity", "entry_price",
        "exit_price", "realised_pnl", "fees",
    ]  # fmt: skip
    list_filter = [("subscription__strategy", RelatedDropdownFilter)]
    list_select_related = ["customer", "account"]
    search_fields = [
        "=id",
        "symbol__istartswith",
        "=account__id",
        "account__label__istartswith",
        "account__customer__name__istartswith",
        "=customer__id",
    ]
    date_hierarchy = "closed_at"
    fields = [
        "copied_position", "subscription", "account", "customer", "symbol", "direction",
        "quantity", "entry_price", "exit_price", "realised_pnl", "fees", "opened_at", "closed_at",
    ]  # fmt: skip
    readonly_fields = fields

    page_select_related = [
        "customer",
        "copied_position",
        "subscription__strategy",
        "subscription__account",
    ]


@admin.register(InstrumentSetting)
class InstrumentSettingAdmin(LedgerAdmin[InstrumentSetting]):
    list_display = ["confirmed_at", "account", "symbol", "margin_mode", "leverage"]
    list_select_related = ["account"]
    search_fields = [
        "=id",
        "symbol__istartswith",
        "=account__id",
        "account__label__istartswith",
        "account__customer__name__istartswith",
    ]
    fields = ["account", "symbol", "margin_mode", "leverage", "confirmed_at"]
    readonly_fields = fields

    @display(description=_("leverage"))
    def leverage_text(self, setting: InstrumentSetting) -> str:
        return f"{setting.leverage}×"


# --- panels on other apps' pages ----------------------------------------------------------------

PANEL_ROWS = 20


def _holdings_panel(request: HttpRequest, account: ExchangeAccount) -> dict[str, Any]:
    """Health in words, what the exchange says, what is copied, the newest orders: 5 queries."""
    mine = {"account": account}
    return {
        "account": account,
        "health_text": reason_text(account.health_code, account.health_params),
        "balances": list(Balance.objects.filter(**mine).order_by("currency")[:PANEL_ROWS]),
        "positions": list(
            Position.objects.filter(**mine).order_by("symbol", "position_side")[:PANEL_ROWS]
        ),
        "subscriptions": list(
            Subscription.objects.filter(**mine)
            .select_related("strategy")
            .order_by("-id")[:PANEL_ROWS]
        ),
        "copied": list(
            CopiedPosition.objects.filter(**mine)
            .select_related("subscription__strategy")
            .order_by("-changed_at")[:PANEL_ROWS]
        ),
        "orders": list(Order.objects.filter(**mine).order_by("-id")[:PANEL_ROWS]),
    }


def _copied_panel(request: HttpRequest, subscription: Subscription) -> dict[str, Any]:
    rows = CopiedPosition.objects.filter(subscription=subscription)
    return {"copied": list(rows.order_by("symbol")[:PANEL_ROWS])}


register_panel(ExchangeAccount, Panel("admin/console/panel_holdings.html", _holdings_panel))
register_panel(Subscription, Panel("admin/console/panel_copied.html", _copied_panel))

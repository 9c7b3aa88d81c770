"""What the accounts are worth, and what moved their money and was no trade."""

from django.contrib import admin
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from customers.admin_base import LedgerAdmin
from trading.models import AccountBill, CashBook, EquityDay, FundingShare


@admin.register(AccountBill)
class AccountBillAdmin(LedgerAdmin[AccountBill]):
    list_display = ["occurred_at", "account", "kind", "currency", "amount", "symbol"]
    list_filter = [("kind", ChoicesDropdownFilter)]
    list_select_related = ["account"]
    search_fields = ["=bill_id", "account__label__istartswith", "symbol__istartswith"]
    fields = [
        "account", "kind", "venue_kind", "currency", "amount", "symbol", "position_side",
        "bill_id", "occurred_at", "created_at",
    ]  # fmt: skip
    readonly_fields = fields
    page_select_related = ["account"]


@admin.register(FundingShare)
class FundingShareAdmin(LedgerAdmin[FundingShare]):
    list_display = ["bill", "subscription", "quantity", "amount"]
    list_select_related = ["bill", "subscription__strategy", "subscription__account"]
    search_fields = ["=subscription__id", "=bill__bill_id"]
    fields = ["bill", "subscription", "quantity", "amount"]
    readonly_fields = fields
    page_select_related = ["bill", "subscription__strategy", "subscription__account"]


@admin.register(CashBook)
class CashBookAdmin(LedgerAdmin[CashBook]):
    list_display = ["account", "currency", "balance", "suspected", "missing", "changed_at"]
    list_select_related = ["account"]
    search_fields = ["account__label__istartswith", "=currency"]
    fields = [
        "account", "currency", "balance", "last_bill_id", "suspected", "suspected_at", "missing",
        "missing_at", "changed_at",
    ]  # fmt: skip
    readonly_fields = fields
    page_select_related = ["account"]


@admin.register(EquityDay)
class EquityDayAdmin(LedgerAdmin[EquityDay]):
    list_display = ["day", "account", "start", "last", "peak", "moved"]
    list_select_related = ["account"]
    search_fields = ["account__label__istartswith"]
    fields = ["account", "day", "start", "last", "peak", "moved", "read_at", "updated_at"]
    readonly_fields = fields
    page_select_related = ["account"]

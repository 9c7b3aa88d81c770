"""The risk monitor: its page, its thresholds, and what it did."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import admin
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from customers.admin_base import ConsoleModelAdmin, LedgerAdmin
from customers.admin_json import pretty_json
from customers.admin_pages import console_page, require
from customers.console import register_page
from customers.domain.roles import Resource, Verb
from trading.models import (
    AccountRisk,
    PlatformAction,
    PlatformThreshold,
    RiskAction,
    RiskThreshold,
)
from trading.models.risk_actions import ReachedThreshold
from trading.risk_texts import action_done_text, action_found_text, action_subject_text
from trading.selectors.risk import NamedTotal, platform_actions, risk_picture

ACCOUNTS_PER_PAGE = 100
GROUPS_SHOWN = 50


def risk_page(request: HttpRequest) -> HttpResponse:
    """Accounts by their distance to liquidation, sums by level, and what was done."""
    access = require(request, Resource.LEDGER, Verb.VIEW)
    picture = risk_picture(access.tenant)
    rows = Paginator(picture.rows, ACCOUNTS_PER_PAGE).get_page(request.GET.get("page"))
    whole = _("Platform") if access.tenant is None else access.tenant.name
    return console_page(
        request,
        "admin/console/risk.html",
        title=_("Risk"),
        rows=rows,
        levels=[
            (_("All"), [NamedTotal(whole, picture.whole)]),
            *_level(_("By firm"), picture.tenants),
            *_level(_("By strategy"), picture.strategies),
            *_level(_("By customer"), picture.customers),
        ],
        actions=_lines(picture.actions),
        platform_actions=_lines(platform_actions()) if access.is_platform else [],
        shows_tenants=access.tenant is None,
        thresholds_url=reverse("admin:trading_riskthreshold_changelist"),
        actions_url=reverse("admin:trading_riskaction_changelist"),
    )


def _lines(actions: Sequence[ReachedThreshold]) -> list[tuple[ReachedThreshold, str, str, str]]:
    return [
        (
            action,
            action_subject_text(action),
            action_found_text(action),
            action_done_text(action),
        )
        for action in actions
    ]


def _level(title: str, totals: Sequence[NamedTotal]) -> list[tuple[str, Sequence[NamedTotal]]]:
    return [(title, totals[:GROUPS_SHOWN])] if totals else []


register_page("risk/", risk_page, name="risk")


@admin.register(RiskThreshold)
class RiskThresholdAdmin(ConsoleModelAdmin[RiskThreshold]):
    list_display = [
        "measure", "limit", "action", "reduce_percent", "level", "scope", "recovery_percent",
        "is_active",
    ]  # fmt: skip
    list_filter = [
        ("level", ChoicesDropdownFilter), ("measure", ChoicesDropdownFilter),
        ("action", ChoicesDropdownFilter), "is_active",
    ]  # fmt: skip
    list_select_related = ["customer", "account", "strategy"]
    search_fields = [
        "=id", "customer__name__istartswith", "account__label__istartswith",
        "strategy__name__istartswith",
    ]  # fmt: skip
    autocomplete_fields = ["customer", "account", "strategy"]
    fields = [
        "level", "customer", "account", "strategy", "measure", "limit", "action",
        "reduce_percent", "recovery_percent", "is_active",
    ]  # fmt: skip
    page_select_related = ["customer", "account", "strategy"]

    @display(description=gettext_lazy("for"))
    def scope(self, threshold: RiskThreshold) -> str:
        return str(threshold.account or threshold.customer or threshold.strategy or _("all"))


@admin.register(PlatformThreshold)
class PlatformThresholdAdmin(ConsoleModelAdmin[PlatformThreshold]):
    """Of all firms together: nobody but superusers sees or sets these."""

    resource = Resource.PLATFORM
    tenant_path = None
    list_display = [
        "measure", "limit", "action", "reduce_percent", "recovery_percent", "is_active",
    ]  # fmt: skip
    fields = ["measure", "limit", "action", "reduce_percent", "recovery_percent", "is_active"]


class _Reached:
    """The columns that what a firm's and what the platform's sums led to have in common."""

    list_display = ["reached_at", "state_label", "whose", "found", "done"]
    list_display_links = ["reached_at", "found"]
    list_filter = [("measure", ChoicesDropdownFilter), ("action", ChoicesDropdownFilter)]
    date_hierarchy = "reached_at"
    fields = [
        "whose", "threshold", "measure", "value", "limit", "action", "found", "done", "numbers",
        "reached_at", "done_at", "over_at",
    ]  # fmt: skip
    readonly_fields = fields

    @display(
        description=gettext_lazy("state"),
        label={"waits": "warning", "lasts": "danger", "over": "success"},
    )
    def state_label(self, action: ReachedThreshold) -> tuple[str, str]:
        if action.done_at is None:
            return "waits", _("to be done")
        return ("lasts", _("lasts")) if action.over_at is None else ("over", _("over"))

    @display(description=gettext_lazy("whose"))
    def whose(self, action: ReachedThreshold) -> str:
        return action_subject_text(action)

    @display(description=gettext_lazy("what was found"))
    def found(self, action: ReachedThreshold) -> str:
        return action_found_text(action)

    @display(description=gettext_lazy("what was done"))
    def done(self, action: ReachedThreshold) -> str:
        return action_done_text(action)

    @display(description=gettext_lazy("numbers"))
    def numbers(self, action: ReachedThreshold) -> str:
        return pretty_json(action.params)


@admin.register(RiskAction)
class RiskActionAdmin(_Reached, LedgerAdmin[RiskAction]):
    list_filter = [("level", ChoicesDropdownFilter), *_Reached.list_filter]
    list_select_related = ["account__customer", "customer", "strategy"]
    search_fields = ["=id", "=account__id", "account__label__istartswith"]
    page_select_related = ["account__customer", "customer", "strategy", "threshold"]


@admin.register(PlatformAction)
class PlatformActionAdmin(_Reached, ConsoleModelAdmin[PlatformAction]):
    """Read by superusers alone, and written by the monitor alone."""

    resource = Resource.PLATFORM
    tenant_path = None
    page_select_related = ["threshold"]

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(AccountRisk)
class AccountRiskAdmin(LedgerAdmin[AccountRisk]):
    list_display = [
        "account", "equity", "gross", "net", "unrealised", "margin_ratio_percent",
        "distance_percent", "daily_pnl", "drawdown_percent", "updated_at",
    ]  # fmt: skip
    list_select_related = ["account"]
    search_fields = ["=account__id", "account__label__istartswith"]
    fields = [
        "account", "equity", "gross", "net", "unrealised", "maintenance", "margin_ratio_percent",
        "distance_percent", "daily_pnl", "drawdown_percent", "peak", "is_complete", "is_stale",
        "updated_at",
    ]  # fmt: skip
    readonly_fields = fields
    page_select_related = ["account"]

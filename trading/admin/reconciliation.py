"""What was found on accounts, and the books that are kept of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from customers.admin_base import ConsoleModelAdmin, LedgerAdmin
from customers.admin_pages import Panel, RefusalError, access_of, client_address, register_panel
from customers.domain.roles import Resource, Verb
from customers.models import ExchangeAccount
from strategies.models import Subscription
from trading.domain.reconciliation import FindingKind
from trading.finding_texts import finding_name, finding_text
from trading.models import (
    AccountBill,
    AccountBooks,
    Finding,
    FundingShare,
    ReconciliationPolicy,
    UnattributedPosition,
)
from trading.selectors.account_books import account_books
from trading.services.reconciliation.deciding import (
    EXITS_REPAIR,
    FindingDecisionError,
    finding_cancel_order,
    finding_repair,
    finding_settle,
)

_ACCOUNT_SEARCH = [
    "=id",
    "=account__id",
    "account__label__istartswith",
    "account__customer__name__istartswith",
]


@admin.register(Finding)
class FindingAdmin(LedgerAdmin[Finding]):
    list_display = ["first_seen_at", "account", "symbol", "text", "policy", "state", "outcome"]
    list_display_links = ["first_seen_at", "text"]
    list_filter = [("state", ChoicesDropdownFilter), ("outcome", ChoicesDropdownFilter)]
    list_select_related = ["account"]
    search_fields = [*_ACCOUNT_SEARCH, "symbol__istartswith", "=kind"]
    date_hierarchy = "first_seen_at"
    fields = [
        "account", "subscription", "symbol", "position_side", "kind_name", "text", "params",
        "policy", "state", "outcome", "note", "first_seen_at", "last_seen_at", "resolved_at",
    ]  # fmt: skip
    readonly_fields = fields
    page_select_related = ["account", "subscription__strategy", "subscription__account"]

    def object_pages(self) -> list[tuple[str, Any]]:
        return [
            ("adopt", self.adopt_page),
            ("dismiss", self.dismiss_page),
            ("repair", self.repair_page),
        ]

    def adopt_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        question = gettext("Adopt it: the books follow already.")
        return self._settle_page(
            request, object_id, Finding.Outcome.ADOPTED, gettext("Adopt"), question
        )

    def dismiss_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        question = gettext("Dismiss it, with a note why.")
        return self._settle_page(
            request, object_id, Finding.Outcome.DISMISSED, gettext("Dismiss"), question
        )

    def _settle_page(
        self,
        request: HttpRequest,
        object_id: str,
        outcome: Finding.Outcome,
        button: str,
        question: str,
    ) -> HttpResponse:
        finding = self._to_decide(request, object_id)
        return self.confirm_page(
            request,
            finding,
            title=self.text(finding),
            question=question,
            act=lambda note: _refusing(
                lambda: finding_settle(
                    tenant_id=finding.tenant_id,
                    finding_id=finding.pk,
                    outcome=outcome,
                    actor=access_of(request).user,
                    note=note,
                    ip_address=client_address(request),
                )
            ),
            done=gettext("The finding is closed."),
            button=button,
        )

    def repair_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        finding = self._to_decide(request, object_id)
        cancels = finding.kind == FindingKind.UNKNOWN_ORDER
        question = gettext("Exit what no copy accounts for by a reduce-only market order.")
        done = gettext("An exit of it was ordered.")
        if cancels:
            question = gettext("Cancel the order as soon as it is certain that it is not ours.")
            done = gettext("It is cancelled by one of the next looks at the account.")
        repair = finding_cancel_order if cancels else finding_repair
        return self.confirm_page(
            request,
            finding,
            title=self.text(finding),
            question=question,
            act=lambda note: _refusing(
                lambda: repair(
                    tenant_id=finding.tenant_id,
                    finding_id=finding.pk,
                    actor=access_of(request).user,
                    note=note,
                    ip_address=client_address(request),
                )
            ),
            done=done,
            button=gettext("Repair"),
            dangerous=True,
        )

    def _to_decide(self, request: HttpRequest, object_id: str) -> Finding:
        finding = self.object_or_404(request, object_id, Verb.VIEW)
        if not access_of(request).may(Resource.TRADING, Verb.CHANGE):
            raise PermissionDenied
        return finding

    @display(description=_("finding"))
    def kind_name(self, finding: Finding) -> str:
        return finding_name(finding.kind)

    @display(description=_("what happened"))
    def text(self, finding: Finding) -> str:
        return finding_text(finding.kind, {**finding.params, "symbol": finding.symbol})


_REFUSALS = {
    FindingDecisionError.CLOSED: _("It is closed already."),
    FindingDecisionError.NOTHING_TO_EXIT: _("There is nothing to exit that no copy accounts for."),
    FindingDecisionError.NOT_REPAIRABLE: _("There is nothing about it that could be repaired."),
    FindingDecisionError.UNDER_WAY: _("An exit of it is under way."),
    FindingDecisionError.UNKNOWN_SYMBOL: _("Nobody knows this symbol."),
}


_REPAIRABLE = EXITS_REPAIR | {FindingKind.UNKNOWN_ORDER}


def _refusing(act: Callable[[], object]) -> None:
    try:
        act()
    except FindingDecisionError as refused:
        raise RefusalError(str(_REFUSALS[str(refused)])) from refused


def _panel(request: HttpRequest, finding: Finding) -> dict[str, Any]:
    may = access_of(request).may(Resource.TRADING, Verb.CHANGE)
    is_open = finding.state == Finding.State.OPEN
    return {
        "finding": finding,
        "text": finding_text(finding.kind, {**finding.params, "symbol": finding.symbol}),
        "pages": [
            (reverse(f"admin:trading_finding_{name}", args=[finding.pk]), label)
            for name, label in (
                ("adopt", _("Adopt")), ("dismiss", _("Dismiss")), ("repair", _("Repair")),
            )
            if may and is_open and (name != "repair" or finding.kind in _REPAIRABLE)
        ],
    }  # fmt: skip


register_panel(Finding, Panel("admin/console/panel_finding.html", _panel))


# --- on the pages of accounts and subscriptions -------------------------------------------------

PANEL_ROWS = 20


def _account_panel(request: HttpRequest, account: ExchangeAccount) -> dict[str, Any]:
    """Four queries."""
    bills = AccountBill.objects.for_tenant(account.tenant_id).filter(account_id=account.pk)
    return {
        "books": account_books(account.tenant_id, account.pk),
        "bills": list(bills.order_by("-pk")[:PANEL_ROWS]),
        "shares": None,
    }


def _subscription_panel(request: HttpRequest, subscription: Subscription) -> dict[str, Any]:
    """Four queries."""
    tenant_id = subscription.tenant_id
    shares = FundingShare.objects.for_tenant(tenant_id).filter(subscription_id=subscription.pk)
    return {
        "books": account_books(tenant_id, subscription.account_id).of_copy(subscription),
        "bills": None,
        "shares": list(shares.select_related("bill").order_by("-pk")[:PANEL_ROWS]),
    }


register_panel(ExchangeAccount, Panel("admin/console/panel_books.html", _account_panel))
register_panel(Subscription, Panel("admin/console/panel_books.html", _subscription_panel))


@admin.register(UnattributedPosition)
class UnattributedPositionAdmin(LedgerAdmin[UnattributedPosition]):
    list_display = [
        "changed_at", "account", "symbol", "position_side", "quantity", "average_price",
        "suspected", "suspected_at",
    ]  # fmt: skip
    list_select_related = ["account"]
    search_fields = [*_ACCOUNT_SEARCH, "symbol__istartswith"]
    fields = [
        "account", "symbol", "position_side", "quantity", "average_price", "fees", "cause",
        "suspected", "suspected_at", "changed_at",
    ]  # fmt: skip
    readonly_fields = fields
    page_select_related = ["account"]


@admin.register(AccountBooks)
class AccountBooksAdmin(LedgerAdmin[AccountBooks]):
    list_display = ["account", "passed_at", "differs_since", "since", "fills_read_until"]
    list_select_related = ["account"]
    search_fields = _ACCOUNT_SEARCH
    fields = [
        "account", "since", "fills_read_until", "bills_read_until", "orders_tried_at",
        "orders_read_at", "wallet_read_until", "passed_at", "differs_since",
    ]  # fmt: skip
    readonly_fields = fields
    page_select_related = ["account"]


@admin.register(ReconciliationPolicy)
class ReconciliationPolicyAdmin(ConsoleModelAdmin[ReconciliationPolicy]):
    """One for the firm, and one for each subscription that has its own."""

    list_display = ["scope", "policy"]
    list_filter = [("policy", ChoicesDropdownFilter)]
    list_select_related = ["subscription__strategy", "subscription__account"]
    search_fields = ["=subscription__id", "subscription__account__label__istartswith"]
    autocomplete_fields = ["subscription"]
    fields = ["subscription", "policy"]
    page_select_related = ["subscription__strategy", "subscription__account"]

    @display(description=_("for"))
    def scope(self, policy: ReconciliationPolicy) -> str:
        return str(policy.subscription or _("all subscriptions"))

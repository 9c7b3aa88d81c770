"""The signal's page: one signal, every follower, live."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from customers.admin_base import LedgerAdmin
from customers.admin_json import pretty_json
from customers.admin_pages import console_page
from customers.domain.roles import Verb
from customers.fields import plain
from signals_app.models import Signal
from signals_app.skip_texts import skip_text
from trading.admin.coverage_bars import coverage_counters, coverage_segments
from trading.models import EffectiveSettings, Intent, SignalShard
from trading.selectors.coverage import coverage_by_signal, signal_coverage
from trading.selectors.signal_page import followers_by_id, followers_page


@admin.register(Signal)
class SignalAdmin(LedgerAdmin[Signal]):
    list_display = [
        "received_at", "action_label", "symbol", "side", "source", "status_label", "followers",
        "coverage_bar",
    ]  # fmt: skip
    list_filter = [
        ("status", ChoicesDropdownFilter),
        ("action", ChoicesDropdownFilter),
        "source",
    ]
    list_select_related = ["source"]
    search_fields = ["=id", "symbol__istartswith", "=external_id"]
    date_hierarchy = "received_at"

    # --- the list -------------------------------------------------------------------------

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        rows = list(changelist.result_list)
        coverage = coverage_by_signal(rows)
        for signal in rows:
            signal.coverage = coverage[signal.pk]
        changelist.result_list = rows
        return changelist

    @display(description=_("action"), ordering="action", label=True)
    def action_label(self, signal: Signal) -> str:
        return signal.get_action_display()

    @display(
        description=_("status"), ordering="status", label={"done": "success", "dispatched": "info"}
    )
    def status_label(self, signal: Signal) -> tuple[str, str]:
        return signal.status, signal.get_status_display()

    @display(description=_("coverage"))
    def coverage_bar(self, signal: Any) -> str:
        from django.template.loader import render_to_string

        return render_to_string(
            "admin/console/coverage_bar.html", {"segments": coverage_segments(signal.coverage)}
        )

    # --- the page ---------------------------------------------------------------------------

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        signal = self._signal(request, object_id)
        if request.method != "GET":
            return HttpResponse(status=405)
        return console_page(
            request,
            "admin/console/signal_page.html",
            title=str(signal),
            opts=self.opts,
            original=signal,
            targets=_shown_targets(signal),
            skip_reason=skip_text(signal.skip_code, signal.skip_params),
            raw_payload=pretty_json(signal.raw_payload) if signal.raw_payload else "",
            **self._followers(request, signal),
        )

    def object_pages(self) -> list[Any]:
        return [("followers", self.followers_view), ("changes", self.changes_view)]

    def followers_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The head's state, the counters and the table, for the filter, the pages and a full
        refresh."""
        signal = self._signal(request, object_id)
        return TemplateResponse(
            request,
            "admin/console/signal_followers.html",
            {**self._followers(request, signal), "is_part": True},
        )

    def changes_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The head's state, the counters, and those rows that the page has on show and that
        changed."""
        signal = self._signal(request, object_id)
        coverage = signal_coverage(signal)
        return TemplateResponse(
            request,
            "admin/console/signal_changes.html",
            {
                "signal": signal,
                "coverage": coverage,
                "counters": coverage_counters(coverage),
                "segments": coverage_segments(coverage),
                "status": request.GET.get("status", ""),
                "rows": followers_by_id(signal, request.GET.get("rows", "").split(",")),
            },
        )

    def _signal(self, request: HttpRequest, object_id: str) -> Signal:
        signal = self.object_or_404(request, object_id, Verb.VIEW)
        if not isinstance(signal, Signal):
            raise Http404
        return signal

    def _followers(self, request: HttpRequest, signal: Signal) -> dict[str, Any]:
        coverage = signal_coverage(signal)
        number = request.GET.get("page", "1")
        page = followers_page(
            signal,
            coverage,
            status=request.GET.get("status", ""),
            number=int(number) if number.isdecimal() and len(number) < 7 else 1,
        )
        return {
            "signal": signal,
            "coverage": coverage,
            "counters": coverage_counters(coverage),
            "segments": coverage_segments(coverage),
            "page": page,
            "status": page.status,
            "rows": page.rows,
            "followers_url": reverse("admin:signals_app_signal_followers", args=[signal.pk]),
            "changes_url": reverse("admin:signals_app_signal_changes", args=[signal.pk]),
        }


def _shown_targets(signal: Signal) -> list[dict[str, str]]:
    """Prices with the percentage of the position that is taken there."""
    return [
        {
            "price": target["price"],
            "percent": format(plain(round(Decimal(target["fraction"]) * 100, 2)), "f"),
        }
        for target in signal.targets
    ]


@admin.register(Intent)
class IntentAdmin(LedgerAdmin[Intent]):
    list_display = [
        "created_at", "status_label", "symbol", "side", "quantity", "account", "customer",
        "cause", "reason_code",
    ]  # fmt: skip
    list_filter = [("status", ChoicesDropdownFilter), ("cause", ChoicesDropdownFilter)]
    list_select_related = ["account", "customer"]
    search_fields = [
        "=id", "=signal__id", "=subscription__id", "=cause_id", "symbol__istartswith",
        "=account__id", "account__label__istartswith", "customer__name__istartswith",
    ]  # fmt: skip
    fields = [
        "id", "status", "reason", "cause", "cause_id", "signal", "subscription", "account",
        "customer", "leg", "symbol", "is_entry", "side", "quantity", "reference_price",
        "target_before", "target_after", "settings", "created_at", "finished_at",
    ]  # fmt: skip
    readonly_fields = fields
    change_form_outer_after_template = "admin/console/intent_orders.html"

    page_select_related = ["signal", "subscription__strategy", "subscription__account", "settings"]

    @display(
        description=_("status"),
        ordering="status",
        label={
            "filled": "success",
            "partial": "info",
            "working": "info",
            "rejected": "danger",
            "unknown": "warning",
            "not_placed": "danger",
        },
    )
    def status_label(self, intent: Intent) -> tuple[str, str]:
        return intent.status, intent.get_status_display()

    @display(description=_("reason"))
    def reason(self, intent: Intent) -> str:
        from trading.reason_texts import reason_text

        return reason_text(intent.reason_code, intent.reason_params) or "-"

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kw: Any) -> Any:
        intent = kw.get("obj")
        if intent is not None:
            context["intent_orders"] = list(intent.orders.order_by("id"))
        return super().render_change_form(request, context, *args, **kw)


@admin.register(SignalShard)
class SignalShardAdmin(LedgerAdmin[SignalShard]):
    list_display = [
        "created_at", "signal", "strategy", "number", "size", "status", "claimed_by",
    ]  # fmt: skip
    list_filter = [("status", ChoicesDropdownFilter)]
    list_select_related = ["signal", "strategy"]
    search_fields = ["=id", "=signal__id"]
    fields = [
        "signal", "strategy", "number", "size", "status", "first_subscription_id",
        "last_subscription_id", "claimed_by", "claimed_until", "created_at",
    ]  # fmt: skip
    readonly_fields = fields

    page_select_related = ["signal", "strategy"]


@admin.register(EffectiveSettings)
class EffectiveSettingsAdmin(LedgerAdmin[EffectiveSettings]):
    list_display = ["created_at", "content_hash"]
    search_fields = ["=id", "=content_hash"]
    fields = ["content_hash", "created_at", "content_text"]
    readonly_fields = fields

    @display(description=_("content"))
    def content_text(self, settings: EffectiveSettings) -> str:
        return pretty_json(settings.content)

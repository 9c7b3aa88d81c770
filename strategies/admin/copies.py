"""Strategies and who follows them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import action, display

from customers.admin_base import ConsoleForm
from customers.admin_fields import LinesField
from customers.admin_pages import access_of, client_address
from customers.domain.roles import Verb
from strategies.admin.settings_page import SettingsRowAdmin
from strategies.domain.settings import OnStop
from strategies.end_texts import end_text
from strategies.models import Strategy, Subscription
from strategies.selectors.settings import settings_content
from strategies.services.settings import settings_problems
from strategies.services.subscriptions import (
    SubscriptionRefusedError,
    stop_effect,
    subscription_pause,
    subscription_resume,
    subscription_stop,
)
from strategies.setting_texts import problem_text

_STOP_EFFECTS = {
    OnStop.LEAVE: gettext_lazy(
        "It follows no signal any more, and it cannot be resumed. Its open positions are not "
        "closed: they are left to the client."
    ),
    OnStop.CLOSE: gettext_lazy(
        "It follows no signal any more, and it cannot be resumed. Its open positions are closed "
        "at the market price now; while trading is halted, they wait."
    ),
    OnStop.KEEP_EXITS: gettext_lazy(
        "It opens nothing any more, and it cannot be resumed. Exits are followed until all its "
        "positions are closed."
    ),
}


class SymbolsField(LinesField):
    def normal(self, line: str) -> str:
        return line.upper()


class TermsForm(ConsoleForm):
    """A new row's terms, checked as its page of settings checks them; later they are changed
    there alone, where every version is kept."""

    terms: ClassVar[Mapping[str, str]]
    """The setting that each field is."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.instance._state.adding and not self.errors:
            self._check_terms(cleaned)
        return cleaned

    def _check_terms(self, cleaned: Mapping[str, Any]) -> None:
        for name in self.terms.values():
            setattr(self.instance, name, cleaned[name])
        content = settings_content(self.instance)
        for problem in settings_problems(self.instance, content):
            self.add_error(self.terms.get(problem.name), problem_text(problem))


class StrategyForm(TermsForm):
    terms: ClassVar[Mapping[str, str]] = {
        "follow_ratio": "follow_ratio",
        "max_leverage": "max_leverage",
        "allowed_symbols": "symbols",
    }

    symbols = SymbolsField(
        label=gettext_lazy("Symbols"),
        help_text=gettext_lazy("One per line, such as BTC/USDT:USDT. Empty: all are copied."),
    )


@admin.register(Strategy)
class StrategyAdmin(SettingsRowAdmin):
    form = StrategyForm
    list_display = [
        "name", "source", "status_label", "follow_ratio", "max_leverage", "symbol_list",
        "follower_count",
    ]  # fmt: skip
    list_filter = [("status", ChoicesDropdownFilter), ("source", RelatedDropdownFilter)]
    list_select_related = ["source"]
    search_fields = ["name", "=id"]
    readonly_fields = ["created_at"]
    fieldsets = [
        (None, {"fields": ["name", "description", "source", "status"]}),
        (
            gettext_lazy("Terms"),
            {"fields": [("follow_ratio", "max_leverage"), "symbols", "created_at"]},
        ),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        fixed = list(self.readonly_fields)
        return fixed if obj is None else [*fixed, "follow_ratio", "max_leverage", "symbol_list"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        base, (title, terms) = super().get_fieldsets(request, obj)
        if obj is None:
            return [base, (title, terms)]
        shown = ["symbol_list" if name == "symbols" else name for name in terms["fields"]]
        return [base, (title, {**terms, "fields": shown})]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Strategy]:
        followers = (
            Subscription.objects.filter(strategy=OuterRef("pk"))
            .exclude(status=Subscription.Status.STOPPED)
            .order_by()
            .values("strategy")
            .annotate(count=Count("pk"))
            .values("count")
        )
        return super().get_queryset(request).annotate(followers_=Coalesce(Subquery(followers), 0))

    @display(
        description=gettext_lazy("status"),
        ordering="status",
        label={"active": "success", "paused": "warning"},
    )
    def status_label(self, strategy: Strategy) -> tuple[str, str]:
        return strategy.status, strategy.get_status_display()

    @display(description=gettext_lazy("symbols"))
    def symbol_list(self, strategy: Strategy) -> str:
        return ", ".join(strategy.symbols) or _("all")

    @display(description=gettext_lazy("followers"))
    def follower_count(self, strategy: Any) -> str:
        url = reverse("admin:strategies_subscription_changelist")
        return format_html(
            '<a href="{}?strategy__id__exact={}">{}</a>', url, strategy.pk, strategy.followers_
        )


class SubscriptionForm(TermsForm):
    """The customer follows from the account, so the two can never disagree."""

    terms: ClassVar[Mapping[str, str]] = {
        name: name for name in ("sizing_mode", "fixed_amount", "ratio", "max_leverage")
    }

    def clean(self) -> dict[str, Any]:
        account = self.cleaned_data.get("account")
        if account is not None:
            self.instance.customer = account.customer
        return super().clean()

    def _check_terms(self, cleaned: Mapping[str, Any]) -> None:
        account, strategy = cleaned["account"], cleaned["strategy"]
        self.instance.account, self.instance.strategy = account, strategy
        self._refuse_a_second_one(account, strategy)
        super()._check_terms(cleaned)

    def _refuse_a_second_one(self, account: Any, strategy: Any) -> None:
        live = Subscription.objects.filter(account=account, strategy=strategy)
        if live.filter(~Q(status=Subscription.Status.STOPPED)).exists():
            self.add_error("account", _("This account already follows this strategy."))


@admin.register(Subscription)
class SubscriptionAdmin(SettingsRowAdmin):
    form = SubscriptionForm
    list_display = [
        "account", "customer", "strategy", "status_label", "sizing_mode", "ratio", "fixed_amount",
        "max_leverage", "changed_at",
    ]  # fmt: skip
    list_filter = [
        ("status", ChoicesDropdownFilter),
        ("strategy", RelatedDropdownFilter),
        ("sizing_mode", ChoicesDropdownFilter),
    ]
    list_select_related = ["account", "customer", "strategy"]
    search_fields = ["account__label", "customer__name", "strategy__name", "=id"]
    autocomplete_fields = ["account", "strategy"]
    readonly_fields = ["status", "ended", "customer", "created_at", "changed_at"]
    fieldsets = [
        (None, {"fields": ["strategy", "account", ("customer", "status"), "ended"]}),
        (
            gettext_lazy("Sizing"),
            {"fields": ["sizing_mode", ("ratio", "fixed_amount"), "max_leverage"]},
        ),
        (gettext_lazy("Dates"), {"fields": [("created_at", "changed_at")]}),
    ]
    actions = ["pause_selected", "resume_selected", "stop_selected"]
    actions_detail = ["edit_settings", "pause", "resume", "stop"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        fixed = list(self.readonly_fields)
        later = ["strategy", "account", *SubscriptionForm.terms]
        return fixed if obj is None else [*fixed, *later]

    page_select_related = ["account", "strategy", "customer"]

    @display(description=gettext_lazy("ended"))
    def ended(self, subscription: Subscription) -> str:
        return end_text(subscription.end_code, subscription.end_params) or "–"

    @display(
        description=gettext_lazy("status"),
        ordering="status",
        label={"active": "success", "paused": "warning", "ending": "warning"},
    )
    def status_label(self, subscription: Subscription) -> tuple[str, str]:
        return subscription.status, subscription.get_status_display()

    # --- one ----------------------------------------------------------------------------------

    @action(
        description=gettext_lazy("Pause"), url_path="pause", permissions=["change"], icon="pause"
    )
    def pause(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._ask(
            request,
            object_id,
            subscription_pause,
            title=_("Pause this copy"),
            question=_("New positions are not opened; exits are still followed."),
            done=_("The copy is paused."),
            button=_("Pause"),
        )

    @action(
        description=gettext_lazy("Resume"),
        url_path="resume",
        permissions=["change"],
        icon="play_arrow",
    )
    def resume(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._ask(
            request,
            object_id,
            subscription_resume,
            title=_("Resume this copy"),
            question=_("New signals are followed again. What was missed is not made up for."),
            done=_("The copy is active."),
            button=_("Resume"),
        )

    @action(description=gettext_lazy("Stop"), url_path="stop", permissions=["change"], icon="stop")
    def stop(self, request: HttpRequest, object_id: str) -> HttpResponse:
        subscription = self.object_or_404(request, object_id, Verb.CHANGE)
        effect = stop_effect(subscription)
        return self._ask(
            request,
            object_id,
            partial(subscription_stop, effect=effect),
            title=_("Stop this copy"),
            question=str(_STOP_EFFECTS[effect]),
            done=_("The copy is stopped.") if effect is OnStop.LEAVE else _("The copy is ending."),
            button=_("Stop"),
            dangerous=True,
        )

    def _ask(
        self, request: HttpRequest, object_id: str, service: Any, **texts: Any
    ) -> HttpResponse:
        subscription = self.object_or_404(request, object_id, Verb.CHANGE)
        return self.confirm_page(
            request,
            subscription,
            act=lambda reason: self._call(request, service, subscription, reason),
            refusal=SubscriptionRefusedError,
            **texts,
        )

    def _call(
        self, request: HttpRequest, service: Any, subscription: Subscription, reason: str = ""
    ) -> Any:
        return service(
            subscription=subscription,
            actor=access_of(request).user,
            ip_address=client_address(request),
            reason=reason,
        )

    # --- many ---------------------------------------------------------------------------------

    @admin.action(description=gettext_lazy("Pause"), permissions=["change"])
    def pause_selected(self, request: HttpRequest, rows: QuerySet[Subscription]) -> None:
        self._call_selected(request, rows, subscription_pause)

    @admin.action(description=gettext_lazy("Resume"), permissions=["change"])
    def resume_selected(self, request: HttpRequest, rows: QuerySet[Subscription]) -> None:
        self._call_selected(request, rows, subscription_resume)

    @admin.action(description=gettext_lazy("Stop"), permissions=["change"])
    def stop_selected(self, request: HttpRequest, rows: QuerySet[Subscription]) -> None:
        self._call_selected(request, rows, subscription_stop)

    def _call_selected(
        self, request: HttpRequest, rows: QuerySet[Subscription], service: Any
    ) -> None:
        count = 0
        for subscription in rows:
            try:
                with self.writing_scope(request, subscription):
                    self._call(request, service, subscription)
            except SubscriptionRefusedError as refused:
                messages.error(request, f"{subscription}: {refused.message}")
            else:
                count += 1
        messages.success(
            request,
            ngettext("%(count)d copy handled.", "%(count)d copies handled.", count)
            % {"count": count},
        )

"""Strategies and who follows them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSelectWidget

from customers.admin_base import ConsoleForm, ConsoleModelAdmin
from customers.admin_fields import LinesField
from customers.admin_pages import access_of, client_address
from customers.domain.roles import Verb
from strategies.admin.settings_page import SettingsRowAdmin
from strategies.admission_texts import refusal_text, refused_field
from strategies.domain.settings import SPECS, OnStop
from strategies.end_texts import end_text, pause_text
from strategies.models import Strategy, StrategyInvitation, Subscription
from strategies.selectors.offers import with_copiers
from strategies.selectors.settings import settings_content, unreadable_setting
from strategies.services.settings import settings_problems
from strategies.services.starting import Starter, admission_refusal, subscription_start
from strategies.services.subscriptions import (
    SubscriptionRefusedError,
    stop_effect,
    subscription_pause,
    subscription_resume,
    subscription_stop,
)
from strategies.setting_texts import choice_label, problem_text, setting_help
from strategies.settings_form import setting_label_or_name

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
        "visibility", "follower_count",
    ]  # fmt: skip
    list_filter = [
        ("status", ChoicesDropdownFilter), ("visibility", ChoicesDropdownFilter),
        ("source", RelatedDropdownFilter),
    ]  # fmt: skip
    list_select_related = ["source"]
    search_fields = ["name", "=id"]
    readonly_fields = ["created_at"]
    fieldsets = [
        (None, {"fields": ["name", "description", "source", "status"]}),
        (
            gettext_lazy("Who may copy it"),
            {"fields": ["visibility", ("max_copiers", "min_equity")]},
        ),
        (
            gettext_lazy("Terms"),
            {"fields": [("follow_ratio", "max_leverage"), "symbols", "created_at"]},
        ),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        fixed = list(self.readonly_fields)
        return fixed if obj is None else [*fixed, "follow_ratio", "max_leverage", "symbol_list"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        base, who, (title, terms) = super().get_fieldsets(request, obj)
        if obj is None:
            return [base, who, (title, terms)]
        shown = ["symbol_list" if name == "symbols" else name for name in terms["fields"]]
        return [base, who, (title, {**terms, "fields": shown})]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Strategy]:
        return with_copiers(super().get_queryset(request))

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
        most = strategy.max_copiers
        count = strategy.copiers if most is None else f"{strategy.copiers} / {most}"
        return format_html('<a href="{}?strategy__id__exact={}">{}</a>', url, strategy.pk, count)


@admin.register(StrategyInvitation)
class StrategyInvitationAdmin(ConsoleModelAdmin[StrategyInvitation]):
    """Who may see and begin to copy a strategy that is for invited customers."""

    list_display = ["strategy", "customer", "created_at"]
    list_filter = [("strategy", RelatedDropdownFilter)]
    list_select_related = ["strategy", "customer"]
    search_fields = ["=id", "strategy__name__istartswith", "customer__name__istartswith"]
    autocomplete_fields = ["strategy", "customer"]
    fields = ["strategy", "customer"]
    page_select_related = ["strategy", "customer"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # taken back and made anew


class SubscriptionForm(TermsForm):
    """The customer follows from the account, so the two can never disagree."""

    terms: ClassVar[Mapping[str, str]] = {
        name: name for name in ("sizing_mode", "fixed_amount", "ratio", "max_leverage")
    }
    """Columns; what a start does is stated among the further settings."""

    existing_positions = forms.ChoiceField(
        label=gettext_lazy("What the leader holds already"), required=False
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        spec = SPECS["existing_positions"]
        field = self.fields.get(spec.name)
        if isinstance(field, forms.ChoiceField):
            field.help_text = setting_help(spec.name)
            field.widget = UnfoldAdminSelectWidget()
            field.choices = [
                ("", _("as the levels above set it")),
                *((str(value), choice_label(spec, value)) for value in spec.choices),
            ]

    def clean(self) -> dict[str, Any]:
        account = self.cleaned_data.get("account")
        if account is not None:
            self.instance.customer = account.customer
        return super().clean()

    def _check_terms(self, cleaned: Mapping[str, Any]) -> None:
        account, strategy = cleaned["account"], cleaned["strategy"]
        self.instance.account, self.instance.strategy = account, strategy
        self._refuse_who_is_not_admitted(account, strategy)
        if cleaned.get("existing_positions"):
            stated = {"existing_positions": cleaned["existing_positions"]}
            self.instance.settings = {"values": stated, "symbols": {}}
        super()._check_terms(cleaned)

    def _refuse_who_is_not_admitted(self, account: Any, strategy: Any) -> None:
        """In the transaction of the page, so that the place stays free until the copy is stored."""
        if account.tenant_id != strategy.tenant_id:
            return  # said by the fields themselves
        refusal = admission_refusal(strategy=strategy, account=account, by_staff=True)
        if refusal is not None:
            self.add_error(refused_field(refusal), refusal_text(refusal))


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
    readonly_fields = [
        "status",
        "ended",
        "paused",
        "unreadable",
        "customer",
        "created_at",
        "changed_at",
    ]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "strategy",
                    "account",
                    ("customer", "status"),
                    "ended",
                    "paused",
                    "unreadable",
                ]
            },
        ),
        (
            gettext_lazy("Sizing"),
            {"fields": ["sizing_mode", ("ratio", "fixed_amount"), "max_leverage"]},
        ),
        (pgettext_lazy("of a copy", "Start"), {"fields": ["existing_positions"]}),
        (gettext_lazy("Dates"), {"fields": [("created_at", "changed_at")]}),
    ]
    actions = ["pause_selected", "resume_selected", "stop_selected"]
    actions_detail = ["edit_settings", "pause", "resume", "stop"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        fixed = list(self.readonly_fields)
        later = ["strategy", "account", *SubscriptionForm.terms]
        return fixed if obj is None else [*fixed, *later]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """What a start does is chosen before it, and read on the page of its settings later."""
        found = super().get_fieldsets(request, obj)
        if obj is None:
            return found
        return [part for part in found if "existing_positions" not in part[1]["fields"]]

    def save_model(
        self, request: HttpRequest, obj: Any, form: forms.ModelForm, change: bool
    ) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        with self.writing_scope(request, obj):
            starter = Starter(access_of(request).user, True, client_address(request))
            subscription_start(subscription=obj, starter=starter)

    page_select_related = ["account", "strategy", "customer"]

    @display(description=gettext_lazy("ended"))
    def ended(self, subscription: Subscription) -> str:
        return end_text(subscription.end_code, subscription.end_params) or "–"

    @display(description=gettext_lazy("settings that cannot be read"))
    def unreadable(self, subscription: Subscription) -> str:
        """Of any level: until it is corrected nothing is entered."""
        if subscription._state.adding:
            return "–"
        name = unreadable_setting(subscription)
        return setting_label_or_name(name) if name else "–"

    @display(description=gettext_lazy("paused"))
    def paused(self, subscription: Subscription) -> str:
        return pause_text(subscription.pause_code, subscription.pause_params) or "–"

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

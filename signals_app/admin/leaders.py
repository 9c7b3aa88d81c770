"""Leaders: adding one with its key, what it holds, what was heard of it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import action, display
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from customers.admin.accounts import KeysForm
from customers.admin_base import ConsoleForm, ConsoleModelAdmin, LedgerAdmin
from customers.admin_pages import (
    Panel,
    access_of,
    client_address,
    console_page,
    register_panel,
)
from customers.domain.roles import Verb
from customers.services.credentials import CredentialRefusedError
from customers.wakeup import wake
from signals_app.leader_texts import leader_problem_text
from signals_app.models import Leader, LeaderPosition, LeaderTrade, SignalSource
from signals_app.selectors.leaders import leader_page
from signals_app.services.leaders.adding import leader_source_save
from signals_app.services.leaders.keys import leader_key_store

_KINDS = (SignalSource.Kind.LEADER, SignalSource.Kind.LEAD_TRADER)


class LeaderForm(ConsoleForm):
    """The leader and, with it, its source."""

    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=80, widget=UnfoldAdminTextInputWidget
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("Kind"),
        choices=[(kind.value, kind.label) for kind in _KINDS],
        widget=UnfoldAdminSelectWidget,
    )
    venue = forms.ChoiceField(label=gettext_lazy("Venue"), widget=UnfoldAdminSelectWidget)
    signal_lifetime_seconds = forms.IntegerField(
        label=gettext_lazy("Signal lifetime (s)"),
        min_value=1,
        max_value=86_400,
        initial=60,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=gettext_lazy("An older signal opens nothing; exits always go."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        venue, kind = self.fields["venue"], self.fields["kind"]
        assert isinstance(venue, forms.ChoiceField)
        venue.choices = [(name, entry["label"]) for name, entry in settings.VENUES.items()]
        if not self.instance._state.adding:
            source = self.instance.source
            for name in ("name", "kind", "venue", "signal_lifetime_seconds"):
                self.fields[name].initial = getattr(source, name)
            # Another venue or kind would be another leader.
            venue.disabled = kind.disabled = True

    def clean_symbols(self) -> list[str]:
        symbols = self.cleaned_data["symbols"] or []
        if not isinstance(symbols, list) or not all(isinstance(each, str) for each in symbols):
            raise forms.ValidationError(_('A list of symbols, like ["BTC/USDT:USDT"].'))
        return symbols

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        code = values.get("lead_trader_code")
        if values.get("kind") == SignalSource.Kind.LEAD_TRADER and not code:
            self.add_error("lead_trader_code", _("A public lead trader is found by its code."))
        tenant = self.console_tenant
        if tenant is not None and values.get("name"):
            same = SignalSource.objects.for_tenant(tenant.pk).filter(name=values["name"])
            if not self.instance._state.adding:
                same = same.exclude(pk=self.instance.source_id)
            if same.exists():
                self.add_error("name", _("Another source has this name."))
        return values


@admin.register(Leader)
class LeaderAdmin(ConsoleModelAdmin[Leader]):
    form = LeaderForm
    list_display = [
        "source", "kind_label", "venue_name", "health_label", "started_at", "reconciled_at",
    ]  # fmt: skip
    list_filter = [("health", ChoicesDropdownFilter)]
    list_select_related = ["source"]
    page_select_related = ["source"]
    search_fields = ["source__name", "venue_uid", "=id"]
    fieldsets = [
        (None, {"fields": ["name", ("kind", "venue"), "lead_trader_code"]}),
        (
            gettext_lazy("Following"),
            {
                "fields": [
                    ("window_ms", "follow_orders"),
                    "after_fill",
                    "chase_slippage_bps",
                    ("signal_lifetime_seconds", "max_slippage_bps"),
                    "poll_seconds",
                    "symbols",
                ]
            },
        ),
    ]
    actions_detail = ["set_keys", "check_now"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # its signals stay; pause the source instead

    def save_model(
        self, request: HttpRequest, obj: Leader, form: forms.ModelForm, change: bool
    ) -> None:
        values = form.cleaned_data
        with self.writing_scope(request, obj):
            leader_source_save(
                leader=obj,
                name=values["name"],
                kind=values["kind"],
                venue=values["venue"],
                signal_lifetime_seconds=values["signal_lifetime_seconds"],
            )

    def response_add(
        self, request: HttpRequest, obj: Leader, post_url_continue: str | None = None
    ) -> HttpResponse:
        """A leader account is of no use before it has a key."""
        if obj.source.kind == SignalSource.Kind.LEADER:
            messages.success(request, _("The leader is stored. Now set its keys."))
            return HttpResponseRedirect(reverse("admin:signals_app_leader_set_keys", args=[obj.pk]))
        return super().response_add(request, obj, post_url_continue)

    @display(description=gettext_lazy("kind"))
    def kind_label(self, leader: Leader) -> str:
        return leader.source.get_kind_display()

    @display(description=gettext_lazy("venue"))
    def venue_name(self, leader: Leader) -> str:
        return leader.source.venue

    @display(
        description=gettext_lazy("health"),
        ordering="health",
        label={"healthy": "success", "unhealthy": "danger", "unknown": "warning"},
    )
    def health_label(self, leader: Leader) -> tuple[str, str]:
        return leader.health, leader.get_health_display()

    # --- keys -----------------------------------------------------------------------------

    @action(
        description=gettext_lazy("Set keys"),
        url_path="set-keys",
        permissions=["change"],
        icon="key",
    )
    def set_keys(self, request: HttpRequest, object_id: str) -> HttpResponse:
        leader = self.object_or_404(request, object_id, Verb.CHANGE)
        title = _("Set the keys of %(leader)s") % {"leader": leader}
        if leader.source.kind != SignalSource.Kind.LEADER:
            return console_page(
                request,
                "admin/console/notice.html",
                title=title,
                notice=_("A public lead trader is read without a key."),
                http_status=409,
            )
        form = KeysForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                with self.writing_scope(request, leader):
                    leader_key_store(
                        leader=leader,
                        **form.cleaned_data,
                        actor=access_of(request).user,
                        ip_address=client_address(request),
                    )
            except CredentialRefusedError as refusal:
                form.add_error("api_key", refusal.message)
            else:
                messages.success(
                    request, _("The keys are sealed and stored; they are being checked now.")
                )
                return HttpResponseRedirect(self.change_url(leader))
        return console_page(
            request,
            "admin/console/form_page.html",
            title=title,
            form=form,
            explanation=_(
                "Keys are encrypted at once and can never be read back here. Give the key the "
                "right to read and no other. One that can trade works and is warned of; one that "
                "can withdraw or transfer is refused and deleted."
            ),
            button=_("Store keys"),
            back=self.change_url(leader),
        )

    @action(
        description=gettext_lazy("Check now"),
        url_path="check-now",
        permissions=["change"],
        icon="stethoscope",
    )
    def check_now(self, request: HttpRequest, object_id: str) -> HttpResponse:
        leader = self.object_or_404(request, object_id, Verb.CHANGE)
        return self.confirm_page(
            request,
            leader,
            title=_("Check %(leader)s") % {"leader": leader},
            question=_(
                "A worker asks the venue about the leader and compares its positions with ours."
            ),
            act=lambda reason: wake(
                "signals_app.tasks.leader_check", leader_id=leader.pk, tenant_id=leader.tenant_id
            ),
            done=_("The check was asked for."),
            button=_("Check now"),
        )


def _leader_panel(request: HttpRequest, leader: Leader) -> dict[str, Any]:
    """Never the keys."""
    return {
        "leader": leader,
        "problem": leader_problem_text(leader.health_code, leader.health_params),
        **leader_page(leader),
    }


register_panel(Leader, Panel("admin/console/panel_leader.html", _leader_panel))


@admin.register(LeaderTrade)
class LeaderTradeAdmin(LedgerAdmin[LeaderTrade]):
    list_display = [
        "filled_at", "leader", "side", "quantity", "symbol", "price", "outcome", "signal",
    ]  # fmt: skip
    list_filter = [
        ("filled_at", RangeDateTimeFilter),
        ("outcome", ChoicesDropdownFilter),
    ]
    list_select_related = ["leader__source", "signal"]
    page_select_related = ["leader__source", "signal"]
    search_fields = ["=trade_id", "=venue_order_id", "=leader__id", "symbol__istartswith"]
    fields = [
        "leader", "symbol", "trade_id", "venue_order_id", "side", "position_side", "quantity",
        "price", "filled_at", "outcome", "signal", "recorded_at",
    ]  # fmt: skip
    readonly_fields = fields


@admin.register(LeaderPosition)
class LeaderPositionAdmin(LedgerAdmin[LeaderPosition]):
    list_display = [
        "leader", "symbol", "position_side", "quantity", "average_price", "leverage",
        "margin_mode", "changed_at",
    ]  # fmt: skip
    list_select_related = ["leader__source"]
    page_select_related = ["leader__source"]
    search_fields = ["=leader__id", "symbol__istartswith"]
    fields = [
        "leader", "symbol", "position_side", "quantity", "average_price", "leverage",
        "margin_mode", "margin", "changed_at",
    ]  # fmt: skip
    readonly_fields = fields

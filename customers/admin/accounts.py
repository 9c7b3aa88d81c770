"""Exchange accounts: health, pause, and the write-only page for their keys."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminSelectWidget

from customers.admin_base import ConsoleForm, ConsoleModelAdmin
from customers.admin_pages import access_of, client_address, console_page
from customers.domain.roles import Verb
from customers.models import ExchangeAccount
from customers.services.accounts import account_pause, account_resume
from customers.services.credentials import CredentialRefusedError, credential_store
from customers.wakeup import wake

MOST_LEVERAGE = 125


class AccountForm(ConsoleForm):
    venue = forms.ChoiceField(label=gettext_lazy("venue"), widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        venue = self.fields.get("venue")
        if isinstance(venue, forms.ChoiceField):
            venue.choices = [(name, entry["label"]) for name, entry in settings.VENUES.items()]

    def clean_max_leverage(self) -> Decimal | None:
        """It is a level of copy settings, which take nothing else."""
        leverage: Decimal | None = self.cleaned_data["max_leverage"]
        if leverage is not None and leverage < 1:
            raise forms.ValidationError(_("At least %(limit)s.") % {"limit": "1"})
        if leverage is not None and leverage > MOST_LEVERAGE:
            raise forms.ValidationError(_("At most %(limit)s.") % {"limit": MOST_LEVERAGE})
        return leverage


class KeysForm(forms.Form):
    """Write-only: what was typed is never put back into the page."""

    api_key = forms.CharField(
        label=gettext_lazy("API key"),
        max_length=200,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
    )
    api_secret = forms.CharField(
        label=gettext_lazy("API secret"),
        max_length=400,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
    )
    passphrase = forms.CharField(
        label=gettext_lazy("Passphrase"),
        max_length=200,
        required=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
    )


@admin.register(ExchangeAccount)
class ExchangeAccountAdmin(ConsoleModelAdmin[ExchangeAccount]):
    form = AccountForm
    list_display = [
        "label", "customer", "venue", "status_label", "health_label", "health_code",
        "health_checked_at", "initial_balance", "max_leverage",
    ]  # fmt: skip
    list_filter = [
        ("health", ChoicesDropdownFilter),
        ("status", ChoicesDropdownFilter),
        ("position_mode", ChoicesDropdownFilter),
    ]
    list_select_related = ["customer"]
    search_fields = ["label", "customer__name", "venue_uid", "=id"]
    autocomplete_fields = ["customer"]
    readonly_fields = [
        "status", "health", "health_code", "health_params", "health_checked_at", "venue_uid",
        "synced_at", "tried_at", "failed_reads", "created_at",
    ]  # fmt: skip
    fieldsets = [
        (None, {"fields": ["customer", "venue", "label", "status"]}),
        (
            gettext_lazy("Trading"),
            {
                "fields": [
                    ("position_mode", "margin_mode"),
                    ("initial_balance", "balance_currency"),
                    "max_leverage",
                ]
            },
        ),
        (
            gettext_lazy("Health"),
            {
                "fields": [
                    ("health", "health_code"),
                    ("health_checked_at", "synced_at"),
                    ("tried_at", "failed_reads"),
                    "venue_uid",
                ]
            },
        ),
    ]
    actions = ["pause_selected", "resume_selected"]
    actions_detail = ["set_keys", "check_now", "pause", "resume"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        fixed = list(self.readonly_fields)
        # moving an account to another customer or venue would rewrite history
        return [*fixed, "customer", "venue"] if obj is not None else fixed

    @display(
        description=gettext_lazy("status"),
        ordering="status",
        label={"active": "success", "paused": "warning"},
    )
    def status_label(self, account: ExchangeAccount) -> tuple[str, str]:
        return account.status, account.get_status_display()

    @display(
        description=gettext_lazy("health"),
        ordering="health",
        label={"healthy": "success", "unhealthy": "danger", "unknown": "warning"},
    )
    def health_label(self, account: ExchangeAccount) -> tuple[str, str]:
        return account.health, account.get_health_display()

    # --- keys -----------------------------------------------------------------------------

    @action(
        description=gettext_lazy("Set keys"),
        url_path="set-keys",
        permissions=["change"],
        icon="key",
    )
    def set_keys(self, request: HttpRequest, object_id: str) -> HttpResponse:
        account = self.object_or_404(request, object_id, Verb.CHANGE)
        form = KeysForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                credential_store(
                    account=account,
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
                return HttpResponseRedirect(self.change_url(account))
        return console_page(
            request,
            "admin/console/form_page.html",
            title=_("Set the keys of %(account)s") % {"account": account},
            form=form,
            explanation=_(
                "Keys are encrypted at once and can never be read back here. Give the key the "
                "rights to read and to trade, never to withdraw: such a key is refused and "
                "deleted. A new key is used once its check has passed; until then the old one "
                "stays in use, so leave it at the exchange for so long."
            ),
            button=_("Store keys"),
            back=self.change_url(account),
        )

    @action(
        description=gettext_lazy("Check now"),
        url_path="check-now",
        permissions=["change"],
        icon="stethoscope",
    )
    def check_now(self, request: HttpRequest, object_id: str) -> HttpResponse:
        account = self.object_or_404(request, object_id, Verb.CHANGE)
        return self.confirm_page(
            request,
            account,
            title=_("Check %(account)s") % {"account": account},
            question=_("A worker asks the exchange whether the keys work, and reads the account."),
            act=lambda reason: wake(
                "trading.tasks.account_check",
                account_id=account.pk,
                tenant_id=account.tenant_id,
            ),
            done=_("The check was asked for."),
            button=_("Check now"),
        )

    # --- pause ----------------------------------------------------------------------------

    @action(
        description=gettext_lazy("Pause"), url_path="pause", permissions=["change"], icon="pause"
    )
    def pause(self, request: HttpRequest, object_id: str) -> HttpResponse:
        account = self.object_or_404(request, object_id, Verb.CHANGE)
        return self.confirm_page(
            request,
            account,
            title=_("Pause %(account)s") % {"account": account},
            question=_(
                "No position is opened any more, and entries that wait are cancelled. Exits of "
                "what it copies go on."
            ),
            act=lambda reason: self._move(request, account, account_pause, reason),
            done=_("The account is paused."),
            button=_("Pause"),
        )

    @action(
        description=gettext_lazy("Resume"),
        url_path="resume",
        permissions=["change"],
        icon="play_arrow",
    )
    def resume(self, request: HttpRequest, object_id: str) -> HttpResponse:
        account = self.object_or_404(request, object_id, Verb.CHANGE)
        return self.confirm_page(
            request,
            account,
            title=_("Resume %(account)s") % {"account": account},
            question=_("The account follows new signals again."),
            act=lambda reason: self._move(request, account, account_resume, reason),
            done=_("The account is active."),
            button=_("Resume"),
        )

    def _move(
        self, request: HttpRequest, account: ExchangeAccount, service: Any, reason: str
    ) -> None:
        service(
            account=account,
            reason=reason,
            actor=access_of(request).user,
            ip_address=client_address(request),
        )

    @admin.action(description=gettext_lazy("Pause"), permissions=["change"])
    def pause_selected(self, request: HttpRequest, rows: QuerySet[ExchangeAccount]) -> None:
        self._move_selected(request, rows, account_pause)

    @admin.action(description=gettext_lazy("Resume"), permissions=["change"])
    def resume_selected(self, request: HttpRequest, rows: QuerySet[ExchangeAccount]) -> None:
        self._move_selected(request, rows, account_resume)

    def _move_selected(
        self, request: HttpRequest, rows: QuerySet[ExchangeAccount], service: Any
    ) -> None:
        moved = 0
        for account in rows:
            with self.writing_scope(request, account):
                moved += service(
                    account=account,
                    actor=access_of(request).user,
                    ip_address=client_address(request),
                )
        messages.success(
            request,
            ngettext("%(count)d account changed.", "%(count)d accounts changed.", moved)
            % {"count": moved},
        )

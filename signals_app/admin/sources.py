"""Where signals come from, and what was refused."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import action, display

from customers.admin_base import ConsoleModelAdmin, LedgerAdmin
from customers.admin_pages import (
    Panel,
    access_of,
    client_address,
    console_page,
    register_panel,
    shown_once,
)
from customers.domain.roles import Verb
from signals_app.admin.formats import SourceForm, format_panel, try_page
from signals_app.domain.parsers.registry import TANDEM
from signals_app.models import IntakeState, SignalSource, WebhookRejection
from signals_app.problem_texts import problem_text
from signals_app.services.source_holdings import LEADER_KINDS
from signals_app.services.sources import (
    source_drop_previous_secret,
    source_pause,
    source_resume,
    source_rotate_secret,
    source_rotate_token,
)


@admin.register(SignalSource)
class SignalSourceAdmin(ConsoleModelAdmin[SignalSource]):
    list_display = [
        "name", "kind", "status_label", "pause_text", "venue", "signal_lifetime_seconds",
        "partner", "created_at",
    ]  # fmt: skip
    list_filter = [("kind", ChoicesDropdownFilter), ("status", ChoicesDropdownFilter)]
    list_select_related = ["partner"]
    search_fields = ["name", "=id"]
    form = SourceForm
    fieldsets = [
        (None, {"fields": ["name", "kind", "partner", ("status", "pause_text")]}),
        (
            gettext_lazy("Messages"),
            {"fields": ["parser", "parser_config", "repeat_seconds"]},
        ),
        (
            gettext_lazy("Checks"),
            {
                "fields": [
                    ("max_price_deviation_percent", "entries_per_minute"),
                    ("problems_to_pause", "problem_minutes"),
                ]
            },
        ),
        (gettext_lazy("Signals"), {"fields": ["venue", "signal_lifetime_seconds", "created_at"]}),
    ]
    readonly_fields = ["status", "pause_text", "created_at"]
    actions_detail = ["rotate_secret", "drop_previous_secret", "try_message", "pause", "resume"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        fixed = list(self.readonly_fields)
        return [*fixed, "kind", "venue"] if obj is not None else fixed

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "kind":
            # A leader is added on its own page, with all that belongs to it.
            kwargs["choices"] = [
                choice for choice in db_field.choices if not choice[0].startswith("lead")
            ]
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    @display(
        description=gettext_lazy("status"),
        ordering="status",
        label={"active": "success", "paused": "warning"},
    )
    def status_label(self, source: SignalSource) -> tuple[str, str]:
        return source.status, source.get_status_display()

    @display(description=gettext_lazy("reason of the pause"))
    def pause_text(self, source: SignalSource) -> str:
        return source.paused_reason or problem_text(source.paused_code, source.paused_params) or "-"

    def response_add(
        self, request: HttpRequest, obj: SignalSource, post_url_continue: str | None = None
    ) -> HttpResponse:
        """A new webhook is of no use before it has a secret."""
        if obj.kind != SignalSource.Kind.WEBHOOK:
            return super().response_add(request, obj, post_url_continue)
        messages.success(request, _("The source is stored. Now make its secret."))
        return HttpResponseRedirect(
            reverse("admin:signals_app_signalsource_rotate_secret", args=[obj.pk])
        )

    # --- the secret -------------------------------------------------------------------------

    @action(
        description=gettext_lazy("New secret"),
        url_path="rotate-secret",
        permissions=["change"],
        icon="key",
    )
    def rotate_secret(self, request: HttpRequest, object_id: str) -> HttpResponse:
        source = self.object_or_404(request, object_id, Verb.CHANGE)
        title = _("A new secret for %(source)s") % {"source": source}
        if source.kind != SignalSource.Kind.WEBHOOK:
            return console_page(
                request,
                "admin/console/notice.html",
                title=title,
                notice=_("Only a webhook source signs its signals."),
                http_status=409,
            )
        if source.parser != TANDEM:
            return self._rotate_token(request, source)
        if request.method == "POST":
            with self.writing_scope(request, source):
                secret = source_rotate_secret(
                    source=source,
                    actor=access_of(request).user,
                    ip_address=client_address(request),
                )
            return shown_once(
                request,
                title=title,
                label=_("Signing secret"),
                secret=secret,
                note=_("The secret before this one stays valid until you drop it."),
                back=self.change_url(source),
            )
        return console_page(
            request,
            "admin/console/form_page.html",
            title=title,
            explanation=_(
                "The secret is shown once, on the next page. A secret that is in use stays valid "
                "beside it, until the next new one or until you drop it."
            ),
            button=_("Make and show the secret"),
            back=self.change_url(source),
        )

    def _rotate_token(self, request: HttpRequest, source: SignalSource) -> HttpResponse:
        """For a sender that can set no header: the token goes into the address or the message."""
        title = _("A new token for %(source)s") % {"source": source}
        if request.method == "POST":
            with self.writing_scope(request, source):
                token = source_rotate_token(
                    source=source,
                    actor=access_of(request).user,
                    ip_address=client_address(request),
                )
            return shown_once(
                request,
                title=title,
                label=_("Address with the token"),
                secret=f"{_address(request, source)}{token}/",
                note=_(
                    "Its last part is the token. It may stand anywhere in the message instead. "
                    "The token before this one stays valid until you drop it."
                ),
                back=self.change_url(source),
            )
        return console_page(
            request,
            "admin/console/form_page.html",
            title=title,
            explanation=_(
                "The token is shown once, on the next page. A token that is in use stays valid "
                "beside it, until the next new one or until you drop it."
            ),
            button=_("Make and show the token"),
            back=self.change_url(source),
        )

    @action(
        description=gettext_lazy("Try a message"),
        url_path="try",
        permissions=["change"],
        icon="experiment",
    )
    def try_message(self, request: HttpRequest, object_id: str) -> HttpResponse:
        source = self.object_or_404(request, object_id, Verb.CHANGE)
        if source.kind != SignalSource.Kind.WEBHOOK:
            return console_page(
                request,
                "admin/console/notice.html",
                title=_("Try a message of %(source)s") % {"source": source},
                notice=_("Only a webhook source gets messages."),
                http_status=409,
            )
        return try_page(request, source, self.change_url(source))

    @action(
        description=gettext_lazy("Drop the previous secret"),
        url_path="drop-previous-secret",
        permissions=["change"],
        icon="key_off",
    )
    def drop_previous_secret(self, request: HttpRequest, object_id: str) -> HttpResponse:
        source = self.object_or_404(request, object_id, Verb.CHANGE)
        return self.confirm_page(
            request,
            source,
            title=_("Drop the previous secret of %(source)s") % {"source": source},
            question=_("Signals that are still signed with it are refused from now on."),
            act=lambda reason: self._call(request, source_drop_previous_secret, source=source),
            done=_("Only the newest secret is valid."),
            button=_("Drop it"),
            dangerous=True,
        )

    # --- pause ------------------------------------------------------------------------------

    @action(
        description=gettext_lazy("Pause"), url_path="pause", permissions=["change"], icon="pause"
    )
    def pause(self, request: HttpRequest, object_id: str) -> HttpResponse:
        source = self.object_or_404(request, object_id, Verb.CHANGE)
        return self.confirm_page(
            request,
            source,
            title=_("Pause %(source)s") % {"source": source},
            question=_("Its signals are refused until you resume it, exits as well."),
            act=lambda reason: self._call(request, source_pause, source=source, reason=reason),
            done=_("The source is paused."),
            button=_("Pause"),
        )

    @action(
        description=gettext_lazy("Resume"),
        url_path="resume",
        permissions=["change"],
        icon="play_arrow",
    )
    def resume(self, request: HttpRequest, object_id: str) -> HttpResponse:
        source = self.object_or_404(request, object_id, Verb.CHANGE)
        return self.confirm_page(
            request,
            source,
            title=_("Resume %(source)s") % {"source": source},
            question=(
                _(
                    "Its signals are taken again. What the leader gave up meanwhile, copies give up"
                    " now; what it entered is not followed."
                )
                if source.kind in LEADER_KINDS
                else _("Its signals are taken again.")
            ),
            act=lambda reason: self._call(request, source_resume, source=source, reason=reason),
            done=_("The source is active."),
            button=_("Resume"),
        )

    def _call(self, request: HttpRequest, service: Any, **arguments: Any) -> None:
        service(**arguments, actor=access_of(request).user, ip_address=client_address(request))


def _address(request: HttpRequest, source: SignalSource) -> str:
    return request.build_absolute_uri(f"/hooks/{source.pk}/")


def _missing_numbers(source: SignalSource) -> str:
    rows = IntakeState.objects.for_tenant(source.tenant_id).filter(source_id=source.pk)
    gaps = rows.values_list("gaps", flat=True).first() or []
    return ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in gaps)


def _webhook_panel(request: HttpRequest, source: SignalSource) -> dict[str, Any]:
    deliveries = reverse("admin:signals_app_rawdelivery_changelist")
    return {
        "source": source,
        "address": _address(request, source),
        "missing": _missing_numbers(source),
        "has_token": bool(source.token_hash),
        "has_previous_token": bool(source.previous_token_hash),
        "deliveries_url": f"{deliveries}?source__id__exact={source.pk}",
        "quarantine_url": f"{deliveries}?source__id__exact={source.pk}&state__exact=quarantined",
        **format_panel(source),
        "has_secret": bool(source.secret),
        "has_previous": bool(source.previous_secret),
    }


register_panel(SignalSource, Panel("admin/console/panel_webhook.html", _webhook_panel))


@admin.register(WebhookRejection)
class WebhookRejectionAdmin(LedgerAdmin[WebhookRejection]):
    list_display = ["received_at", "source_reference", "code", "delivery_id", "ip_address"]
    list_filter = [("received_at", RangeDateTimeFilter)]
    search_fields = ["=source_reference", "=delivery_id", "code__startswith"]
    fields = [
        "received_at", "source_reference", "tenant", "code", "delivery_id", "ip_address",
        "body_sha256", "body_bytes", "not_recorded",
    ]  # fmt: skip
    readonly_fields = fields

"""Where signals come from, and what was refused. The signal's own page is trading's, because it
shows what became of it."""

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
from signals_app.models import SignalSource, WebhookRejection
from signals_app.services.sources import (
    source_drop_previous_secret,
    source_pause,
    source_resume,
    source_rotate_secret,
)


@admin.register(SignalSource)
class SignalSourceAdmin(ConsoleModelAdmin[SignalSource]):
    list_display = [
        "name", "kind", "status_label", "paused_reason", "venue", "signal_lifetime_seconds",
        "partner", "created_at",
    ]  # fmt: skip
    list_filter = [("kind", ChoicesDropdownFilter), ("status", ChoicesDropdownFilter)]
    list_select_related = ["partner"]
    search_fields = ["name", "=id"]
    fieldsets = [
        (None, {"fields": ["name", "kind", "partner", ("status", "paused_reason")]}),
        (gettext_lazy("Signals"), {"fields": ["venue", "signal_lifetime_seconds", "created_at"]}),
    ]
    readonly_fields = ["status", "paused_reason", "created_at"]
    actions_detail = ["rotate_secret", "drop_previous_secret", "pause", "resume"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        fixed = list(self.readonly_fields)
        return [*fixed, "kind", "venue"] if obj is not None else fixed

    @display(
        description=gettext_lazy("status"),
        ordering="status",
        label={"active": "success", "paused": "warning"},
    )
    def status_label(self, source: SignalSource) -> tuple[str, str]:
        return source.status, source.get_status_display()

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
            question=_("Its signals are taken again."),
            act=lambda reason: self._call(request, source_resume, source=source, reason=reason),
            done=_("The source is active."),
            button=_("Resume"),
        )

    def _call(self, request: HttpRequest, service: Any, **arguments: Any) -> None:
        service(**arguments, actor=access_of(request).user, ip_address=client_address(request))


def _webhook_panel(request: HttpRequest, source: SignalSource) -> dict[str, Any]:
    return {
        "source": source,
        "address": request.build_absolute_uri(f"/hooks/{source.pk}/"),
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

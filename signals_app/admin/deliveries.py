"""What came in by webhook, why it gave no signal, and reading it again after a fix."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import (
    ChoicesDropdownFilter,
    RangeDateTimeFilter,
    RelatedDropdownFilter,
)
from unfold.decorators import action, display

from customers.admin_base import LedgerAdmin
from customers.admin_json import pretty_json
from customers.admin_pages import RefusalError, access_of, client_address, require
from customers.domain.roles import Resource, Verb
from signals_app.models import IntakeState, RawDelivery
from signals_app.problem_texts import problem_text
from signals_app.services.deliveries import delivery_replay

_STATE_COLOURS = {
    "pending": "info",
    "parsed": "success",
    "ignored": "",
    "duplicate": "",
    "quarantined": "danger",
}


@admin.register(RawDelivery)
class RawDeliveryAdmin(LedgerAdmin[RawDelivery]):
    list_display = ["received_at", "source", "state_label", "excerpt", "reason", "signals"]
    list_filter = [
        ("state", ChoicesDropdownFilter),
        ("source", RelatedDropdownFilter),
        ("received_at", RangeDateTimeFilter),
    ]
    list_select_related = ["source"]
    page_select_related = ["source", "tenant"]
    search_fields = ["=id", "=delivery_id", "reason_code__startswith"]
    fields = [
        "source", "received_at", "state", "reason", "reason_code", "signals", "text",
        "content_type", "body_bytes", "ip_address", "delivery_id", "content_hash",
        "parser", "parser_version", "parsed_at", "replays",
    ]  # fmt: skip
    readonly_fields = fields
    actions_detail = ["replay"]

    @display(
        description=gettext_lazy("state"),
        ordering="state",
        label=_STATE_COLOURS,
    )
    def state_label(self, delivery: RawDelivery) -> tuple[str, str]:
        return delivery.state, delivery.get_state_display()

    @display(description=gettext_lazy("message"))
    def excerpt(self, delivery: RawDelivery) -> str:
        text = " ".join(_text(delivery).split())
        return text if len(text) <= 80 else f"{text[:79]}…"

    @display(description=gettext_lazy("body"))
    def text(self, delivery: RawDelivery) -> Any:
        text = _text(delivery)
        try:
            return pretty_json(json.loads(text))
        except ValueError:
            return format_html('<pre class="console-code">{}</pre>', text)

    @display(description=gettext_lazy("why"))
    def reason(self, delivery: RawDelivery) -> Any:
        first = delivery.reason_params.get("first")
        if delivery.state == RawDelivery.State.DUPLICATE and first:
            url = reverse("admin:signals_app_rawdelivery_change", args=[first])
            return format_html('<a href="{}">{}</a>', url, _("the first one"))
        return problem_text(delivery.reason_code, delivery.reason_params) or "-"

    @display(description=gettext_lazy("signals"))
    def signals(self, delivery: RawDelivery) -> Any:
        if not delivery.signal_ids:
            return "-"
        links = [
            (reverse("admin:signals_app_signal_change", args=[pk]), pk[-8:])
            for pk in delivery.signal_ids
        ]
        return format_html_join(" ", '<a href="{}">{}</a>', links)

    @action(
        description=gettext_lazy("Read it again"),
        url_path="replay",
        permissions=["replay"],
        icon="replay",
    )
    def replay(self, request: HttpRequest, object_id: str) -> HttpResponse:
        delivery = self.object_or_404(request, object_id, Verb.VIEW)
        require(request, Resource.TRADING, Verb.CHANGE)
        return self.confirm_page(
            request,
            delivery,
            title=_("Read the delivery again"),
            question=_(
                "It is read with the settings that its source has now. If it makes a signal, "
                "followers act on it: an entry only within the signal's lifetime, an exit always."
            ),
            act=lambda reason: self._replay(request, delivery),
            done=_("The delivery is read again; look at its state in a moment."),
            button=_("Read it again"),
            dangerous=True,
        )

    def has_replay_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return access_of(request).may(Resource.TRADING, Verb.CHANGE)

    def _replay(self, request: HttpRequest, delivery: RawDelivery) -> None:
        replayed = delivery_replay(
            delivery=delivery,
            actor=access_of(request).user,
            ip_address=client_address(request),
        )
        if not replayed:
            raise RefusalError(_("Only a delivery that gave no signal can be read again."))


@admin.register(IntakeState)
class IntakeStateAdmin(LedgerAdmin[IntakeState]):
    list_display = ["source", "last_sequence", "gaps", "claimed_by", "claimed_until"]
    list_select_related = ["source"]
    page_select_related = ["source"]
    fields = list_display
    readonly_fields = fields


def _text(delivery: RawDelivery) -> str:
    return bytes(delivery.body).decode("utf-8", "replace").replace("\x00", "�")

"""Sending a signal by hand: a form, then a page that says how far it goes, then one click."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from customers.admin_pages import access_of, client_address, console_page, require
from customers.console import register_page
from customers.domain.ids import new_id
from customers.domain.roles import Resource, Verb
from customers.models import Tenant
from customers.services.audit import audit_record
from signals_app.domain.canonical import (
    INSTRUCTIONS,
    CanonicalSignal,
    canonical_from_json,
    canonical_to_json,
)
from signals_app.domain.errors import SignalFormatError
from signals_app.domain.parsers.problems import ParseProblem
from signals_app.models import Signal, SignalSource
from signals_app.problem_texts import problem_text
from signals_app.services.parsing import MarketsUnavailableError, symbol_typed
from signals_app.services.price_checks import signal_price_check
from signals_app.services.signals import (
    SignalRefusedError,
    signal_accept,
    signal_check_symbol,
    signal_draft,
)
from strategies.selectors.reach import signal_reach
from trading.reason_texts import reason_text
from trading.selectors.signal_preview import Preview, signal_preview

_EXTERNAL_ID = re.compile(r"manual-[0-9a-z]{26}")
_TEXT_FIELDS = (
    "symbol", "price", "size", "leader_equity", "leverage", "stop_loss", "take_profit",
)  # fmt: skip
_CHOICE_FIELDS = ("action", "side", "order_type", "size_basis")


def _text(label: Any, **kwargs: Any) -> forms.CharField:
    kwargs.setdefault("required", False)
    return forms.CharField(label=label, max_length=64, widget=UnfoldAdminTextInputWidget, **kwargs)


def _choice(label: Any, choices: Any, **kwargs: Any) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, choices=choices, widget=UnfoldAdminSelectWidget, **kwargs)


class ManualSignalForm(forms.Form):
    """The canonical fields as text: amounts are parsed exactly where all signals are."""

    source = forms.ModelChoiceField(
        label=gettext_lazy("Source"),
        queryset=SignalSource.objects.none(),
        widget=UnfoldAdminSelectWidget,
    )
    action = _choice(
        gettext_lazy("Action"),
        [choice for choice in Signal.Action.choices if choice[0] in INSTRUCTIONS],
    )
    symbol = _text(
        gettext_lazy("Symbol"),
        required=True,
        help_text=gettext_lazy("Such as BTC/USDT:USDT or BTCUSDT"),
    )
    side = _choice(gettext_lazy("Side"), [("", "—"), *Signal.Side.choices], required=False)
    size = _text(gettext_lazy("Size"))
    size_basis = _choice(
        gettext_lazy("Size is in"), [("", "—"), *Signal.SizeBasis.choices], required=False
    )
    leader_equity = _text(
        gettext_lazy("Leader's equity"),
        help_text=gettext_lazy("Needed by copies in proportion to equity."),
    )
    leverage = _text(gettext_lazy("Leverage"))
    order_type = _choice(gettext_lazy("Order type"), Signal.OrderType.choices)
    price = _text(
        gettext_lazy("Price"),
        help_text=gettext_lazy("The limit, or with a market order the leader's own price."),
    )
    stop_loss = _text(gettext_lazy("Stop loss"))
    take_profit = _text(gettext_lazy("Take profit"))

    canonical: CanonicalSignal

    def __init__(self, *args: Any, tenant: Tenant, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        sources = self.fields["source"]
        assert isinstance(sources, forms.ModelChoiceField)
        sources.queryset = SignalSource.objects.for_tenant(tenant).filter(
            kind=SignalSource.Kind.MANUAL
        )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        document = {
            name: cleaned[name].strip()
            for name in (*_TEXT_FIELDS, *_CHOICE_FIELDS)
            if (cleaned.get(name) or "").strip()
        }
        now = timezone.now()
        document["emitted_at"] = now.isoformat()
        try:
            document["symbol"] = _symbol(cleaned["source"], document.get("symbol", ""))
            self.canonical = canonical_from_json(document, now)
        except ParseProblem as problem:
            self.add_error("symbol", problem_text(problem.code, problem.params))
        except SignalFormatError as error:
            self._add_format_error(error, document)
        return cleaned

    def _add_format_error(self, error: SignalFormatError, document: Mapping[str, str]) -> None:
        field = self.fields.get(error.field)
        named = {
            "field": error.field if field is None else str(field.label),
            "value": document.get(error.field, ""),
        }
        self.add_error(None if field is None else error.field, problem_text(error.code, named))


def _symbol(source: SignalSource, typed: str) -> str:
    """As the venue lists it; while it cannot be asked, an exit must still be possible, and what is
    typed counts as it is."""
    try:
        return symbol_typed(source=source, text=typed)
    except MarketsUnavailableError:
        return typed


def send_signal_page(request: HttpRequest) -> HttpResponse:
    access = require(request, Resource.TRADING, Verb.CHANGE)
    if access.tenant is None:
        return console_page(
            request,
            "admin/console/notice.html",
            title=_("Send a signal"),
            notice=_("A signal belongs to one tenant. Choose it at the top left."),
            http_status=409,
        )
    manual = SignalSource.objects.for_tenant(access.tenant).filter(kind=SignalSource.Kind.MANUAL)
    if not manual.exists():
        return console_page(
            request,
            "admin/console/notice.html",
            title=_("Send a signal"),
            notice=_(
                "There is no source of the kind “manual” yet. Add one under Signal sources, and a "
                "strategy that copies it."
            ),
            http_status=409,
        )
    form = ManualSignalForm(request.POST or None, tenant=access.tenant)
    if request.method == "POST" and form.is_valid() and "edit" not in request.POST:
        external_id = request.POST.get("external_id", "")
        if "confirmed" not in request.POST or not _EXTERNAL_ID.fullmatch(external_id):
            return _confirmation(request, form)
        return _send(request, form, external_id)
    return _form_page(request, form)


def _form_page(request: HttpRequest, form: ManualSignalForm) -> HttpResponse:
    return console_page(
        request,
        "admin/console/form_page.html",
        title=_("Send a signal"),
        form=form,
        explanation=_("It goes the same way as a signal of a webhook. The next page says how far."),
        button=_("Continue"),
        back=reverse("admin:index"),
        columns=True,
    )


def _confirmation(request: HttpRequest, form: ManualSignalForm) -> HttpResponse:
    source, now = form.cleaned_data["source"], timezone.now()
    try:
        signal_check_symbol(source, form.canonical.symbol)
        signal_price_check(source, form.canonical)
    except SignalRefusedError as refusal:
        field = refusal.field if refusal.field in form.fields else None
        form.add_error(field, problem_text(refusal.code, refusal.params))
        return _form_page(request, form)
    external_id = f"manual-{new_id()}"
    draft = signal_draft(source, form.canonical, external_id, "", now)
    return console_page(
        request,
        "admin/console/signal_confirm.html",
        title=_("Send this signal?"),
        form=form,
        source=source,
        document=_shown(form),
        reach=signal_reach(source=source, symbol=form.canonical.symbol),
        external_id=external_id,
        preview=_shown_preview(signal_preview(draft, now)),
    )


def _refused(
    request: HttpRequest, form: ManualSignalForm, refusal: SignalRefusedError
) -> HttpResponse:
    field = refusal.field if refusal.field in form.fields else None
    form.add_error(field, problem_text(refusal.code, refusal.params))
    return _form_page(request, form)


def _shown_preview(preview: Preview) -> dict[str, Any]:
    """Each follower's orders and reasons in the reader's words."""
    return {
        "orders": preview.orders,
        "skips": preview.skips,
        "more": preview.more,
        "rows": [
            {
                "follower": follower,
                "legs": [
                    (leg, reason_text(leg.reason_code, leg.reason_params)) for leg in follower.legs
                ],
            }
            for follower in preview.followers
        ],
    }


def _shown(form: ManualSignalForm) -> list[tuple[Any, str]]:
    document = canonical_to_json(form.canonical)
    return [
        (field.label, _chosen(field, document[name]))
        for name, field in form.fields.items()
        if name in document and name != "source"
    ]


def _chosen(field: forms.Field, value: str) -> str:
    """A choice in the reader's words, other values as they are."""
    if not isinstance(field, forms.ChoiceField):
        return value
    return str(dict(field.choices).get(value, value))  # type: ignore[arg-type]  # one flat list


def _send(request: HttpRequest, form: ManualSignalForm, external_id: str) -> HttpResponse:
    source, access = form.cleaned_data["source"], access_of(request)
    document = canonical_to_json(form.canonical)
    # Without the time, so that a second click on the same confirmation is the same delivery.
    del document["emitted_at"]
    assert access.user is not None
    raw_payload = json.dumps({**document, "sent_by": access.user.email}, ensure_ascii=False)
    try:
        if not _is_sent(source, external_id):
            # The page before this one may be an hour old.
            signal_price_check(source, form.canonical)
        with transaction.atomic():
            signal, is_new = signal_accept(
                source=source,
                canonical=form.canonical,
                external_id=external_id,
                raw_payload=raw_payload,
                received_at=timezone.now(),
            )
            if is_new:
                audit_record(
                    action="signal.sent_by_hand",
                    actor=access.user,
                    tenant_id=source.tenant_id,
                    target=f"signals_app.signal:{signal.pk}",
                    details=document,
                    ip_address=client_address(request),
                )
    except SignalRefusedError as refusal:
        return _refused(request, form, refusal)
    messages.success(request, _("The signal is on its way."))
    return HttpResponseRedirect(reverse("admin:signals_app_signal_change", args=[signal.pk]))


def _is_sent(source: SignalSource, external_id: str) -> bool:
    mine = Signal.objects.for_tenant(source.tenant_id).filter(source=source)
    return bool(mine.filter(external_id=external_id).exists())


register_page("send-signal/", send_signal_page, name="send_signal")

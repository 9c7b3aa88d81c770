"""The strategies that a client follows: pause, resume, stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from customers.portal_access import ClientRequest, client_address, client_page
from strategies.domain.settings import OnStop
from strategies.models import Subscription
from strategies.services.subscriptions import (
    SubscriptionRefusedError,
    stop_effect,
    subscription_pause,
    subscription_resume,
    subscription_stop,
)
from strategies.settings_changes import settings_change_of
from strategies.settings_form import SettingsForm
from trading.selectors.account_books import copy_cards
from trading.selectors.portfolio import customer_copies, held_positions


@dataclass(frozen=True, slots=True)
class Change:
    """What the client may do with a copy, in words he reads before he does it."""

    act: Callable[..., Subscription]
    title: Any
    effects: tuple[Any, ...]
    button: Any
    done: Any
    tone: str
    icon: str
    keeps: Any


CHANGES = {
    "pause": Change(
        act=subscription_pause,
        title=_("Pause this copy?"),
        effects=(
            _("No new position is opened and no position is increased."),
            _("Entries that are still waiting are cancelled. What they filled before that stays."),
            _(
                "Exits are still followed: when the strategy reduces or closes, so does your "
                "account."
            ),
            _("You can resume at any time."),
        ),
        button=_("Pause copying"),
        done=_(
            "Copying is paused. Entries that are still waiting are being cancelled. Open positions "
            "stay, and exits are still followed."
        ),
        tone="warning",
        icon="pause-circle",
        keeps=_("These positions stay open until the strategy closes them:"),
    ),
    "resume": Change(
        act=subscription_resume,
        title=_("Resume this copy?"),
        effects=(
            _("From the next signal on, entries are copied again."),
            _("What the strategy opened in the meantime is not opened afterwards."),
            _("Entries that were cancelled by the pause are not placed again."),
        ),
        button=_("Resume copying"),
        done=_(
            "Copying goes on from the next signal. Open positions stay as they are, and nothing "
            "that was missed or cancelled is made up for."
        ),
        tone="success",
        icon="play-circle",
        keeps=_("These positions go on as they are:"),
    ),
}

_STOPS = {
    OnStop.LEAVE: Change(
        act=subscription_stop,
        title=_("Stop this copy for good?"),
        effects=(
            _("Nothing is copied any more, neither entries nor exits."),
            _("Entries that are still waiting are cancelled. What they filled before that stays."),
            _(
                "Open positions are not closed. They stay on your exchange account, and closing "
                "them is up to you."
            ),
            _("This cannot be undone. To copy the strategy again, a new copy is started."),
        ),
        button=_("Stop copying"),
        done=_(
            "The copy was stopped. Entries that are still waiting are being cancelled. Open "
            "positions stay and are left to you."
        ),
        tone="danger",
        icon="stop-circle",
        keeps=_("These positions are left to you:"),
    ),
    OnStop.CLOSE: Change(
        act=subscription_stop,
        title=_("Stop this copy and close its positions?"),
        effects=(
            _("Nothing is copied any more, neither entries nor exits."),
            _("Entries that are still waiting are cancelled. What they still fill is closed, too."),
            _(
                "All open positions of this copy are closed at the market price now. The copy is "
                "ending until they are closed; while trading is halted, they wait."
            ),
            _("This cannot be undone. To copy the strategy again, a new copy is started."),
        ),
        button=_("Stop and close positions"),
        done=_("The copy is ending: its positions are being closed at the market price."),
        tone="danger",
        icon="stop-circle",
        keeps=_("These positions are closed at the market price:"),
    ),
    OnStop.KEEP_EXITS: Change(
        act=subscription_stop,
        title=_("Stop this copy when its positions are closed?"),
        effects=(
            _("Nothing new is opened, and no position is increased."),
            _("Entries that are still waiting are cancelled. What they filled before that stays."),
            _(
                "Exits are still followed until the strategy has closed all positions of this "
                "copy. Then it is over."
            ),
            _("This cannot be undone. To copy the strategy again, a new copy is started."),
        ),
        button=_("Stop copying"),
        done=_("The copy is ending: exits are followed until all its positions are closed."),
        tone="danger",
        icon="stop-circle",
        keeps=_("These positions stay open until the strategy closes them:"),
    ),
}


def _change(action: str, copy: Subscription) -> Change | None:
    """What stopping does depends on the copy's settings."""
    return _STOPS[stop_effect(copy)] if action == "stop" else CHANGES.get(action)


@require_safe
@client_page
def copy_list(request: ClientRequest) -> HttpResponse:
    copies = customer_copies(request.customer)
    context = {"cards": list(copy_cards(request.customer, copies))}
    if request.htmx and request.htmx.target == "copy-list":
        return render(request, "portal/parts/copy_list.html", context)
    return render(request, "portal/copies.html", context)


class PortalText(forms.TextInput):
    def __init__(self, attrs: Any = None) -> None:
        super().__init__({"class": "form-control form-control-sm", **(attrs or {})})


class PortalLines(forms.Textarea):
    def __init__(self, attrs: Any = None) -> None:
        super().__init__({"class": "form-control form-control-sm", **(attrs or {})})


class PortalSelect(forms.Select):
    def __init__(self, attrs: Any = None, choices: Any = ()) -> None:
        super().__init__({"class": "form-select form-select-sm", **(attrs or {})}, choices)


class PortalSettingsForm(SettingsForm):
    text_widget = PortalText
    lines_widget = PortalLines
    choice_widget = PortalSelect


@require_http_methods(["GET", "HEAD", "POST"])
@client_page
def copy_settings(request: ClientRequest, subscription_id: str) -> HttpResponse:
    """What a copy's settings are and where they come from; the first POST says what a change
    would do, the second one does it."""
    copy = (
        Subscription.objects.for_customer(request.customer)
        .exclude(status=Subscription.Status.STOPPED)
        .select_related("strategy", "account")
        .filter(pk=subscription_id)
        .first()
    )
    if copy is None:
        raise Http404
    change = settings_change_of(request, copy, PortalSettingsForm)
    if change.is_stored(actor=request.user, ip_address=client_address(request)):
        messages.success(request, _("The settings are stored."))
        return redirect(request.get_full_path())
    return render(request, "portal/copy_settings.html", {"copy": copy, "change": change})


@require_http_methods(["GET", "HEAD", "POST"])
@client_page
def copy_change(request: ClientRequest, subscription_id: str, action: str) -> HttpResponse:
    """Asks first (GET), then does it (POST)."""
    copy = (
        Subscription.objects.for_customer(request.customer)
        .select_related("strategy", "account")
        .filter(pk=subscription_id)
        .first()
    )
    change = _change(action, copy) if copy is not None else None
    if change is None or copy is None:
        raise Http404
    if request.method == "POST":
        try:
            change.act(subscription=copy, actor=request.user, ip_address=client_address(request))
        except SubscriptionRefusedError as refused:
            messages.error(request, refused.message)
        else:
            messages.success(request, change.done)
        return redirect("portal:copies")
    held = held_positions(request.customer, account=copy.account)
    context = {
        "copy": copy,
        "change": change,
        "action": action,
        "held": [row for row in held if row.copied.subscription_id == copy.pk],
    }
    dialog = request.htmx and request.htmx.target == "dialog-content"
    template = "portal/parts/copy_change.html" if dialog else "portal/copy_change.html"
    return render(request, template, context)

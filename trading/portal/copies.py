"""The strategies that a client follows: pause, resume, stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from customers.portal_access import ClientRequest, client_address, client_page
from strategies.models import Subscription
from strategies.services.subscriptions import (
    SubscriptionRefusedError,
    subscription_pause,
    subscription_resume,
    subscription_stop,
)
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
            _(
                "Exits are still followed: when the strategy reduces or closes, so does your "
                "account."
            ),
            _("You can resume at any time."),
        ),
        button=_("Pause copying"),
        done=_("Copying is paused. Exits are still followed."),
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
        ),
        button=_("Resume copying"),
        done=_("Copying goes on from the next signal."),
        tone="success",
        icon="play-circle",
        keeps=_("These positions go on as they are:"),
    ),
    "stop": Change(
        act=subscription_stop,
        title=_("Stop this copy for good?"),
        effects=(
            _("Nothing is copied any more, neither entries nor exits."),
            _(
                "Open positions are not closed. They stay on your exchange account, and closing "
                "them is up to you."
            ),
            _("This cannot be undone. To copy the strategy again, a new copy is started."),
        ),
        button=_("Stop copying"),
        done=_("The copy was stopped. Open positions are left to you."),
        tone="danger",
        icon="stop-circle",
        keeps=_("These positions are left to you:"),
    ),
}


@require_safe
@client_page
def copy_list(request: ClientRequest) -> HttpResponse:
    context = {"copies": customer_copies(request.customer)}
    if request.htmx and request.htmx.target == "copy-list":
        return render(request, "portal/parts/copy_list.html", context)
    return render(request, "portal/copies.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@client_page
def copy_change(request: ClientRequest, subscription_id: str, action: str) -> HttpResponse:
    """Asks first (GET), then does it (POST)."""
    change = CHANGES.get(action)
    copy = (
        Subscription.objects.for_customer(request.customer)
        .select_related("strategy", "account")
        .filter(pk=subscription_id)
        .first()
    )
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

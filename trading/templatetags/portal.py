"""What the portal's templates say about states: a word, an icon and a tone each."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django import template
from django.conf import settings
from django.template import defaultfilters
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from customers.models import ExchangeAccount
from customers.templatetags.figures import icon, money, quantity
from strategies.domain.settings import CopySettings
from strategies.domain.sizing import SizingMode
from strategies.end_texts import end_text, pause_text
from strategies.models import Subscription
from trading.models import Intent, Order

register = template.Library()

_TONES = {
    "good": {"filled", "healthy", "active"},
    "busy": {
        "working",
        "partial",
        "partially_filled",
        "accepted",
        "ready",
        "claimed",
        "sending",
    },
    "warn": {"unknown", "not_placed", "paused", "ending", "expired", "unchecked"},
    "bad": {"rejected", "unhealthy", "refused"},
}
_ICONS = {
    "good": "check-circle-fill",
    "busy": "arrow-repeat",
    "warn": "exclamation-triangle-fill",
    "bad": "x-circle-fill",
    "": "slash-circle",
}


@register.filter
def tone(status: str) -> str:
    """The colour of a state; empty for one that needs none."""
    return next((name for name, states in _TONES.items() if status in states), "")


def _badge(status: str, label: Any, symbol: str = "") -> SafeString:
    colour = tone(status)
    return format_html(
        '<span class="badge-soft {}" data-status="{}">{}{}</span>',
        colour,
        status,
        icon(symbol or _ICONS[colour]),
        capfirst(str(label)),
    )


@register.simple_tag
def intent_badge(intent: Intent) -> SafeString:
    return _badge(intent.status, intent.get_status_display())


@register.simple_tag
def order_badge(order: Order) -> SafeString:
    return _badge(order.state, order.get_state_display())


@register.simple_tag
def health_badge(account: ExchangeAccount) -> SafeString:
    if account.status == ExchangeAccount.Status.PAUSED:
        return _badge("paused", account.get_status_display(), "pause-circle")
    if account.health == ExchangeAccount.Health.UNKNOWN:
        return _badge("", account.get_health_display(), "hourglass-split")
    return _badge(account.health, account.get_health_display())


@register.simple_tag
def copy_badge(copy: Subscription) -> SafeString:
    symbols = {
        "active": "play-circle",
        "paused": "pause-circle",
        "ending": "hourglass-split",
        "stopped": "stop-circle",
    }
    label = copy.get_status_display()
    if copy.status == Subscription.Status.ACTIVE:
        label = pgettext("copy", "Running")
    return _badge(copy.status, label, symbols.get(copy.status, ""))


@register.filter("end_text")
def copy_end_text(copy: Subscription) -> str:
    """Why it ends or has ended."""
    return end_text(copy.end_code, copy.end_params)


@register.filter("pause_text")
def copy_pause_text(copy: Subscription) -> str:
    """Why it is paused, if nobody did it; a resumed one says nothing any more."""
    return pause_text(copy.pause_code, copy.pause_params)


_SECTIONS = {
    "home": "home",
    "account": "home",
    "positions": "positions",
    "orders": "orders",
    "order": "orders",
    "copies": "copies",
    "copy_change": "copies",
    "copy_settings": "copies",
}


@register.simple_tag(takes_context=True)
def current_section(context: dict[str, Any]) -> str:
    """The entry of the navigation that the page belongs to."""
    match = context["request"].resolver_match
    return _SECTIONS.get(match.url_name, "") if match else ""


@register.filter
def moment(at: datetime) -> str:
    """Today's events by their time, older ones with their date."""
    local = timezone.localtime(at)
    if local.date() == timezone.localdate():
        return defaultfilters.date(local, "H:i:s")
    return defaultfilters.date(local, "m-d H:i")


@register.filter
def venue_name(venue: str) -> str:
    return str(settings.VENUES.get(venue, {}).get("label", venue))


@register.filter
def margin_mode_name(mode: str) -> str:
    known = ExchangeAccount.MarginMode
    return str(known(mode).label) if mode in known.values else mode


@register.filter
def order_type_name(order_type: str) -> str:
    names = {
        "market": pgettext("order type", "Market"),
        "limit": pgettext("order type", "Limit"),
        "ioc": pgettext("order type", "Limit, at once or not at all"),
    }
    return names.get(order_type, order_type)


@register.filter
def sizing_text(in_force: CopySettings, copy: Subscription) -> str:
    """The sizing rule that is in force, in a few words."""
    if in_force.sizing_mode is SizingMode.FIXED_AMOUNT:
        currency = copy.account.balance_currency
        return _("%(amount)s %(currency)s per order") % {
            "amount": money(in_force.fixed_amount),
            "currency": currency,
        }
    if in_force.sizing_mode is SizingMode.LEADER_RATIO:
        return _("%(ratio)s × the leader's size") % {"ratio": quantity(in_force.ratio)}
    if in_force.sizing_mode is SizingMode.FIXED_RISK:
        return _("By the risk at the stop")
    if in_force.ratio == Decimal(1):
        return _("In proportion to equity")
    return _("In proportion to equity × %(ratio)s") % {"ratio": quantity(in_force.ratio)}

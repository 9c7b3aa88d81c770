"""Orders in a client's words: what an order does, what happened to it, what changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, pgettext, pgettext_lazy

from trading.domain.order_states import OrderTrigger

CREATED = "create"
"""The kind of the event that an order begins with."""

_STEPS: dict[str, str] = {
    CREATED: gettext_noop("Decided and written down"),
    OrderTrigger.CLAIM: gettext_noop("Taken up for sending"),
    OrderTrigger.RELEASE: gettext_noop("Put back, not sent yet"),
    OrderTrigger.EXPIRE: gettext_noop("Too old, not sent"),
    OrderTrigger.REFUSE: gettext_noop("Stopped by the last check, not sent"),
    OrderTrigger.SEND: gettext_noop("Sent to the exchange"),
    OrderTrigger.ACCEPT: gettext_noop("Accepted by the exchange"),
    OrderTrigger.REJECT: gettext_noop("Refused by the exchange"),
    OrderTrigger.LOSE: gettext_noop("No clear answer, being looked up"),
    OrderTrigger.FIND_ABSENT: gettext_noop("Proven not to be on the exchange"),
    OrderTrigger.PARTIAL_FILL: gettext_noop("Partly filled"),
    OrderTrigger.FILL: gettext_noop("Completely filled"),
    OrderTrigger.CANCEL: gettext_noop("Cancelled"),
}

_ACTIONS: dict[tuple[bool, str], Any] = {
    (True, "long"): pgettext_lazy("order", "Open long"),
    (True, "short"): pgettext_lazy("order", "Open short"),
    (False, "long"): pgettext_lazy("order", "Close long"),
    (False, "short"): pgettext_lazy("order", "Close short"),
}


def order_step_text(kind: str) -> str:
    """A step of an order's life; a kind without a text here shows itself."""
    text = _STEPS.get(kind)
    return _(text) if text else kind


def action_text(*, symbol: str, side: str, is_entry: bool, position_side: str = "") -> str:
    """“Open long” for a contract, “Buy” on the spot market.

    A skipped decision may have no side of its own; then that of the signal's position tells.
    """
    if ":" not in symbol and side:
        return pgettext("order", "Buy") if side == "buy" else pgettext("order", "Sell")
    held = position_side
    if side:
        held = "long" if (side == "buy") == is_entry else "short"
    if not held:
        return pgettext("order", "Open") if is_entry else pgettext("order", "Close")
    return str(_ACTIONS[is_entry, held])


def change_text(kind: str, payload: Mapping[str, Any]) -> str:
    """One line of the live feed for an event of the client's outbox; empty for unknown kinds."""
    if kind == "account.health":
        if payload.get("health") == "healthy":
            return _("The account works")
        return _("The account has a problem")
    if kind == "account.key":
        return {
            "active": _("The new API key was checked and is in use"),
            "unchecked": _("The new API key cannot be used yet"),
            "refused": _("The new API key was refused"),
        }.get(str(payload.get("status")), "")
    if kind == "subscription.changed":
        return {
            "active": _("Copying goes on"),
            "paused": _("Copying is paused, only exits are followed"),
            "ending": _("Copying ends when its positions are closed"),
            "stopped": _("Copying was stopped"),
        }.get(str(payload.get("status")), "")
    return ""

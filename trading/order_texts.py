"""Orders in a client's words: what an order does, what happened to it, what changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, pgettext, pgettext_lazy

from signals_app.event_texts import event_text
from trading.domain.order_states import OrderTrigger
from trading.reason_texts import reason_text

CREATED = "create"
"""The kind of the event that an order begins with."""
WITHDRAWN, AMENDED = "withdraw", "amend"
"""Kinds of what a person asked for; they change no state."""

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
    WITHDRAWN: gettext_noop("Cancellation asked for"),
    AMENDED: gettext_noop("Change asked for"),
}

_REFUSALS: dict[str, str] = {
    "not_waiting": gettext_noop("The order does not wait any more, so there is nothing to cancel."),
    "not_on_the_book": gettext_noop(
        "Only a limit order that waits on the order book can be changed."
    ),
    "changing": gettext_noop("The order is being cancelled or changed already."),
    "market_unknown": gettext_noop("The market of this order is not known at the moment."),
    "price_not_positive": gettext_noop("The price must be above 0."),
    "price_far_off": gettext_noop("The new price may be at most 20 % away from the old one."),
    "not_larger": gettext_noop("The size can only be made smaller."),
    "above_lot": gettext_noop("The size is not a multiple of the smallest step of this market."),
    "already_filled": gettext_noop("This size, or more, is filled already."),
    "below_minimum": gettext_noop("What would be left is below the exchange's minimum."),
    "nothing_changes": gettext_noop("Price and size are as they were."),
    "not_positive": gettext_noop("The size must be above 0."),
    "above_largest": gettext_noop(
        "At this price the order would be larger than the copy's cap, or than the exchange takes."
    ),
    "price_beyond_market": gettext_noop(
        "The price is worse than the market by more than the slippage that the copy allows."
    ),
    "not_copied": gettext_noop("This copy was stopped."),
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


def entry_change_refusal(code: str) -> str:
    """Why a waiting entry is not cancelled or changed."""
    return _(_REFUSALS[code])


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
    if kind == "copy.leader_changed":
        return _("The leader: %(text)s") % {"text": event_text(payload.get("facts") or {})}
    if kind == "subscription.changed":
        return {
            "active": _("Copying goes on"),
            "paused": _("Copying is paused, only exits are followed"),
            "ending": _("Copying ends when its positions are closed"),
            "stopped": _("Copying was stopped"),
        }.get(str(payload.get("status")), "")
    return ""


_FOLLOWED = {
    "tell": gettext_noop("Your copy does nothing about it."),
    "follow": gettext_noop("Your copy does the same."),
    "pause": gettext_noop("Your copy opens nothing more until you resume it."),
}


def followed_text(payload: Mapping[str, Any]) -> str:
    """What a copy did about its leader's change."""
    if payload.get("code"):
        why = reason_text(str(payload["code"]), payload.get("params"))
        if payload.get("state") == "done":
            return _("Your copy does the same: %(why)s") % {"why": why}
        return _("Your copy does not do the same: %(why)s") % {"why": why}
    return _(_FOLLOWED[str(payload.get("does"))])

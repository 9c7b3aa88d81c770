"""Pausing, resuming and stopping a copy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from customers.models import CustomerUser, User
from customers.services.audit import audit_record
from customers.services.events import (
    EventDraft,
    customer_audience,
    events_record,
    staff_audience,
)
from strategies.domain.settings import OnStop
from strategies.domain.settings.reading import SettingValueError
from strategies.models import Subscription
from strategies.selectors.settings import subscription_settings
from strategies.signals import subscription_changed

Status = Subscription.Status
EndCode = Subscription.EndCode


class SubscriptionRefusedError(Exception):
    """The copy cannot be changed that way; `message` is for whoever asked."""

    def __init__(self, code: str, message: str, field: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field


def subscription_pause(
    *,
    subscription: Subscription,
    actor: User | None,
    ip_address: str | None = None,
    reason: str = "",
    code: Subscription.PauseCode | None = None,
    params: Mapping[str, str] | None = None,
) -> Subscription:
    """Open nothing more and cancel waiting entries; the strategy's exits are still followed.

    `code` and its numbers say why, when nobody asked for it."""
    why = {"pause_code": code or "", "pause_params": dict(params or {})}
    action, reason = "subscription.paused", reason or str(code or "")
    return _change(subscription, Status.PAUSED, action, actor, ip_address, reason, values=why)


def subscription_resume(
    *,
    subscription: Subscription,
    actor: User | None,
    ip_address: str | None = None,
    reason: str = "",
) -> Subscription:
    """Follow entries again, from the next signal on; what was missed is not made up for."""
    action, why = "subscription.resumed", {"pause_code": "", "pause_params": {}}
    return _change(subscription, Status.ACTIVE, action, actor, ip_address, reason, values=why)


def stop_effect(subscription: Subscription) -> OnStop:
    """What stopping this copy does with its positions. Settings that cannot be read leave them."""
    try:
        return subscription_settings(subscription).settings.on_stop
    except SettingValueError:
        return OnStop.LEAVE


def subscription_stop(
    *,
    subscription: Subscription,
    actor: User | None,
    ip_address: str | None = None,
    reason: str = "",
    effect: OnStop | None = None,
) -> Subscription:
    """End the copy for good and cancel waiting entries.

    By `effect`, which is the setting if it is not given, its positions are closed at the market,
    or its exits are followed until it is flat; it is ending until then. Or they stay as they are
    and belong to the client alone. An ending copy goes on to end as it was asked to.
    """
    effect = stop_effect(subscription) if effect is None else effect
    status = Status.STOPPED if effect is OnStop.LEAVE else Status.ENDING
    by_client = (
        actor is not None
        and CustomerUser.objects.for_tenant(subscription.tenant_id)
        .filter(customer_id=subscription.customer_id, user=actor)
        .exists()
    )
    ending = {
        "closes_positions": effect is OnStop.CLOSE,
        "end_code": EndCode.CLIENT if by_client else EndCode.OPERATOR,
    }
    action = "subscription.stopped"
    return _change(subscription, status, action, actor, ip_address, reason, ending)


def subscription_end(
    *, subscription: Subscription, code: Subscription.EndCode, params: Mapping[str, str]
) -> Subscription:
    """A limit of the copy was reached: its positions are closed at the market and it is over."""
    ending = {"closes_positions": True, "end_code": code, "end_params": dict(params)}
    action, reason = "subscription.limit_reached", str(code)
    return _change(subscription, Status.ENDING, action, None, None, reason, ending)


@transaction.atomic
def subscription_ended(*, subscription: Subscription) -> bool:
    """An ending copy holds nothing any more. False when it was not ending."""
    locked = (
        Subscription.objects.for_tenant(subscription.tenant_id)
        .select_for_update()
        .get(pk=subscription.pk)
    )
    if locked.status != Status.ENDING:
        return False
    _store(locked, Status.STOPPED, {})
    return True


@transaction.atomic
def _change(
    subscription: Subscription,
    status: Subscription.Status,
    action: str,
    actor: User | None,
    ip_address: str | None,
    reason: str,
    ending: Mapping[str, Any] | None = None,
    values: Mapping[str, Any] | None = None,
) -> Subscription:
    """Asking for what already is does nothing, so that a double click is harmless."""
    locked = (
        Subscription.objects.for_tenant(subscription.tenant_id)
        .select_for_update()
        .get(pk=subscription.pk)
    )
    closes = bool(ending and ending["closes_positions"] and not locked.closes_positions)
    if locked.status == status and not (status == Status.ENDING and closes):
        return locked
    if locked.status == Status.STOPPED:
        raise SubscriptionRefusedError(
            "stopped", _("This copy was stopped. Follow the strategy again to start a new one.")
        )
    if locked.status == Status.ENDING and not closes:
        if ending is not None:
            return locked
        raise SubscriptionRefusedError(
            "ending", _("This copy is ending: it stops when its positions are closed.")
        )
    before = locked.status
    _store(locked, status, ending or values or {})
    audit_record(
        action=action,
        actor=actor,
        tenant_id=locked.tenant_id,
        target=f"strategies.subscription:{locked.pk}",
        details={"from": before, "reason": reason},
        ip_address=ip_address,
    )
    return locked


def _store(locked: Subscription, status: Subscription.Status, values: Mapping[str, Any]) -> None:
    locked.status = status
    for name, value in values.items():
        setattr(locked, name, value)
    locked.save(update_fields=["status", "live_key", "changed_at", *values])
    payload = {"subscription": locked.pk, "status": locked.status, "end_code": locked.end_code}
    if not locked.end_code:
        del payload["end_code"]
    events_record(
        EventDraft(locked.tenant_id, audience, "subscription.changed", payload)
        for audience in (staff_audience(locked.tenant_id), customer_audience(locked.customer_id))
    )
    subscription_changed.send(sender=Subscription, subscription=locked)

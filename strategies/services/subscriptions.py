"""Pausing, resuming and stopping a copy."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from customers.models import User
from customers.services.audit import audit_record
from customers.services.events import (
    EventDraft,
    customer_audience,
    events_record,
    staff_audience,
)
from strategies.models import Subscription
from strategies.signals import subscription_changed

Status = Subscription.Status


class SubscriptionRefusedError(Exception):
    """The copy cannot be changed that way; `message` is for whoever asked."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def subscription_pause(
    *,
    subscription: Subscription,
    actor: User | None,
    ip_address: str | None = None,
    reason: str = "",
) -> Subscription:
    """Open nothing more; the strategy's exits are still followed."""
    return _change(subscription, Status.PAUSED, "subscription.paused", actor, ip_address, reason)


def subscription_resume(
    *,
    subscription: Subscription,
    actor: User | None,
    ip_address: str | None = None,
    reason: str = "",
) -> Subscription:
    """Follow entries again, from the next signal on; what was missed is not made up for."""
    return _change(subscription, Status.ACTIVE, "subscription.resumed", actor, ip_address, reason)


def subscription_stop(
    *,
    subscription: Subscription,
    actor: User | None,
    ip_address: str | None = None,
    reason: str = "",
) -> Subscription:
    """End the copy for good. Open positions stay as they are and belong to the client alone."""
    return _change(subscription, Status.STOPPED, "subscription.stopped", actor, ip_address, reason)


@transaction.atomic
def _change(
    subscription: Subscription,
    status: Subscription.Status,
    action: str,
    actor: User | None,
    ip_address: str | None,
    reason: str,
) -> Subscription:
    """Asking for what already is does nothing, so that a double click is harmless."""
    locked = (
        Subscription.objects.for_tenant(subscription.tenant_id)
        .select_for_update()
        .get(pk=subscription.pk)
    )
    if locked.status == status:
        return locked
    if locked.status == Status.STOPPED:
        raise SubscriptionRefusedError(
            "stopped", _("This copy was stopped. Follow the strategy again to start a new one.")
        )
    before = locked.status
    locked.status = status
    locked.save(update_fields=["status", "live_key", "changed_at"])
    payload = {"subscription": locked.pk, "status": locked.status}
    events_record(
        EventDraft(locked.tenant_id, audience, "subscription.changed", payload)
        for audience in (staff_audience(locked.tenant_id), customer_audience(locked.customer_id))
    )
    subscription_changed.send(sender=Subscription, subscription=locked)
    audit_record(
        action=action,
        actor=actor,
        tenant_id=locked.tenant_id,
        target=f"strategies.subscription:{locked.pk}",
        details={"from": before, "reason": reason},
        ip_address=ip_address,
    )
    return locked

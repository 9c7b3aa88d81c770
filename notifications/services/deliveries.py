"""Deliveries: one message to one channel, claimed, sent outside any transaction, retried.

Sent at least once: a process that dies between sending and noting it sends again after the claim
runs out. Everything else (two workers, a repeated task) is kept apart by the claim.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from smtplib import SMTPException

from django.core.mail import EmailMessage
from django.db.models import F
from django.utils import timezone

from customers.fields import SecretError
from customers.tenancy import tenant_scope
from customers.wakeup import wake_on_commit
from notifications.domain.dingtalk import RobotRefusedError
from notifications.domain.retries import retry_delay
from notifications.models import Delivery, NotificationChannel
from notifications.services.dingtalk import robot_send

logger = logging.getLogger(__name__)

SEND_TASK = "notifications.tasks.delivery_send"
CLAIM_LIFETIME = timedelta(seconds=60)
OPEN = (Delivery.Status.PENDING, Delivery.Status.SENDING)


@dataclass(frozen=True, slots=True)
class Message:
    subject: str
    body: str


def deliveries_create(
    *, channels: Iterable[tuple[NotificationChannel, Message]], dedupe_key: str
) -> int:
    """One delivery per channel; what this key already has in a channel stays as it is.

    All channels are of the current scope's tenant. Sending begins after the commit.
    """
    now = timezone.now()
    rows = [
        Delivery(
            tenant_id=channel.tenant_id,
            channel=channel,
            dedupe_key=dedupe_key,
            subject=message.subject[:200],
            body=message.body,
            due_at=now,
            created_at=now,
        )
        for channel, message in channels
    ]
    Delivery.objects.bulk_create(rows, ignore_conflicts=True)
    stored = Delivery.objects.filter(pk__in=[row.pk for row in rows])
    for pk, tenant_id in stored.values_list("pk", "tenant_id"):
        wake_on_commit(SEND_TASK, delivery_id=pk, tenant_id=tenant_id)
    return len(stored)


def delivery_send(*, delivery_id: str, tenant_id: str) -> bool:
    """Send it if it is due and nobody else does. True when it was sent now."""
    with tenant_scope(tenant_id):
        now = timezone.now()
        claimed = Delivery.objects.filter(pk=delivery_id, status__in=OPEN, due_at__lte=now).update(
            status=Delivery.Status.SENDING, attempts=F("attempts") + 1, due_at=now + CLAIM_LIFETIME
        )
        if claimed != 1:
            return False
        delivery = Delivery.objects.select_related("channel").get(pk=delivery_id)
        try:
            _send(delivery)
        except (RobotRefusedError, SMTPException, OSError, SecretError, ValueError) as error:
            _failed(delivery, error)
            return False
        _ours(delivery).update(status=Delivery.Status.SENT, sent_at=timezone.now(), error="")
        return True


def _send(delivery: Delivery) -> None:
    channel = delivery.channel
    if not channel.is_active:
        raise ValueError("The channel is switched off.")
    if channel.kind == NotificationChannel.Kind.EMAIL:
        EmailMessage(
            subject=" ".join(delivery.subject.split()),
            body=delivery.body,
            to=list(channel.addresses),
        ).send()
    elif channel.kind == NotificationChannel.Kind.DINGTALK:
        robot_send(
            url=channel.reveal("webhook_url"),
            secret=channel.reveal("signing_secret"),
            text=delivery.body,
        )
    else:
        raise ValueError(f"Unknown kind of channel: {channel.kind}")


def _failed(delivery: Delivery, error: Exception) -> None:
    delay = retry_delay(delivery.attempts)
    text = (str(error) or type(error).__name__)[:300]
    logger.warning("delivery %s failed: %s", delivery.pk, text)
    if delay is None or not delivery.channel.is_active:
        _ours(delivery).update(status=Delivery.Status.FAILED, error=text)
        return
    _ours(delivery).update(
        status=Delivery.Status.PENDING, due_at=timezone.now() + delay, error=text
    )


def _ours(delivery: Delivery):  # type: ignore[no-untyped-def]
    """The row as long as it is still our claim: a slow send may have been overtaken."""
    return Delivery.objects.filter(
        pk=delivery.pk, status=Delivery.Status.SENDING, attempts=delivery.attempts
    )

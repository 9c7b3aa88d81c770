"""One message per alert and channel, when it is raised."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Exists, OuterRef, Value
from django.db.models.functions import Concat
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from customers.tenancy import tenant_scope
from notifications.models import Delivery, NotificationChannel
from notifications.services.deliveries import Message, deliveries_create
from trading.alert_texts import alert_text
from trading.models import Alert

LOOKED_BACK = timedelta(hours=2)
_KEY = "alert:"


def alert_notify(*, alert_id: str, tenant_id: str) -> int:
    """Make the deliveries of an alert, once; how many are new."""
    with tenant_scope(tenant_id):
        alert = Alert.objects.for_tenant(tenant_id).get(pk=alert_id)
        channels = NotificationChannel.objects.for_tenant(tenant_id).filter(is_active=True)
        return deliveries_create(
            channels=[
                (channel, alert_message(alert, language=channel.language)) for channel in channels
            ],
            dedupe_key=f"{_KEY}{alert_id}",
        )


def alert_message(alert: Alert, *, language: str) -> Message:
    with translation.override(language):
        text = alert_text(alert.code, alert.params)
        subject = _("Alert: %(text)s") % {"text": text}
        raised = _("Since %(time)s UTC.") % {"time": f"{alert.raised_at:%Y-%m-%d %H:%M:%S}"}
    return Message(subject=subject, body=f"{subject}\n\n{raised}")


def alerts_untold() -> list[tuple[str, str]]:
    """(alert, tenant) whose wake-up was lost. Needs the system scope.

    Only for channels that were there already: a new one does not get the past.
    """
    channels = NotificationChannel.objects.filter(
        tenant=OuterRef("tenant"), is_active=True, created_at__lte=OuterRef("raised_at")
    )
    told = Delivery.objects.filter(
        channel__tenant=OuterRef("tenant"), dedupe_key=Concat(Value(_KEY), OuterRef("pk"))
    )
    alerts = Alert.objects.filter(Exists(channels), ~Exists(told)).filter(
        raised_at__gte=timezone.now() - LOOKED_BACK
    )
    return list(alerts.values_list("pk", "tenant_id"))

"""Alerts: one row per trouble and tenant, an event for its staff, word to who sends messages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from customers.models import ExchangeAccount
from customers.services.events import EventDraft, events_record, staff_audience
from customers.tenancy import system_scope
from trading.domain.alerts import AlertCode
from trading.models import Alert
from trading.signals import alert_raised

NOTE_PAUSE = timedelta(minutes=1)
"""Of messages about what a trailing stop, say, does every second."""


def alert_raise(
    *, tenant_id: str, code: AlertCode, subject: str, params: Mapping[str, str]
) -> bool:
    """Tell the tenant's staff, once while it lasts; True when this call was the first.

    Runs in the tenant's scope.
    """
    now = timezone.now()
    key = _open_key(code, subject)
    rows = Alert.objects.for_tenant(tenant_id)
    if rows.filter(open_key=key).update(seen_at=now, params=dict(params)):
        return False
    with transaction.atomic():
        alert = Alert(
            tenant_id=tenant_id,
            code=code,
            subject=subject,
            open_key=key,
            params=dict(params),
            raised_at=now,
            seen_at=now,
        )
        Alert.objects.bulk_create([alert], ignore_conflicts=True)
        if not rows.filter(pk=alert.pk).exists():
            return False  # somebody else was first
        _announce(alert, "alert.raised")
        alert_raised.send(sender=Alert, alert=alert)
    return True


def alert_note(*, tenant_id: str, code: AlertCode, subject: str, params: Mapping[str, str]) -> bool:
    """Tell the tenant's staff of something that happened and is over; True when it was told.

    Once for each subject within NOTE_PAUSE. Runs in the tenant's scope.
    """
    now = timezone.now()
    recent = Alert.objects.for_tenant(tenant_id).filter(
        code=code, subject=subject[:120], raised_at__gt=now - NOTE_PAUSE
    )
    with transaction.atomic():
        if recent.update(seen_at=now):
            return False
        alert = Alert.objects.create(
            tenant_id=tenant_id,
            code=code,
            subject=subject[:120],
            params=dict(params),
            raised_at=now,
            seen_at=now,
            resolved_at=now,
        )
        _announce(alert, "alert.raised")
        alert_raised.send(sender=Alert, alert=alert)
    return True


def alert_resolve(*, tenant_id: str, code: AlertCode, subject: str) -> bool:
    """It is over. True when there was such an alert."""
    now = timezone.now()
    with transaction.atomic():
        alert = (
            Alert.objects.for_tenant(tenant_id)
            .select_for_update()
            .filter(open_key=_open_key(code, subject))
            .first()
        )
        if alert is None:
            return False
        Alert.objects.for_tenant(tenant_id).filter(pk=alert.pk).update(
            open_key=None, resolved_at=now
        )
        _announce(alert, "alert.resolved")
    return True


def tenants_on_venue(venue: str) -> list[str]:
    """Whom the state of a venue concerns: tenants with an account there that is not closed."""
    with system_scope("alert: tenants with accounts on a venue"):
        accounts = ExchangeAccount.objects.filter(venue=venue)
        open_ones = accounts.exclude(status=ExchangeAccount.Status.CLOSED)
        return sorted(set(open_ones.values_list("tenant_id", flat=True)))


def _open_key(code: AlertCode, subject: str) -> str:
    return f"{code}:{subject}"


def _announce(alert: Alert, kind: str) -> None:
    payload = {
        "alert": alert.pk,
        "code": alert.code,
        "subject": alert.subject,
        "params": alert.params,
    }
    events_record([EventDraft(alert.tenant_id, staff_audience(alert.tenant_id), kind, payload)])

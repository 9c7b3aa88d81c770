"""Answers of a venue that cannot be read: staff are told while it lasts."""

from __future__ import annotations

import time
from datetime import timedelta

from django.utils import timezone

from customers.tenancy import system_scope, tenant_scope
from trading.domain.alerts import AlertCode
from trading.models import Alert
from trading.services.alerts import alert_raise, alert_resolve

OVER_AFTER = timedelta(minutes=10)
SECONDS_BETWEEN_NOTES = 20.0
"""One process says no more often that it goes on: thousands of accounts may be concerned."""

_noted_at: dict[tuple[str, str], float] = {}


def unreadable_note(tenant_id: str, venue: str, what: str, field: str) -> None:
    """`what` the venue told, and the field that could not be read. Runs in the tenant's scope."""
    now = time.monotonic()
    last = _noted_at.get((tenant_id, venue))
    if last is not None and now - last < SECONDS_BETWEEN_NOTES:
        return
    _noted_at[tenant_id, venue] = now
    alert_raise(
        tenant_id=tenant_id,
        code=AlertCode.ANSWERS_UNREADABLE,
        subject=venue,
        params={"venue": venue, "what": what, "field": field},
    )


def unreadable_alerts_end() -> int:
    """End those of which nothing was seen for a while; returns how many."""
    with system_scope("alert: answers that could not be read"):
        old = Alert.objects.filter(
            code=AlertCode.ANSWERS_UNREADABLE,
            open_key__isnull=False,
            seen_at__lt=timezone.now() - OVER_AFTER,
        )
        found = list(old.values_list("tenant_id", "subject"))
    for tenant_id, venue in found:
        with tenant_scope(tenant_id):
            alert_resolve(tenant_id=tenant_id, code=AlertCode.ANSWERS_UNREADABLE, subject=venue)
    return len(found)

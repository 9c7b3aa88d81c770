"""A breaker opens, closes, and is reset: each with an audit entry and news for staff."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone

from customers.deadlocks import retry_on_deadlock
from customers.models import User
from customers.services.audit import audit_record
from customers.services.events import EventDraft, events_record, staff_audience
from customers.tenancy import ScopeError, required_scope, tenant_scope
from strategies.models import Strategy
from trading.domain.alerts import AlertCode
from trading.domain.breaker import cool_down_after
from trading.models import Breaker
from trading.services.alerts import alert_raise, alert_resolve, tenants_on_venue
from trading.services.control_state import forget_controls

Level, Cause = Breaker.Level, Breaker.Cause
_ALERT_CODES = (AlertCode.VENUE_STOPPED, AlertCode.STRATEGY_STOPPED, AlertCode.FANOUT_EXCEEDED)


def breaker_open(
    *,
    level: str,
    subject_id: str,
    tenant_id: str | None,
    cause: str,
    params: Mapping[str, str],
) -> bool:
    """Stop entries there; True for the one caller who did. `tenant_id` is None for a venue.

    One that is open already stays as it is, except that what only an operator may reset is not
    left to the clock.
    """
    try:
        opened = retry_on_deadlock(lambda: _open(level, subject_id, tenant_id, cause, params))
    except IntegrityError:  # another process opened its first one at the same time
        opened = retry_on_deadlock(lambda: _open(level, subject_id, tenant_id, cause, params))
    forget_controls()
    return opened


@transaction.atomic
def _open(
    level: str, subject_id: str, tenant_id: str | None, cause: str, params: Mapping[str, str]
) -> bool:
    now = timezone.now()
    breaker = _locked(level, subject_id) or Breaker(
        level=level, subject_id=subject_id, tenant_id=tenant_id, is_open=False
    )
    if breaker.is_open and _blocks(breaker, now):
        graver = cause == Cause.FANOUT != breaker.cause
        if not graver:
            return False
    breaker.trips = breaker.trips + 1 if breaker.is_open else 1
    breaker.is_open = True
    breaker.cause = cause
    breaker.params = dict(params)
    breaker.opened_at = breaker.changed_at = now
    # Refusals cost nothing and may pass; what sends too many orders is broken until somebody
    # has looked at it.
    pause = None
    if cause == Cause.REJECT_RATE:
        pause = cool_down_after(settings.BREAKER_RULE, breaker.trips)
    breaker.half_open_at = None if pause is None else now + pause
    breaker.counts_from = breaker.half_open_at or now
    breaker.save()
    _alert(breaker)
    _record(breaker, "breaker.opened", None, {"trips": breaker.trips})
    return True


def _locked(level: str, subject_id: str) -> Breaker | None:
    rows = Breaker.objects.select_for_update().filter(level=level, subject_id=subject_id)
    return rows.first()


def _blocks(breaker: Breaker, now: datetime) -> bool:
    return breaker.half_open_at is None or now < breaker.half_open_at


def breaker_close(*, level: str, subject_id: str) -> bool:
    """The answers after a cool-down were good; one that only an operator resets stays open."""
    with transaction.atomic():
        breaker = _locked(level, subject_id)
        if breaker is None or not breaker.is_open or _blocks(breaker, timezone.now()):
            return False
        _shut(breaker, "breaker.closed", None, {})
    forget_controls()
    return True


def breaker_reset(
    *, breaker_id: str, actor: User, reason: str = "", ip_address: str | None = None
) -> bool:
    """An operator lets entries go again. What was counted until now counts no more.

    Only a superuser touches a venue's. False when it was not open any more.
    """
    with transaction.atomic():
        breaker = Breaker.objects.select_for_update().get(pk=breaker_id)
        if required_scope().tenant_id not in (None, breaker.tenant_id) and breaker.tenant_id:
            raise ScopeError("A breaker of another tenant.")
        if breaker.tenant_id is None and not actor.is_superuser:
            raise PermissionDenied
        if not breaker.is_open:
            return False
        _shut(breaker, "breaker.reset", actor, {"reason": reason.strip()}, ip_address)
    forget_controls()
    return True


def _shut(
    breaker: Breaker,
    action: str,
    actor: User | None,
    details: dict[str, Any],
    ip_address: str | None = None,
) -> None:
    breaker.is_open = False
    breaker.half_open_at = None
    breaker.counts_from = breaker.changed_at = timezone.now()
    breaker.save()
    for tenant_id in _concerned(breaker):
        with tenant_scope(tenant_id):
            for code in _ALERT_CODES:
                alert_resolve(tenant_id=tenant_id, code=code, subject=_subject(breaker))
    _record(breaker, action, actor, details, ip_address)


def _record(
    breaker: Breaker,
    action: str,
    actor: User | None,
    details: dict[str, Any],
    ip_address: str | None = None,
) -> None:
    payload = {
        "level": breaker.level,
        "subject": breaker.subject_id,
        "is_open": breaker.is_open,
        "cause": breaker.cause,
        "params": breaker.params,
    }
    for tenant_id in _concerned(breaker):
        with tenant_scope(tenant_id):
            draft = EventDraft(tenant_id, staff_audience(tenant_id), "breaker.changed", payload)
            events_record([draft])
    audit_record(
        action=action,
        actor=actor,
        tenant_id=breaker.tenant_id,
        target=f"trading.breaker:{breaker.pk}",
        details={**payload, **details},
        ip_address=ip_address,
    )


def _alert(breaker: Breaker) -> None:
    for tenant_id in _concerned(breaker):
        with tenant_scope(tenant_id):
            params = {**breaker.params, "name": _name(breaker)}
            alert_raise(
                tenant_id=tenant_id,
                code=_alert_code(breaker),
                subject=_subject(breaker),
                params=params,
            )


def _concerned(breaker: Breaker) -> list[str]:
    if breaker.tenant_id is not None:
        return [breaker.tenant_id]
    return tenants_on_venue(breaker.subject_id)


def _name(breaker: Breaker) -> str:
    if breaker.level == Level.VENUE:
        return breaker.subject_id
    return Strategy.objects.values_list("name", flat=True).get(pk=breaker.subject_id)


def _alert_code(breaker: Breaker) -> AlertCode:
    if breaker.cause == Cause.FANOUT:
        return AlertCode.FANOUT_EXCEEDED
    if breaker.level == Level.VENUE:
        return AlertCode.VENUE_STOPPED
    return AlertCode.STRATEGY_STOPPED


def _subject(breaker: Breaker) -> str:
    return f"{breaker.level}:{breaker.subject_id}"

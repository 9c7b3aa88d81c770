"""Whether an account can be traded, with the reason in code and numbers."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from customers.models import ExchangeAccount
from customers.services.events import (
    EventDraft,
    customer_audience,
    events_record,
    staff_audience,
)


def account_mark_unhealthy(*, account: ExchangeAccount, code: str, params: dict[str, str]) -> None:
    """Entries stop on this account until a check passes; everybody concerned is told once."""
    _mark(account, ExchangeAccount.Health.UNHEALTHY, str(code), params)


def account_mark_healthy(*, account: ExchangeAccount) -> None:
    _mark(account, ExchangeAccount.Health.HEALTHY, "", {})


def _mark(account: ExchangeAccount, health: str, code: str, params: dict[str, str]) -> None:
    now = timezone.now()
    with transaction.atomic():
        rows = ExchangeAccount.objects.for_tenant(account.tenant_id).filter(pk=account.pk)
        changed = rows.exclude(health=health, health_code=code).update(
            health=health, health_code=code, health_params=params, health_checked_at=now
        )
        if not changed:
            rows.update(health_checked_at=now, health_params=params)
            return
        payload: dict[str, Any] = {
            "account": account.pk,
            "health": health,
            "code": code,
            "params": params,
        }
        events_record(
            EventDraft(account.tenant_id, audience, "account.health", payload)
            for audience in (
                staff_audience(account.tenant_id),
                customer_audience(account.customer_id),
            )
        )
    account.health, account.health_code, account.health_params = health, code, params

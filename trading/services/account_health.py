"""Whether an account can be traded, with the reason in code and numbers."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from customers.models import Customer, ExchangeAccount
from customers.services.events import (
    EventDraft,
    customer_audience,
    events_record,
    staff_audience,
)
from customers.wakeup import wake_on_commit
from trading.domain.alerts import AlertCode
from trading.domain.reasons import Reason, ReasonCode
from trading.services.alerts import alert_raise, alert_resolve


def account_mark_unhealthy(*, account: ExchangeAccount, code: str, params: dict[str, str]) -> None:
    """Entries stop on this account until a check passes; everybody concerned is told once."""
    _mark(account, ExchangeAccount.Health.UNHEALTHY, str(code), params)


def account_mark_healthy(*, account: ExchangeAccount) -> None:
    _mark(account, ExchangeAccount.Health.HEALTHY, "", {})


def account_key_failed(*, tenant_id: str, account_id: str, reason: Reason) -> None:
    """The key of an order could not be used. Checked again at once: it may be replaced since."""
    account = ExchangeAccount.objects.for_tenant(tenant_id).get(pk=account_id)
    with transaction.atomic():
        is_news = _mark(account, ExchangeAccount.Health.UNHEALTHY, str(reason.code), reason.params)
        if is_news:
            wake_on_commit(
                "trading.tasks.account_check", account_id=account_id, tenant_id=tenant_id
            )


def _mark(account: ExchangeAccount, health: str, code: str, params: dict[str, str]) -> bool:
    """True when it is news."""
    now = timezone.now()
    with transaction.atomic():
        rows = ExchangeAccount.objects.for_tenant(account.tenant_id).filter(pk=account.pk)
        changed = rows.exclude(health=health, health_code=code).update(
            health=health, health_code=code, health_params=params, health_checked_at=now
        )
        if not changed:
            rows.update(health_checked_at=now, health_params=params)
            return False
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
        _alert(account, code)
    account.health, account.health_code, account.health_params = health, code, params
    return True


def _alert(account: ExchangeAccount, code: str) -> None:
    """A key that could be used to steal is not left to who happens to look at the page."""
    alert = AlertCode.KEY_GAINED_WITHDRAWAL
    if code != ReasonCode.KEY_GAINED_WITHDRAWAL:
        alert_resolve(tenant_id=account.tenant_id, code=alert, subject=account.pk)
        return
    customer = Customer.objects.for_tenant(account.tenant_id).get(pk=account.customer_id)
    params = {"account": account.label, "customer": customer.name}
    alert_raise(tenant_id=account.tenant_id, code=alert, subject=account.pk, params=params)

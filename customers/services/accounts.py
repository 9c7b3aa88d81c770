"""Pausing and resuming an exchange account. A paused account opens nothing; exits go on."""

from __future__ import annotations

from django.db import transaction

from customers.models import ExchangeAccount, User
from customers.services.audit import audit_record


def account_pause(
    *,
    account: ExchangeAccount,
    reason: str = "",
    actor: User | None,
    ip_address: str | None = None,
) -> bool:
    """False when it was not active before."""
    return _move(
        account, ExchangeAccount.Status.ACTIVE, ExchangeAccount.Status.PAUSED, reason, actor,
        ip_address,
    )  # fmt: skip


def account_resume(
    *,
    account: ExchangeAccount,
    reason: str = "",
    actor: User | None,
    ip_address: str | None = None,
) -> bool:
    """False when it was not paused before: a closed account stays closed."""
    return _move(
        account, ExchangeAccount.Status.PAUSED, ExchangeAccount.Status.ACTIVE, reason, actor,
        ip_address,
    )  # fmt: skip


def _move(
    account: ExchangeAccount,
    from_status: str,
    to_status: str,
    reason: str,
    actor: User | None,
    ip_address: str | None,
) -> bool:
    with transaction.atomic():
        changed = ExchangeAccount.objects.filter(pk=account.pk, status=from_status).update(
            status=to_status
        )
        if not changed:
            return False
        paused = to_status == ExchangeAccount.Status.PAUSED
        audit_record(
            action="account.paused" if paused else "account.resumed",
            actor=actor,
            tenant_id=account.tenant_id,
            target=f"customers.exchangeaccount:{account.pk}",
            details={"reason": reason},
            ip_address=ip_address,
        )
    return True

"""Locks out who guesses passwords.

Counted per (email, address), so that nobody can lock a stranger out from elsewhere, and per
address over all emails, against trying one password on many logins.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from customers.models import LoginFailure

WINDOW = timedelta(minutes=15)
LOCK_TIME = timedelta(minutes=15)
FAILURES_PER_LOGIN = 5
FAILURES_PER_ADDRESS = 50
KEPT_FOR = timedelta(days=1)


def login_locked_for(*, email: str, ip_address: str | None) -> timedelta | None:
    """How long this address must wait before it may try this login again; None when it may."""
    now = timezone.now()
    until = (
        LoginFailure.objects.filter(
            key__in=[key for key, _ in _counters(email, ip_address)], locked_until__gt=now
        )
        .order_by("-locked_until")
        .values_list("locked_until", flat=True)
        .first()
    )
    return until - now if until else None


def login_failed(*, email: str, ip_address: str | None) -> bool:
    """Count a failure; True when it locked the door."""
    now = timezone.now()
    locked = False
    for key, limit in _counters(email, ip_address):
        locked |= _count(key, limit, now)
    LoginFailure.objects.filter(window_started_at__lt=now - KEPT_FOR).delete()
    return locked


def login_succeeded(*, email: str, ip_address: str | None) -> None:
    """Forget the failures of this login, not those of the address."""
    LoginFailure.objects.filter(key=_counters(email, ip_address)[0][0]).delete()


def _counters(email: str, ip_address: str | None) -> list[tuple[str, int]]:
    address = ip_address or "unknown"
    login = email.strip().lower()
    return [
        (_key("login", login, address), FAILURES_PER_LOGIN),
        (_key("address", address), FAILURES_PER_ADDRESS),
    ]


def _key(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@transaction.atomic
def _count(key: str, limit: int, now: datetime) -> bool:
    LoginFailure.objects.get_or_create(key=key, defaults={"window_started_at": now})
    row = LoginFailure.objects.select_for_update().get(key=key)
    if now - row.window_started_at > WINDOW:
        row.failures, row.window_started_at, row.locked_until = 0, now, None
    row.failures += 1
    if row.failures >= limit:
        row.locked_until = now + LOCK_TIME
    row.save()
    return row.failures >= limit

"""Leases: a job that one process at a time may do, by compare-and-set on one row.

Expiry is judged by the callers' clocks, which may differ a little. So a lease decides who works,
and the holder proves it again inside each transaction that must not happen twice: `lease_renew`
there locks the row, and a holder that was overtaken changes nothing.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Collection
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from customers.models import Lease


class LeaseLostError(Exception):
    """Another process holds the lease now."""


def lease_holder_name() -> str:
    """Unique per start of a process, readable for whoever looks at the row."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(6)}"


def lease_acquire(*, name: str, holder: str, lifetime: timedelta) -> bool:
    """Take the lease if it is free, expired or already ours. False when another one has it."""
    now = timezone.now()
    free = Q(holder="") | Q(holder=holder) | Q(expires_at__lte=now)

    def take() -> bool:
        changed = Lease.objects.filter(free, name=name).update(
            holder=holder, expires_at=now + lifetime
        )
        return changed == 1

    if take():
        return True
    if Lease.objects.filter(name=name).exists():
        return False
    # Two may both find no row: one insert is ignored, then one update wins.
    Lease.objects.bulk_create([Lease(name=name, holder="", expires_at=now)], ignore_conflicts=True)
    return take()


def lease_renew(*, name: str, holder: str, lifetime: timedelta) -> None:
    """Prolong our own lease. Raises LeaseLostError when another one took it."""
    changed = Lease.objects.filter(name=name, holder=holder).update(
        expires_at=timezone.now() + lifetime
    )
    if changed != 1:
        raise LeaseLostError(name)


def leases_renew(*, names: Collection[str], holder: str, lifetime: timedelta) -> set[str]:
    """Prolong those of these leases that are still ours, in one statement; returns their names."""
    if not names:
        return set()
    mine = Lease.objects.filter(name__in=list(names), holder=holder)
    if mine.update(expires_at=timezone.now() + lifetime) == len(names):
        return set(names)
    return set(mine.values_list("name", flat=True))


def leases_acquire(*, names: Collection[str], holder: str, lifetime: timedelta) -> set[str]:
    """Take those of these leases that are free or expired, or ours; returns what is ours now."""
    if not names:
        return set()
    now = timezone.now()
    wanted = Lease.objects.filter(name__in=list(names))
    missing = set(names) - set(wanted.values_list("name", flat=True))
    Lease.objects.bulk_create(
        [Lease(name=name, holder="", expires_at=now) for name in missing], ignore_conflicts=True
    )
    free = Q(holder="") | Q(holder=holder) | Q(expires_at__lte=now)
    wanted.filter(free).update(holder=holder, expires_at=now + lifetime)
    return set(wanted.filter(holder=holder).values_list("name", flat=True))


def leases_release(*, names: Collection[str], holder: str) -> None:
    """Give these back at once."""
    if names:
        Lease.objects.filter(name__in=list(names), holder=holder).update(
            holder="", expires_at=timezone.now()
        )


def lease_release(*, name: str, holder: str) -> None:
    """Give it back at once, so that the next one need not wait for the expiry."""
    Lease.objects.filter(name=name, holder=holder).update(holder="", expires_at=timezone.now())

"""The clock on a firm's wall."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from customers.models import Tenant


def zone_of(tenant: Tenant) -> ZoneInfo:
    """UTC when the stored name is none."""
    try:
        return ZoneInfo(tenant.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")

"""Venues' clocks against ours: what may leave by them, until when, and who is told."""

from __future__ import annotations

import logging
import math
import socket
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from customers.tenancy import system_scope, tenant_scope
from trading.domain.alerts import AlertCode
from trading.domain.reasons import Reason, ReasonCode
from trading.models import Alert
from trading.services.alerts import alert_raise, alert_resolve, tenants_on_venue
from venues.clock import VenueClock
from venues.domain.clock import ALERT_MS, BLOCK_MS
from venues.gateway import UnknownVenueError
from venues.runtime import clock_measured, clock_of

logger = logging.getLogger(__name__)

FORGOTTEN_AFTER = timedelta(minutes=10)
"""An alert of a host that looks no more, for it is gone."""
_CODES = (AlertCode.CLOCK_SKEWED, AlertCode.CLOCK_UNKNOWN)


def clock_denial(venue: str) -> Reason | None:
    """Why no entry may leave: the venue's clock is not known within BLOCK_MS.

    However far it is from ours: what is known is corrected.
    """
    clock = clock_measured(venue, worst_ms=BLOCK_MS)
    if clock.uncertainty_ms() < BLOCK_MS:
        return None
    return Reason(ReasonCode.CLOCK_UNKNOWN, {"venue": venue})


def deadline_ms(venue: str, deadline: datetime) -> int:
    """A moment of our clock in milliseconds of the venue's; of ours when that is not known."""
    return int(deadline.timestamp() * 1000 + (clock_of(venue).skew_ms() or 0))


def clocks_check() -> None:
    """Compare this host's clock with each venue's that somebody trades on; tell or take back."""
    for venue in settings.VENUES:
        tenants = tenants_on_venue(venue)
        if not tenants:
            continue
        try:
            clock = clock_measured(venue, worst_ms=ALERT_MS)
        except UnknownVenueError as error:
            logger.warning("no clock of %s: %s", venue, error)
            continue
        _tell(venue, clock, tenants)
    _forget_gone_hosts()


def _tell(venue: str, clock: VenueClock, tenants: list[str]) -> None:
    host = socket.gethostname()
    uncertainty, skew = clock.uncertainty_ms(), clock.skew_ms()
    wrong = None
    if uncertainty >= ALERT_MS or skew is None:
        wrong, off = AlertCode.CLOCK_UNKNOWN, uncertainty
    elif abs(skew) >= ALERT_MS:
        wrong, off = AlertCode.CLOCK_SKEWED, abs(skew)
    for tenant_id in tenants:
        with tenant_scope(tenant_id):
            for code in _CODES:
                if code is wrong:
                    milliseconds = "?" if math.isinf(off) else f"{off:.0f}"
                    alert_raise(
                        tenant_id=tenant_id,
                        code=code,
                        subject=f"{venue}@{host}",
                        params={"venue": venue, "host": host, "milliseconds": milliseconds},
                    )
                else:
                    alert_resolve(tenant_id=tenant_id, code=code, subject=f"{venue}@{host}")


def _forget_gone_hosts() -> None:
    with system_scope("alert: clocks of hosts that look no more"):
        old = list(
            Alert.objects.filter(
                code__in=_CODES,
                open_key__isnull=False,
                seen_at__lt=timezone.now() - FORGOTTEN_AFTER,
            ).values_list("tenant_id", "code", "subject")
        )
    for tenant_id, code, subject in old:
        with tenant_scope(tenant_id):
            alert_resolve(tenant_id=tenant_id, code=AlertCode(code), subject=subject)

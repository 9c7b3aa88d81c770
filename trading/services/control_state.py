"""The kill switches and circuit breakers, as each sending process sees them: a copy at most
250 ms old.

A copy that could not be refreshed for a second blocks entries (`is_stale`).
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime

from django.db import DatabaseError
from django.utils import timezone

from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk import ControlMode, Controls
from trading.models import Breaker, TradingControl

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 0.25
STALE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class OpenBreaker:
    """A breaker that stops entries until it tries again; half open when that time has come."""

    reason: Reason
    half_open_at: datetime | None

    def blocks(self, now: datetime) -> bool:
        return self.half_open_at is None or now < self.half_open_at


@dataclass
class _Copy:
    modes: dict[tuple[str, str], ControlMode]
    read_at: float
    breakers: dict[tuple[str, str], OpenBreaker] = field(default_factory=dict)


_copy: _Copy | None = None
_lock = threading.Lock()


def _read() -> tuple[dict[tuple[str, str], ControlMode], dict[tuple[str, str], OpenBreaker]]:
    rows = TradingControl.objects.values_list("level", "subject_id", "mode")
    modes = {(level, subject): ControlMode(mode) for level, subject, mode in rows}
    breakers = {
        (row.level, row.subject_id): OpenBreaker(breaker_reason(row), row.half_open_at)
        for row in Breaker.objects.filter(is_open=True)
    }
    return modes, breakers


def breaker_reason(breaker: Breaker) -> Reason:
    """Why an entry that it stops is not placed."""
    if breaker.cause == Breaker.Cause.FANOUT:
        return Reason(ReasonCode.FANOUT_EXCEEDED, breaker.params)
    if breaker.level == Breaker.Level.VENUE:
        return Reason(ReasonCode.VENUE_STOPPED, {"venue": breaker.subject_id, **breaker.params})
    return Reason(ReasonCode.STRATEGY_STOPPED, breaker.params)


def _fresh() -> _Copy:
    global _copy
    now = time.monotonic()
    with _lock:
        if _copy is None or now - _copy.read_at > REFRESH_SECONDS:
            try:
                modes, breakers = _read()
                _copy = _Copy(modes, time.monotonic(), breakers)
            except DatabaseError as error:
                logger.error("the kill switches could not be read: %s", error)
                if _copy is None:
                    _copy = _Copy({}, now - STALE_SECONDS - 1)
        return _copy


def forget_controls() -> None:
    """Read again at the next question; for tests and for the process that just changed one."""
    global _copy
    with _lock:
        _copy = None


def controls_for(*, tenant_id: str, strategy_id: str, customer_id: str, venue: str) -> Controls:
    """The switches and breakers of every level that bears on one follower."""
    copy = _fresh()
    modes = copy.modes
    active = ControlMode.ACTIVE
    return Controls(
        platform=modes.get(("platform", ""), active),
        tenant=modes.get(("tenant", tenant_id), active),
        strategy=modes.get(("strategy", strategy_id), active),
        customer=modes.get(("customer", customer_id), active),
        is_stale=time.monotonic() - copy.read_at > STALE_SECONDS,
        breaker=_blocking(copy, venue, strategy_id) if copy.breakers else None,
    )


def _blocking(copy: _Copy, venue: str, strategy_id: str) -> Reason | None:
    now = timezone.now()
    for key in ((Breaker.Level.VENUE, venue), (Breaker.Level.STRATEGY, strategy_id)):
        found = copy.breakers.get(key)
        if found is not None and found.blocks(now):
            return found.reason
    return None


def is_watched(*, venue: str, strategy_id: str) -> bool:
    """Whether a breaker of these has tripped and waits for answers that let it close."""
    breakers = _fresh().breakers
    return (Breaker.Level.VENUE, venue) in breakers or (
        (Breaker.Level.STRATEGY, strategy_id) in breakers
    )

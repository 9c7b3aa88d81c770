"""The kill switches, as each sending process sees them: a copy at most 250 ms old.

A copy that could not be refreshed for a second blocks entries (`is_stale`).
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass

from django.db import DatabaseError

from trading.domain.risk import ControlMode, Controls
from trading.models import TradingControl

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 0.25
STALE_SECONDS = 1.0


@dataclass
class _Copy:
    modes: dict[tuple[str, str], ControlMode]
    read_at: float


_copy: _Copy | None = None
_lock = threading.Lock()


def _read() -> dict[tuple[str, str], ControlMode]:
    rows = TradingControl.objects.values_list("level", "subject_id", "mode")
    return {(level, subject): ControlMode(mode) for level, subject, mode in rows}


def _fresh() -> _Copy:
    global _copy
    now = time.monotonic()
    with _lock:
        if _copy is None or now - _copy.read_at > REFRESH_SECONDS:
            try:
                _copy = _Copy(_read(), time.monotonic())
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


def controls_for(*, tenant_id: str, strategy_id: str, customer_id: str) -> Controls:
    """The switches of every level that bears on one follower."""
    copy = _fresh()
    modes = copy.modes
    active = ControlMode.ACTIVE
    return Controls(
        platform=modes.get(("platform", ""), active),
        tenant=modes.get(("tenant", tenant_id), active),
        strategy=modes.get(("strategy", strategy_id), active),
        customer=modes.get(("customer", customer_id), active),
        is_stale=time.monotonic() - copy.read_at > STALE_SECONDS,
    )

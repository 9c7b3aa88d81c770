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

from django.db import DatabaseError, InterfaceError, close_old_connections, connection
from django.utils import timezone

from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk import ControlMode, Controls, control_denial
from trading.models import Breaker, TradingControl
from trading.services.outgoing import OutgoingOrder

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 0.25
STALE_SECONDS = 1.0
WATCH_SECONDS = 30.0
"""The watch goes on so long after it was last asked for: longer than a sender may wait for the
database between asking and the request."""


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
_is_away = False
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
    """The copy, read again here when the watch has not."""
    with _lock:
        copy = _copy
        if copy is None or time.monotonic() - copy.read_at > REFRESH_SECONDS:
            copy = _refresh()
        return copy


def _refresh() -> _Copy:
    """The copy read now, or the older one when the database is away. The caller holds the lock."""
    global _copy, _is_away
    # What the database says is as old as the question: an answer may be long under way.
    asked_at = time.monotonic()
    try:
        modes, breakers = _read()
        _copy = _Copy(modes, asked_at, breakers)
    except (DatabaseError, InterfaceError) as error:
        if not _is_away:  # said once: it is asked several times a second
            logger.error("the kill switches cannot be read, entries will stop: %s", error)
        _is_away = True
        if _copy is None:
            _copy = _Copy({}, asked_at - STALE_SECONDS - 1)
    else:
        if _is_away:
            logger.error("the kill switches can be read again")
        _is_away = False
    return _copy


def forget_controls() -> None:
    """Read again at the next question; for tests and for the process that just changed one."""
    global _copy
    with _lock:
        _copy = None


# --- while orders wait to leave -----------------------------------------------------------------


class _Watch:
    """Keeps the copy fresh from a thread of its own, for as long as somebody asks for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._until = 0.0
        self._ended = threading.Event()

    def keep(self) -> None:
        with self._lock:
            self._until = time.monotonic() + WATCH_SECONDS
            self._ended.clear()
            # A forked child inherits the thread as a name only.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="controls", daemon=True)
                self._thread.start()

    def end(self) -> None:
        with self._lock:
            self._until = 0.0
            self._ended.set()
            thread = self._thread
        if thread is not None and thread.is_alive():
            thread.join()

    def _run(self) -> None:
        while True:
            with self._lock:
                if time.monotonic() > self._until:
                    self._thread = None
                    break
            close_old_connections()
            with _lock:
                _refresh()
            self._ended.wait(REFRESH_SECONDS / 2)
        connection.close()


_watch = _Watch()


def controls_watch() -> None:
    """Orders are on their way out: keep the copy fresh, also while the caller is busy."""
    _watch.keep()


def controls_unwatch() -> None:
    """No order is on its way any more: the watch ends now, its database connection closed."""
    _watch.end()


def leaving_denial(order: OutgoingOrder) -> Reason | None:
    """What the copy at hand says against this order. Reads nothing and never waits: it is asked by
    the event loop that sends, in the moment in which the order leaves."""
    controls = controls_at_hand(
        tenant_id=order.tenant_id,
        strategy_id=order.strategy_id,
        customer_id=order.customer_id,
        venue=order.venue,
    )
    return control_denial(controls, is_entry=order.is_entry)


def controls_at_hand(*, tenant_id: str, strategy_id: str, customer_id: str, venue: str) -> Controls:
    """`controls_for` from the copy at hand: reads nothing and never waits."""
    copy = _copy or _Copy({}, time.monotonic() - STALE_SECONDS - 1)
    return _controls(copy, tenant_id, strategy_id, customer_id, venue)


# --- what it says -------------------------------------------------------------------------------


def controls_for(*, tenant_id: str, strategy_id: str, customer_id: str, venue: str) -> Controls:
    """The switches and breakers of every level that bears on one follower."""
    return _controls(_fresh(), tenant_id, strategy_id, customer_id, venue)


def _controls(
    copy: _Copy, tenant_id: str, strategy_id: str, customer_id: str, venue: str
) -> Controls:
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

"""Fills on their way from the stream to the books: gathered for a window, then taken in.

One thread a process. What it holds is lost with the process, and found again by the reconciliation
that follows. While a leader's missed trades are being fetched its fills are held back: an exit must
not be counted before the entry that it closes. For the same reason what could not be taken in is
tried again together with what came after it in its symbol, never behind it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from django.db import InterfaceError, OperationalError, close_old_connections

from customers.tenancy import tenant_scope
from signals_app.domain.leaders.coalescing import Coalescer
from signals_app.services.leaders.taking import Terms, leader_fills_take
from venues.domain.types import FillSnapshot

logger = logging.getLogger(__name__)

LONGEST_HOLD_SECONDS = 12.0
"""A venue whose REST is down while it streams: its exits go on without what was missed. Long enough
for a second reading when the first one failed."""
RETRY_SECONDS = 0.5
MOST_ATTEMPTS = 20
"""That fail for another reason than the database's; then they are left to a reconciliation."""


@dataclass(frozen=True, slots=True)
class LeaderSymbol:
    tenant_id: str
    leader_id: str
    symbol: str


@dataclass(slots=True)
class _Batch:
    key: LeaderSymbol
    fills: list[FillSnapshot]
    attempts: int = 0
    due_at: float = -inf


@dataclass
class LeaderFills:
    """`give_up` is called with (tenant id, leader id) when only a reconciliation can help."""

    give_up: Callable[[str, str], None]
    clock: Callable[[], float] = time.monotonic
    _gathering: Coalescer[LeaderSymbol] = field(default_factory=Coalescer)
    _terms: dict[LeaderSymbol, Terms] = field(default_factory=dict)
    _held: dict[str, float] = field(default_factory=dict)
    _unread: set[str] = field(default_factory=set)
    """Leaders of whom something may have been missed that was not fetched yet."""
    _waiting: dict[LeaderSymbol, _Batch] = field(default_factory=dict)
    """Due, but held back or to be tried again."""
    _busy: bool = False
    _thread: threading.Thread | None = None
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def add(
        self,
        key: LeaderSymbol,
        fill: FillSnapshot,
        *,
        terms: Terms,
        window_seconds: float,
        completes_order: bool,
    ) -> None:
        with self._changed:
            self._terms[key] = terms
            self._gathering.add(
                key,
                fill,
                window_seconds=window_seconds,
                completes_order=completes_order,
                now=self.clock(),
            )
            self._ensure_thread()
            self._changed.notify()

    def hold(self, leader_id: str, *, is_unread: bool = False) -> None:
        """Take nothing of this leader in until `release`, or for LONGEST_HOLD_SECONDS. `is_unread`:
        and after these, until `release`, only exits."""
        with self._changed:
            self._held[leader_id] = self.clock() + LONGEST_HOLD_SECONDS
            if is_unread:
                self._unread.add(leader_id)

    def release(self, leader_id: str) -> None:
        with self._changed:
            self._held.pop(leader_id, None)
            self._unread.discard(leader_id)
            self._changed.notify()

    def is_unread(self, leader_id: str) -> bool:
        return leader_id in self._unread

    def flush(self, seconds: float) -> bool:
        """Wait until nothing is gathered or being taken in; False when it took longer."""
        until = self.clock() + seconds
        with self._changed:
            while self._busy or self._waiting or self._gathering.next_due() < inf:
                if not self._changed.wait(max(until - self.clock(), 0)):
                    return False
        return True

    def _ensure_thread(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="leader-fills", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                while not (batches := self._take_due()):
                    pause = self._next_due() - self.clock()
                    self._changed.wait(None if pause == inf else max(pause, 0))
                self._busy = True
            for batch in batches:
                self._take_in(batch)

    def _take_due(self) -> list[_Batch]:
        now = self.clock()
        for key, fills in self._gathering.take_due(now):
            self._waiting.setdefault(key, _Batch(key, [])).fills += fills
        due = [batch for batch in self._waiting.values() if self._due_at(batch) <= now]
        for batch in due:
            del self._waiting[batch.key]
        return due

    def _next_due(self) -> float:
        return min((*map(self._due_at, self._waiting.values()), self._gathering.next_due()))

    def _due_at(self, batch: _Batch) -> float:
        return max(batch.due_at, self._held.get(batch.key.leader_id, -inf))

    def _take_in(self, batch: _Batch) -> None:
        key = batch.key
        close_old_connections()
        try:
            with tenant_scope(key.tenant_id):
                leader_fills_take(
                    tenant_id=key.tenant_id,
                    leader_id=key.leader_id,
                    fills=batch.fills,
                    terms={key.symbol: self._terms[key]},
                    is_unread=self.is_unread(key.leader_id),
                )
        except (OperationalError, InterfaceError) as error:
            logger.warning("fills of leader %s wait for the database: %s", key.leader_id, error)
            self._try_again(batch)
        except Exception:
            logger.exception("fills of leader %s were not taken in", key.leader_id)
            batch.attempts += 1
            if batch.attempts < MOST_ATTEMPTS:
                self._try_again(batch)
                return
            # What comes next may build on these.
            self.hold(key.leader_id)
            self.give_up(key.tenant_id, key.leader_id)

    def _try_again(self, batch: _Batch) -> None:
        batch.due_at = self.clock() + RETRY_SECONDS
        with self._changed:
            self._waiting[batch.key] = batch

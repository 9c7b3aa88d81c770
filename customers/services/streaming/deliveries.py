"""From the loop that hears to the thread that writes: what came is gathered, handed on in order,
and kept until it was taken.

A kind has one pump, so that a slow kind holds up no other. While one call writes, what comes
gathers for the next: under load batches grow by themselves.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from django.db import InterfaceError, OperationalError, close_old_connections

from customers.tenancy import tenant_scope
from venues.streams.events import Change, StreamEvent
from venues.streams.registry import Delivery, Subject, SubjectKind

logger = logging.getLogger(__name__)

MOST_KEPT = 2000
"""Events of one subject while nothing can be written; with more, all are dropped and it counts as
a gap."""
FIRST_RETRY_SECONDS = 0.1
LONGEST_RETRY_SECONDS = 2.0
TRIES_TOGETHER = 3
"""After so many failures that are not the database's, each subject is tried by itself."""

Gap = Callable[[str], None]
"""Called with a subject's id from the pump's thread: what came of it was given up."""


class _Waiting:
    __slots__ = ("events", "subject")

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.events: list[StreamEvent] = []

    def add(self, subject: Subject, events: Sequence[StreamEvent]) -> bool:
        """False when it is too much: what the account did is dropped, and is to be asked for."""
        self.subject = subject
        self.events += events
        if len(self.events) <= MOST_KEPT:
            return True
        self.events = [event for event in self.events[-10:] if not isinstance(event, Change)]
        return False


class DeliveryPump:
    def __init__(self, kind: SubjectKind, gap: Gap) -> None:
        self._kind = kind
        self._gap = gap
        self._lock = threading.Lock()
        self._waiting: dict[str, _Waiting] = {}
        self._something = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"deliver-{kind.name}", daemon=True)
        self._thread.start()

    def put(self, subject: Subject, events: Sequence[StreamEvent]) -> None:
        """From the loop; never blocks for long."""
        with self._lock:
            waiting = self._waiting.get(subject.id)
            if waiting is None:
                waiting = self._waiting[subject.id] = _Waiting(subject)
            all_kept = waiting.add(subject, events)
        if not all_kept:
            self._gap(subject.id)
        self._something.set()

    def stop(self, seconds: float) -> None:
        """Deliver what is there, if that works in time."""
        self._stopping = True
        self._something.set()
        self._thread.join(seconds)

    # --- the thread -------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            self._something.wait()
            if not self._stopping:
                time.sleep(self._kind.gather_seconds)
            self._something.clear()
            with self._lock:
                batch, self._waiting = self._waiting, {}
            if not batch:
                if self._stopping:
                    return
                continue
            by_tenant: dict[str, list[_Waiting]] = {}
            for waiting in batch.values():
                by_tenant.setdefault(waiting.subject.tenant_id, []).append(waiting)
            for tenant_id, waitings in by_tenant.items():
                self._deliver(tenant_id, waitings)

    def _deliver(self, tenant_id: str, waitings: list[_Waiting]) -> None:
        """Until it worked, or what fails was given up."""
        pause, failures = FIRST_RETRY_SECONDS, 0
        while True:
            try:
                self._call(tenant_id, waitings)
                return
            except (OperationalError, InterfaceError) as error:
                logger.warning("streams: the database failed, trying again: %s", error)
            except Exception:
                failures += 1
                logger.exception("streams: delivering to %s failed", self._kind.name)
                if failures >= TRIES_TOGETHER:
                    self._one_by_one(tenant_id, waitings)
                    return
            if self._stopping:
                return
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_RETRY_SECONDS)
            self._add_newer(tenant_id, waitings)

    def _call(self, tenant_id: str, waitings: Sequence[_Waiting]) -> None:
        close_old_connections()
        with tenant_scope(tenant_id):
            self._kind.deliver(
                tenant_id, [Delivery(each.subject, tuple(each.events)) for each in waitings]
            )

    def _add_newer(self, tenant_id: str, waitings: list[_Waiting]) -> None:
        """What came meanwhile belongs behind what still waits."""
        with self._lock:
            newer = [(each, self._waiting.pop(each.subject.id, None)) for each in waitings]
        for waiting, more in newer:
            if more is not None and not waiting.add(more.subject, more.events):
                self._gap(waiting.subject.id)

    def _one_by_one(self, tenant_id: str, waitings: Sequence[_Waiting]) -> None:
        for waiting in waitings:
            try:
                self._call(tenant_id, [waiting])
            except Exception:
                logger.exception("streams: given up for %s", waiting.subject.id)
                self._gap(waiting.subject.id)

"""Answers that let wait for themselves, taken in by one thread of the process.

A worker that waited for one silent account would keep everybody else's next signal waiting.
Senders whose last answers are late are handed over here; the worker takes the next signal. What a
killed process had here is found SENDING by the sweeper and looked up, like all that is sent.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Protocol

from django.db import DatabaseError, close_old_connections, connection

from customers.tenancy import tenant_scope

logger = logging.getLogger(__name__)

ROUND_SECONDS = 0.05


class LateSender(Protocol):
    tenant_id: str

    def take_late(self) -> bool:
        """Deal with what came in since; whether nothing is outstanding any more."""


class _Stragglers:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._senders: list[LateSender] = []
        self._thread: threading.Thread | None = None

    def take(self, sender: LateSender) -> None:
        with self._lock:
            self._senders.append(sender)
            # A forked child inherits the list's thread as a name only.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="stragglers", daemon=True)
                self._thread.start()

    def wait(self, timeout_seconds: float) -> bool:
        """Until no answer is outstanding; whether it came to that. For a worker that stops."""
        until = time.monotonic() + timeout_seconds
        while True:
            with self._lock:
                if not self._senders:
                    return True
            if time.monotonic() > until:
                return False
            time.sleep(ROUND_SECONDS)

    def _run(self) -> None:
        while True:
            with self._lock:
                senders = list(self._senders)
                if not senders:
                    self._thread = None
                    break
            close_old_connections()
            done = [sender for sender in senders if self._take_late(sender)]
            with self._lock:
                self._senders = [sender for sender in self._senders if sender not in done]
            time.sleep(ROUND_SECONDS)
        connection.close()

    @staticmethod
    def _take_late(sender: LateSender) -> bool:
        try:
            with tenant_scope(sender.tenant_id):
                return sender.take_late()
        except DatabaseError as error:
            # Their rows say SENDING: the sweeper finds them, and they are looked up.
            logger.error("late answers could not be written: %s", error)
            connection.close()
        except Exception:
            logger.exception("late answers could not be dealt with")
        return False


stragglers = _Stragglers()

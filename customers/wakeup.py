"""Waking up the process that does the next step: a fast hint, never needed for correctness.

Messages go out from a background thread, because publishing to a dead Redis blocks for most of a
second (measured); a request or a sender must not wait for that. What cannot be sent is dropped:
the sweepers find every row that is due.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from typing import Any

from celery import current_app
from django.db import transaction

logger = logging.getLogger(__name__)

_QUEUE_LIMIT = 10_000
_queue: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue(maxsize=_QUEUE_LIMIT)
_thread: threading.Thread | None = None
_thread_pid = 0
_lock = threading.Lock()


def wake(task_name: str, **kwargs: Any) -> None:
    """Ask for a Celery task by name; returns at once and never raises for a dead broker."""
    _ensure_thread()
    try:
        _queue.put_nowait((task_name, kwargs))
    except queue.Full:
        logger.warning("wake-up queue is full; %s is left to its sweeper", task_name)


def wake_on_commit(task_name: str, **kwargs: Any) -> None:
    transaction.on_commit(lambda: wake(task_name, **kwargs))


def _ensure_thread() -> None:
    """Start the sender thread once per process; a forked child needs its own."""
    global _thread, _thread_pid, _queue
    if _thread is not None and _thread_pid == os.getpid() and _thread.is_alive():
        return
    with _lock:
        if _thread is not None and _thread_pid == os.getpid() and _thread.is_alive():
            return
        if _thread_pid not in (0, os.getpid()):
            _queue = queue.Queue(maxsize=_QUEUE_LIMIT)
        _thread = threading.Thread(target=_run, name="wake-up", daemon=True)
        _thread_pid = os.getpid()
        _thread.start()


def _run() -> None:
    while True:
        task_name, kwargs = _queue.get()
        try:
            current_app.send_task(task_name, kwargs=kwargs, retry=False, ignore_result=True)
        except Exception as error:  # whatever the broker client raises: the sweeper will do
            logger.warning("could not wake %s: %s", task_name, error)
        finally:
            _queue.task_done()

"""Waking up the process that does the next step: a fast hint, never needed for correctness.

Messages go out from a background thread, because publishing to a dead Redis blocks for most of a
second (measured); a request or a sender must not wait for that. What cannot be sent is dropped:
the sweepers find every row that is due.
"""

from __future__ import annotations

import atexit
import logging
import os
import queue
import threading
import time
from typing import Any

from celery import current_app
from django.db import transaction

logger = logging.getLogger(__name__)

_QUEUE_LIMIT = 10_000
FLUSH_SECONDS = 1.0
_Wake = tuple[str, dict[str, Any], float | None]
_queue: queue.Queue[_Wake] = queue.Queue(maxsize=_QUEUE_LIMIT)
_thread: threading.Thread | None = None
_thread_pid = 0
_lock = threading.Lock()


def wake(task_name: str, **kwargs: Any) -> None:
    """Ask for a Celery task by name; returns at once and never raises for a dead broker."""
    _put((task_name, kwargs, None))


def wake_swept(task_name: str, *, lifetime_seconds: float, **kwargs: Any) -> None:
    """`wake` by a sweeper, which asks again after the lifetime: until then the message waits,
    afterwards it is dropped unread. Otherwise workers that are behind would find the same row's
    messages piled up, each sweep would add to them, and they would never catch up."""
    _put((task_name, kwargs, lifetime_seconds))


def wake_on_commit(task_name: str, **kwargs: Any) -> None:
    transaction.on_commit(lambda: wake(task_name, **kwargs))


def wake_swept_on_commit(task_name: str, *, lifetime_seconds: float, **kwargs: Any) -> None:
    """For what a sweeper finds, too, and is not worth doing when it is late."""
    transaction.on_commit(
        lambda: wake_swept(task_name, lifetime_seconds=lifetime_seconds, **kwargs)
    )


def _put(item: _Wake) -> None:
    _ensure_thread()
    try:
        _queue.put_nowait(item)
    except queue.Full:
        logger.warning("wake-up queue is full; %s is left to its sweeper", item[0])


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
        task_name, kwargs, expires = _queue.get()
        try:
            current_app.send_task(
                task_name, kwargs=kwargs, expires=expires, retry=False, ignore_result=True
            )
        except Exception as error:  # whatever the broker client raises: the sweeper will do
            logger.warning("could not wake %s: %s", task_name, error)
        finally:
            _queue.task_done()


def flush(seconds: float = FLUSH_SECONDS) -> bool:
    """Let what was asked for go out before this process ends; False when time was too short."""
    if _thread is None or _thread_pid != os.getpid():
        return True
    deadline = time.monotonic() + seconds
    while _queue.unfinished_tasks and time.monotonic() < deadline:
        time.sleep(0.005)
    return not _queue.unfinished_tasks


atexit.register(flush)

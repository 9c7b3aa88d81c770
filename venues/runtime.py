"""One event loop per process for all venue traffic, in a thread that stays warm.

Celery tasks and management commands are synchronous; they hand coroutines to this loop, which
keeps the pooled connections. A forked child gets its own.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

import uvloop

from venues.gateway import Gateway, make_gateway

T = TypeVar("T")


class _Runtime:
    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = uvloop.new_event_loop()
        self.gateways: dict[str, Gateway] = {}
        self.thread = threading.Thread(target=self._run, name="venues", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()


_runtime: _Runtime | None = None
_lock = threading.Lock()


def _current() -> _Runtime:
    global _runtime
    with _lock:
        if _runtime is None or _runtime.pid != os.getpid():
            _runtime = _Runtime()
        return _runtime


def submit(coroutine: Coroutine[Any, Any, T]) -> Future[T]:
    """Start a coroutine on the venue loop; the future belongs to the caller's thread."""
    return asyncio.run_coroutine_threadsafe(coroutine, _current().loop)


def run(coroutine: Coroutine[Any, Any, T], *, timeout_seconds: float | None = None) -> T:
    """Run a coroutine on the venue loop and wait for it."""
    future = submit(coroutine)
    try:
        return future.result(timeout_seconds)
    except TimeoutError:
        future.cancel()
        raise


def gateway_for(venue: str) -> Gateway:
    """This process's gateway of a venue. Raises UnknownVenueError."""
    runtime = _current()
    gateway = runtime.gateways.get(venue)
    if gateway is None:
        with _lock:
            gateway = runtime.gateways.setdefault(venue, make_gateway(venue))
    return gateway


def close_gateways() -> None:
    """Close all connections of this process; the next use opens new ones."""
    runtime = _runtime
    if runtime is None or runtime.pid != os.getpid():
        return
    gateways, runtime.gateways = runtime.gateways, {}
    for gateway in gateways.values():
        asyncio.run_coroutine_threadsafe(gateway.aclose(), runtime.loop).result(5)

"""One event loop per process for all venue traffic, in a thread that stays warm.

Celery tasks and management commands are synchronous; they hand coroutines to this loop, which
keeps the pooled connections. A forked child gets its own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import threading
import time
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

import uvloop

from venues.clock import VenueClock
from venues.domain.types import VenueError
from venues.gateway import Gateway, make_gateway

T = TypeVar("T")

logger = logging.getLogger(__name__)

BATCH_SIZE = 250
BATCH_SECONDS = 0.02
CLOCK_TIMEOUT_SECONDS = 4.0
CLOCK_RETRY_SECONDS = 5.0


class _Runtime:
    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = uvloop.new_event_loop()
        self.gateways: dict[str, Gateway] = {}
        self.clock_keepers: list[Future[None]] = []
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


def run_batches(
    coroutines: Sequence[Coroutine[Any, Any, T]], *, timeout_seconds: float
) -> Iterator[list[T]]:
    """Run all at once; yield what is there in batches, so that the slow hold up nobody.

    One that raises is logged and left out, and so is what is not there after the time-out.
    """
    results: queue.SimpleQueue[list[T]] = queue.SimpleQueue()
    until = time.monotonic() + timeout_seconds

    async def put(coroutine: Coroutine[Any, Any, T]) -> None:
        try:
            async with asyncio.timeout(timeout_seconds):
                results.put([await coroutine])
        except Exception:
            logger.exception("a request to a venue failed")
            results.put([])

    async def start() -> None:
        await asyncio.gather(*map(put, coroutines))

    future = submit(start())
    left = len(coroutines)
    try:
        while left:
            # Each puts something in time; the margin is for a loop that is held up.
            batch = results.get(timeout=max(until - time.monotonic(), 0) + 5)
            left -= 1
            pause = time.monotonic() + BATCH_SECONDS
            while left and len(batch) < BATCH_SIZE:
                try:
                    batch += results.get(timeout=max(pause - time.monotonic(), 0))
                except queue.Empty:
                    break
                left -= 1
            if batch:
                yield batch
    finally:
        future.cancel()


def gateway_for(venue: str) -> Gateway:
    """This process's gateway of a venue. Raises UnknownVenueError."""
    runtime = _current()
    gateway = runtime.gateways.get(venue)
    if gateway is None:
        with _lock:
            gateway = runtime.gateways.get(venue)
            if gateway is None:
                gateway = runtime.gateways[venue] = make_gateway(venue)
                keeping = asyncio.run_coroutine_threadsafe(gateway.keep_clock(), runtime.loop)
                runtime.clock_keepers.append(keeping)
    return gateway


def clock_of(venue: str) -> VenueClock:
    """The venue's clock as this process knows it. Raises UnknownVenueError."""
    return gateway_for(venue).clock


def clock_measured(venue: str, *, worst_ms: float) -> VenueClock:
    """The venue's clock, asked for now when it is not known that well. Not on the venue loop.

    A venue that does not tell, or not in time, is not asked again for CLOCK_RETRY_SECONDS.
    """
    gateway = gateway_for(venue)
    clock = gateway.clock
    if clock.uncertainty_ms() < worst_ms or clock.seconds_since_failure < CLOCK_RETRY_SECONDS:
        return clock
    try:
        run(gateway.measure_clock(), timeout_seconds=CLOCK_TIMEOUT_SECONDS)
    except (VenueError, TimeoutError) as error:
        logger.warning("the clock of %s could not be read: %s", venue, error)
    if clock.uncertainty_ms() >= worst_ms:
        clock.note_failure()
    return clock


def close_gateways() -> None:
    """Close all connections of this process; the next use opens new ones."""
    runtime = _runtime
    if runtime is None or runtime.pid != os.getpid():
        return
    gateways, runtime.gateways = runtime.gateways, {}
    keepers, runtime.clock_keepers = runtime.clock_keepers, []
    for keeper in keepers:
        keeper.cancel()
    for gateway in gateways.values():
        asyncio.run_coroutine_threadsafe(gateway.aclose(), runtime.loop).result(5)

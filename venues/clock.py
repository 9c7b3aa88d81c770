"""A venue's time as this process knows it, kept by asking from time to time.

Signatures and deadlines are made by it. It belongs to a gateway and is read from any thread.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple

from venues.domain.clock import ALERT_MS, ClockReading, better_reading, reading_of
from venues.domain.types import VenueError, VenueErrorKind

logger = logging.getLogger(__name__)

KEEP_SECONDS = 20.0
RETRY_SECONDS = 2.0
RECHECK_SECONDS = 0.05
PAUSE_SECONDS = 0.3
RATE_PAUSE_SECONDS = 1.0
GOOD_MS = 60.0
"""A reading this good needs no second question: alerts begin at four times that."""
ATTEMPTS = 3
MOST_ATTEMPTS = 5
"""When it is bad even then, for instance because this machine is busy."""


class ServerTime(NamedTuple):
    """The venue's time, and when the question left by our monotonic clock."""

    venue_ms: int
    sent: float


AskTime = Callable[[], Awaitable[ServerTime]]
"""Asks the venue for its time. Raises VenueError."""


class VenueClock:
    def __init__(self, venue: str) -> None:
        self.venue = venue
        self._failed_at = -math.inf
        self._reading: ClockReading | None = None
        self._recheck = asyncio.Event()
        self._measuring: asyncio.Task[None] | None = None

    def now_ms(self) -> int:
        """The venue's time; ours as long as the venue's is not known."""
        reading = self._reading
        if reading is None:
            return int(time.time() * 1000)
        return int(reading.venue_ms_at(time.monotonic()))

    def skew_ms(self) -> float | None:
        """The venue's clock minus ours, now; None when it is not known."""
        reading = self._reading
        if reading is None:
            return None
        monotonic, wall = _both_clocks()
        return reading.venue_ms_at(monotonic) - wall * 1000

    def uncertainty_ms(self) -> float:
        """The most by which `now_ms` may be wrong; infinite when it is not known."""
        reading = self._reading
        if reading is None:
            return math.inf
        return reading.uncertainty_ms(*_both_clocks())

    def recheck(self) -> None:
        """The venue refused a time that this clock made: measure now. On the venue loop only."""
        self._recheck.set()

    def note_failure(self) -> None:
        self._failed_at = time.monotonic()

    @property
    def seconds_since_failure(self) -> float:
        return time.monotonic() - self._failed_at

    async def measure(self, ask: AskTime) -> None:
        """Ask until a reading is good, or often enough. Raises VenueError when none came.

        Who comes while it is being measured waits for that: the public limit is per address.
        """
        if self._measuring is None or self._measuring.done():
            self._measuring = asyncio.create_task(self._measure(ask))
            # Who asked may be gone when it fails.
            self._measuring.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.shield(self._measuring)

    async def _measure(self, ask: AskTime) -> None:
        failure: VenueError | None = None
        took = False
        for attempt in range(MOST_ATTEMPTS):
            if attempt >= ATTEMPTS and self.uncertainty_ms() < ALERT_MS:
                break
            try:
                venue_ms, sent = await ask()
            except VenueError as error:
                failure = error
                many = error.kind is VenueErrorKind.RATE_LIMIT
                await asyncio.sleep(RATE_PAUSE_SECONDS if many else PAUSE_SECONDS)
                continue
            took = self._take(venue_ms, sent) or took
            if self.uncertainty_ms() <= GOOD_MS:
                break
        if not took:
            self.note_failure()
            raise failure or VenueError(VenueErrorKind.UNAVAILABLE, message="no plausible time")

    def _take(self, venue_ms: int, sent: float) -> bool:
        received, wall = _both_clocks()
        new = reading_of(venue_ms=venue_ms, sent=sent, received=received, wall_received=wall)
        if new is None:
            logger.error("%s told a time that cannot be: %s", self.venue, venue_ms)
            return False
        before, self._reading = (
            self._reading,
            better_reading(self._reading, new, monotonic=received, wall=wall),
        )
        if before is not None and self._reading is new:
            moved = new.venue_ms - before.venue_ms_at(new.monotonic)
            if abs(moved) > before.error_ms + new.error_ms + GOOD_MS:
                logger.warning("the clock of %s moved by %.0f ms", self.venue, moved)
        return True

    async def keep(self, ask: AskTime) -> None:
        """Measure for ever: seldom while the reading is good, soon again while it is not."""
        while True:
            try:
                await self.measure(ask)
            except VenueError as error:
                logger.warning("the clock of %s could not be read: %s", self.venue, error)
            except Exception:  # whatever it was, the next measurement must come
                logger.exception("measuring the clock of %s failed", self.venue)
            pause = KEEP_SECONDS if self.uncertainty_ms() < ALERT_MS else RETRY_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._recheck.wait()
                    await asyncio.sleep(RECHECK_SECONDS)  # one for all who were refused
            self._recheck.clear()


def _both_clocks() -> tuple[float, float]:
    """Our monotonic and wall clock of one moment, although a busy machine may pause between."""
    before = wall = 0.0
    for _ in range(5):
        before, wall = time.monotonic(), time.time()
        if time.monotonic() - before < 0.001:
            break
    return before, wall

"""Waiting for one's turn at a venue: in order, exits before entries, never past a time.

All on one event loop. Windows share nothing, so an account that is held up holds up no other.
Those that remember nothing are dropped as new ones are made: memory follows the traffic of the
last seconds, not the number of accounts.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable
from math import isinf

from venues.domain.rate_windows import Budget, RateWindow

SHORTEST_TIMER_SECONDS = 0.001


class _Waiting:
    """Who waits for a window, by class and in order. A turn's result says whether it came."""

    __slots__ = ("entries", "exits", "timer")

    def __init__(self) -> None:
        self.exits: deque[tuple[asyncio.Future[bool], int]] = deque()
        self.entries: deque[tuple[asyncio.Future[bool], int]] = deque()
        self.timer: asyncio.TimerHandle | None = None


class RateLimiter:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._windows: dict[Hashable, RateWindow] = {}
        self._keys: deque[Hashable] = deque()  # of all windows, in the order of looking at them
        self._waiting: dict[RateWindow, _Waiting] = {}

    def __len__(self) -> int:
        return len(self._windows)

    def window(self, key: Hashable, budget: Budget, now: float) -> RateWindow:
        """Take from it before anything else runs on the loop, or it may be forgotten."""
        window = self._windows.get(key)
        if window is None:
            if self._keys:
                self._look_at_one(now)
            self._keys.append(key)
            window = self._windows[key] = RateWindow(budget)
        return window

    def _look_at_one(self, now: float) -> None:
        """One for each new one is enough to keep about as many as are in use."""
        window = self._windows[self._keys[0]]
        if window.is_idle(now) and window not in self._waiting:
            del self._windows[self._keys.popleft()]
        else:
            self._keys.rotate(-1)

    # --- taking -----------------------------------------------------------------------------

    def take_now(self, window: RateWindow, now: float, is_exit: bool, uses: int = 1) -> bool:
        """At once or not at all; not past those who wait."""
        if self._waiting:
            waiting = self._waiting.get(window)
            if waiting is not None and (waiting.exits or not is_exit):
                return False
        return window.take(now, is_exit, uses)

    async def take(self, window: RateWindow, *, is_exit: bool, until: float, uses: int = 1) -> bool:
        """Wait for a turn; False when there is none before `until` on the limiter's clock."""
        now = self.clock()
        if self.take_now(window, now, is_exit, uses):
            return True
        free_at = window.free_at(now, is_exit, uses)
        if now >= until or (free_at > until and not isinf(free_at)):
            return False
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[bool] = loop.create_future()
        waiting = self._waiting.setdefault(window, _Waiting())
        (waiting.exits if is_exit else waiting.entries).append((turn, uses))
        expiry = loop.call_later(until - now, _expire, turn)
        self._serve(window)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result():
                self.give_back(window, uses)
            raise
        finally:
            expiry.cancel()

    def _serve(self, window: RateWindow) -> None:
        """Give turns while there are any, and come back when there will be another."""
        waiting = self._waiting.get(window)
        if waiting is None:
            return
        if waiting.timer is not None:
            waiting.timer.cancel()
            waiting.timer = None
        now = self.clock()
        for queue, is_exit in ((waiting.exits, True), (waiting.entries, False)):
            while queue:
                turn, uses = queue[0]
                if not turn.done():
                    if not window.take(now, is_exit, uses):
                        # Entries have no more room than exits, so none of them passes.
                        free_at = window.free_at(now, is_exit, uses)
                        self._serve_later(window, waiting, free_at - now)
                        return
                    turn.set_result(True)
                queue.popleft()
        del self._waiting[window]

    def _serve_later(self, window: RateWindow, waiting: _Waiting, seconds: float) -> None:
        if isinf(seconds):
            return  # an answer will come, and serve
        delay = max(seconds, SHORTEST_TIMER_SECONDS)
        waiting.timer = asyncio.get_running_loop().call_later(delay, self._serve, window)

    # --- giving back ------------------------------------------------------------------------

    def give_back(self, window: RateWindow, uses: int = 1) -> None:
        window.give_back(uses)
        self._serve(window)

    def answer(self, window: RateWindow, now: float, uses: int = 1) -> None:
        window.answer(now, uses)
        if self._waiting:
            self._serve(window)

    def refuse(
        self, window: RateWindow, now: float, retry_after_seconds: float | None, uses: int = 1
    ) -> None:
        window.refuse(now, retry_after_seconds, uses)
        self._serve(window)


def _expire(turn: asyncio.Future[bool]) -> None:
    if not turn.done():
        turn.set_result(False)

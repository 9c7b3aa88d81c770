"""Rate limits with OKX's numbers and codes.

Each limit is a counter over a window that opens with the first request in it and is dropped when
it has passed. Real time only: moving the exchange's clock must not refill anything.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from time import monotonic
from typing import Literal

from venues.paper.server.codes import RefusedError

Scope = Literal["ip", "user", "instrument"]

WINDOW_S = 2.0
SUB_ACCOUNT_ORDERS = 1000
BATCH_ORDERS = 300
WS_CONNECTS_PER_SECOND = 3
WS_OPERATIONS_PER_HOUR = 480


@dataclass(frozen=True, slots=True)
class Limit:
    """`count` requests per 2 s and (source address | user | user and instrument)."""

    count: int
    scope: Scope
    window_s: float = WINDOW_S


class RateLimiter:
    """Counters per key. `enabled` can be switched off by the control API for load tests."""

    def __init__(self, *, enabled: bool = True) -> None:
        self.enabled = enabled
        self._windows: dict[Hashable, list[float]] = {}
        self._swept = monotonic()

    def take(self, key: Hashable, count: int, allowed: int, window_s: float = WINDOW_S) -> bool:
        """Count `count` uses of `key`; False when that would exceed `allowed` in the window.

        A refused use is not counted, so that a client which keeps knocking gets in when the
        window has passed.
        """
        if not self.enabled:
            return True
        now = monotonic()
        window = self._windows.get(key)
        if window is None:
            if len(self._windows) > 100_000 and now - self._swept > WINDOW_S:
                self._sweep(now)
            if count > allowed:
                return False
            self._windows[key] = [now + window_s, count]
            return True
        if now >= window[0]:
            window[0] = now + window_s
            window[1] = 0
        if window[1] + count > allowed:
            return False
        window[1] += count
        return True

    def forget(self) -> None:
        """As if nobody had asked for anything yet."""
        self._windows.clear()

    def _sweep(self, now: float) -> None:
        self._windows = {key: window for key, window in self._windows.items() if window[0] > now}
        self._swept = now

    # -- the limits that need more than one counter ------------------------------------------

    def orders(self, uid: str, endpoint: str, instruments: list[str], *, single: int = 60) -> None:
        """Placements, amendments or cancellations of one call, counted per instrument.

        A batch call with one order counts against the single-order limit, with more against the
        batch limit of 300 orders.
        """
        if not self.enabled:
            return
        if len(instruments) == 1:
            if not self.take((uid, endpoint, instruments[0]), 1, single):
                raise RefusedError("50011")
            return
        counts: dict[str, int] = {}
        for inst in instruments:
            counts[inst] = counts.get(inst, 0) + 1
        for inst, count in counts.items():
            if not self.take((uid, endpoint, inst, "batch"), count, BATCH_ORDERS):
                raise RefusedError("50011")

    def sub_account(self, uid: str, count: int) -> None:
        """New and amended derivative orders of one sub-account; spot is exempt."""
        if count and not self.take((uid, "orders"), count, SUB_ACCOUNT_ORDERS):
            raise RefusedError("50061")

    def ws_connect(self, ip: str) -> bool:
        return self.take((ip, "ws-connect"), 1, WS_CONNECTS_PER_SECOND, 1.0)

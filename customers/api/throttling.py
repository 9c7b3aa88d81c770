"""A limit per API key, kept in the process.

Not in the cache: a signal must not wait for a Redis that is down. With several web processes a
key gets the rate once in each, which is what the limit is for: one client cannot fill a process.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from math import ceil
from typing import Any

from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle, SimpleRateThrottle

_MAX_BUCKETS = 10_000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class ApiKeyThrottle(BaseThrottle):
    scope = "api_key"

    _buckets: dict[str, _Bucket] = {}
    _lock = threading.Lock()

    def __init__(self) -> None:
        rate = SimpleRateThrottle.THROTTLE_RATES[self.scope]
        requests, seconds = SimpleRateThrottle.parse_rate(self, rate)  # type: ignore[arg-type]
        assert requests is not None and seconds is not None  # the setting names a rate
        self.requests, self.seconds = requests, seconds
        self._wait = 0.0

    def allow_request(self, request: Request, view: Any) -> bool:
        caller = request.auth.pk if request.auth else f"address:{self.get_ident(request)}"
        per_second = self.requests / self.seconds
        now = time.monotonic()
        with self._lock:
            if len(self._buckets) >= _MAX_BUCKETS:
                self._forget_full(now, per_second)
            bucket = self._buckets.setdefault(caller, _Bucket(self.requests, now))
            refilled = bucket.tokens + (now - bucket.filled_at) * per_second
            bucket.tokens, bucket.filled_at = min(float(self.requests), refilled), now
            if bucket.tokens < 1:
                self._wait = (1 - bucket.tokens) / per_second
                return False
            bucket.tokens -= 1
            return True

    def wait(self) -> float:
        return ceil(self._wait)

    def _forget_full(self, now: float, per_second: float) -> None:
        full_after = self.requests / per_second
        for caller in [
            caller
            for caller, bucket in self._buckets.items()
            if now - bucket.filled_at >= full_after
        ]:
            del self._buckets[caller]

    @classmethod
    def reset(cls) -> None:
        with cls._lock:
            cls._buckets.clear()

"""The venue's time: real time plus an offset that the control API may set."""

from __future__ import annotations

from time import time_ns


class PaperClock:
    __slots__ = ("offset_ms",)

    def __init__(self, offset_ms: int = 0) -> None:
        self.offset_ms = offset_ms

    def now_ms(self) -> int:
        return time_ns() // 1_000_000 + self.offset_ms

    def now_us(self) -> int:
        return time_ns() // 1000 + self.offset_ms * 1000

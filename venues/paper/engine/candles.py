"""Candles of one market, in ticks, from its price source."""

from __future__ import annotations

import bisect
import re
from datetime import UTC, datetime, timedelta

from .feeds import HOUR, MINUTE, Bar, PriceSource, merge

TickBar = tuple[int, int, int, int, float]  # open, high, low, close in ticks; quote turnover
DAY = 24 * HOUR
# Bars of six hours and more open on Hong Kong time unless their name ends in utc.
HONG_KONG = 8 * HOUR
MONDAY = 4 * DAY  # 1970-01-05
_FIXED = {
    "1m": MINUTE, "3m": 3 * MINUTE, "5m": 5 * MINUTE, "15m": 15 * MINUTE, "30m": 30 * MINUTE,
    "1H": HOUR, "2H": 2 * HOUR, "4H": 4 * HOUR, "6H": 6 * HOUR, "12H": 12 * HOUR,
    "1D": DAY, "2D": 2 * DAY, "3D": 3 * DAY, "5D": 5 * DAY, "1W": 7 * DAY,
}  # fmt: skip
_MONTHS = {"1M": 1, "3M": 3, "6M": 6, "1Y": 12}
_NAME = re.compile(r"^([0-9]+[mHDWMY])(utc)?$")


class BarSize:
    """Start and end of the bar that holds a time."""

    __slots__ = ("months", "name", "offset", "span")

    def __init__(self, name: str) -> None:
        match = _NAME.match(name)
        if match is None or (match[1] not in _FIXED and match[1] not in _MONTHS):
            raise ValueError(name)
        base, utc = match[1], match[2] is not None
        self.name = name
        self.span = _FIXED.get(base, 0)
        self.months = _MONTHS.get(base, 0)
        if utc and not self.months and self.span < 6 * HOUR:
            raise ValueError(name)
        long = self.months or self.span >= 6 * HOUR
        self.offset = -HONG_KONG if long and not utc else 0
        if base == "1W":
            self.offset += MONDAY

    def start(self, ms: int) -> int:
        if self.span:
            return ms - (ms - self.offset) % self.span
        date = datetime.fromtimestamp((ms - self.offset) / 1000, UTC)
        month = (date.month - 1) // self.months * self.months + 1
        first = datetime(date.year, month, 1, tzinfo=UTC)
        return int(first.timestamp()) * 1000 + self.offset

    def end(self, start: int) -> int:
        if self.span:
            return start + self.span
        # The middle of the month after the last one of this bar, cut back to its start.
        date = datetime.fromtimestamp((start - self.offset) / 1000, UTC)
        later = date + timedelta(days=31 * self.months - 10 if self.months > 1 else 35)
        if self.months == 1:
            return self.start(int(later.timestamp()) * 1000 + self.offset)
        return self.start(int((date + timedelta(days=31 * self.months)).timestamp()) * 1000
                          + self.offset)  # fmt: skip


class Candles:
    """The source's path times a ratio (what `set_price` changed), cut into bars.

    Only minutes in which the operator moved the price are remembered; all others follow from
    the source, so a live candle and the history that replaces it agree.
    """

    def __init__(self, source: PriceSource, tick: float, start_ms: int) -> None:
        self._source = source
        self._tick = tick
        self._ratios: list[tuple[int, float]] = [(0, 1.0)]
        self._moved: dict[int, list[int]] = {}
        self._live: list[int] = [start_ms // MINUTE, 0, 0, 0, 0]
        self.observe(start_ms, self.ticks_at(start_ms))

    def ticks_at(self, ms: int) -> int:
        return max(1, round(self._source.price(ms) * self._ratios[-1][1] / self._tick))

    @property
    def ratios(self) -> list[tuple[int, float]]:
        return self._ratios

    def restore_ratio(self, ms: int, ratio: float) -> None:
        self._ratios.append((ms, ratio))

    def move_to(self, ms: int, ticks: int) -> float:
        """From now on the path goes through `ticks`. Returns the new ratio."""
        ratio = ticks * self._tick / self._source.price(ms)
        self._ratios.append((ms, ratio))
        self.observe(ms, ticks)
        self._moved[ms // MINUTE] = self._live
        return ratio

    def observe(self, ms: int, ticks: int) -> None:
        minute = ms // MINUTE
        live = self._live
        if live[0] != minute or not live[1]:
            first = ticks
            if self._ratios[-1][0] < minute * MINUTE:
                first = self.ticks_at(minute * MINUTE)
            live = self._live = [minute, first, max(first, ticks), min(first, ticks), ticks]
            return
        if ticks > live[2]:
            live[2] = ticks
        if ticks < live[3]:
            live[3] = ticks
        live[4] = ticks

    def _ratio_at(self, ms: int) -> float:
        index = bisect.bisect_right(self._ratios, ms, key=lambda r: r[0]) - 1
        return self._ratios[index][1]

    def _scaled(self, bar: Bar, ratio: float) -> TickBar:
        k = ratio / self._tick
        return (max(1, round(bar[0] * k)), max(1, round(bar[1] * k)), max(1, round(bar[2] * k)),
                max(1, round(bar[3] * k)), bar[4])  # fmt: skip

    def _minutes(self, first: int, last: int) -> list[TickBar]:
        """Minute bars of [first, last), up to the one that is forming."""
        out: list[TickBar] = []
        live = self._live
        hour = -1
        bars: list[Bar] = []
        for minute in range(first, min(last, live[0] + 1)):
            if minute // 60 != hour:
                hour = minute // 60
                bars = self._source.minutes(hour)
            bar = bars[minute % 60]
            seen = self._moved.get(minute)
            if minute == live[0]:
                out.append((*live[1:5], bar[4]))  # type: ignore[arg-type]
            elif seen is not None:
                out.append((*seen[1:5], bar[4]))  # type: ignore[arg-type]
            else:
                out.append(self._scaled(bar, self._ratio_at(minute * MINUTE)))
        return out

    def bar(self, start: int, end: int) -> TickBar | None:
        """One bar of [start, end) ms; None if it has not begun."""
        if start // MINUTE > self._live[0]:
            return None
        if end - start < HOUR:
            return _merge_ticks(self._minutes(start // MINUTE, end // MINUTE))
        parts: list[TickBar] = []
        for hour in range(start // HOUR, end // HOUR):
            if hour * 60 > self._live[0]:
                break
            ratio = self._ratio_at(hour * HOUR)
            whole = hour * 60 + 60 <= self._live[0]
            if (
                whole
                and self._ratio_at(hour * HOUR + HOUR) == ratio
                and not any(hour * HOUR <= r[0] < hour * HOUR + HOUR for r in self._ratios[1:])
            ):
                parts.append(self._scaled(self._source.hour(hour), ratio))
            else:
                parts.extend(self._minutes(hour * 60, hour * 60 + 60))
        return _merge_ticks(parts)


def _merge_ticks(bars: list[TickBar]) -> TickBar:
    if len(bars) == 1:
        return bars[0]
    o, h, low, c, v = merge(bars)  # type: ignore[arg-type]
    return (o, h, low, c, v)  # type: ignore[return-value]

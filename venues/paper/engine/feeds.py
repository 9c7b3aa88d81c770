"""Where prices come from.

A source is a function of time: the past, the present and every candle come from the same
numbers, so history exists from the first second and a restart continues the same path. Floats
are right here: this is the physics of a made-up market, and every price is rounded to an
instrument's ticks (an int) before any money depends on it.
"""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Callable
from itertools import pairwise
from operator import add, sub
from pathlib import Path
from typing import Protocol

MINUTE = 60_000
HOUR = 3_600_000
Bar = tuple[float, float, float, float, float]  # open, high, low, close, turnover in quote money

HOURLY_VOLATILITY = {"BTC": 0.004, "ETH": 0.005, "DOGE": 0.009, "SHIB": 0.009}
OTHER_VOLATILITY = 0.007
MINUTE_TURNOVER = {"BTC": 4e6, "ETH": 2.5e6, "SOL": 1e6}
OTHER_TURNOVER = 3e5
OCTAVES_HOURS = (1, 4, 16, 64, 256, 1024, 4096)
BRIDGES = 64
_MASK = (1 << 64) - 1


class PriceSource(Protocol):
    def price(self, ms: int) -> float: ...
    def minutes(self, hour: int) -> list[Bar]:
        """The sixty one-minute bars of an hour (hours since 1970)."""
        ...

    def hour(self, hour: int) -> Bar: ...


def merge(bars: list[Bar]) -> Bar:
    return (
        bars[0][0],
        max(b[1] for b in bars),
        min(b[2] for b in bars),
        bars[-1][3],
        sum(b[4] for b in bars),
    )


def _unit_noise(seed: int, index: int) -> float:
    """A number in [-1, 1) that depends on nothing but its arguments (splitmix64)."""
    z = (seed + index * 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((z ^ (z >> 31)) >> 11) * (2.0**-52) - 1.0


class StaticSource:
    def __init__(self, price: float, coin: str) -> None:
        self._price = price
        turnover = MINUTE_TURNOVER.get(coin, OTHER_TURNOVER)
        self._minute: Bar = (price, price, price, price, turnover)

    def price(self, ms: int) -> float:
        return self._price

    def minutes(self, hour: int) -> list[Bar]:
        return [self._minute] * 60

    def hour(self, hour: int) -> Bar:
        return (*self._minute[:4], self._minute[4] * 60)


class WalkSource:
    """A seeded random walk that can be entered at any time.

    The log price at whole hours is a sum of smoothed noises of growing period; inside an hour a
    precomputed Brownian bridge (one of 64) is added. So an hour's extremes cost a few
    microseconds, and years of candles need no state.
    """

    def __init__(self, base: float, coin: str, seed: int) -> None:
        rng = random.Random(f"{seed}:{coin}")  # noqa: S311 - a market, not a secret
        self._base = base
        self._seed = rng.getrandbits(64)
        self._sigma = HOURLY_VOLATILITY.get(coin, OTHER_VOLATILITY)
        self._turnover = MINUTE_TURNOVER.get(coin, OTHER_TURNOVER)
        self._octaves = [
            (period, rng.getrandbits(64), 0.45 * self._sigma * math.sqrt(period))
            for period in OCTAVES_HOURS
        ]
        self._bridges = [self._bridge(rng) for _ in range(BRIDGES)]
        self._levels: dict[int, float] = {}
        self._hours: dict[int, Bar] = {}
        self._points: tuple[int, list[float], list[float], list[float]] | None = None

    def _bridge(
        self, rng: random.Random
    ) -> tuple[list[float], list[float], list[float], list[float]]:
        sigma = self._sigma / math.sqrt(60)
        walk = [0.0]
        for _ in range(60):
            walk.append(walk[-1] + rng.gauss(0, sigma))
        offsets = [w - walk[60] * i / 60 for i, w in enumerate(walk)]
        above = [rng.expovariate(2.5) * sigma for _ in range(60)]
        below = [rng.expovariate(2.5) * sigma for _ in range(60)]
        volumes = [0.3 + rng.expovariate(1.4) for _ in range(60)]
        return offsets, above, below, volumes

    def _level(self, hour: int) -> float:
        level = self._levels.get(hour)
        if level is None:
            level = 0.0
            for period, seed, amplitude in self._octaves:
                node, rest = divmod(hour, period)
                left = _unit_noise(seed, node)
                if rest:
                    x = rest / period
                    x = x * x * (3 - 2 * x)
                    left += (_unit_noise(seed, node + 1) - left) * x
                level += amplitude * left
            self._levels[hour] = level
        return level

    def _hour_points(self, hour: int) -> tuple[int, list[float], list[float], list[float]]:
        """(hour, log prices at its 61 minute edges, highs, lows of its 60 minutes)."""
        cached = self._points
        if cached is not None and cached[0] == hour:
            return cached
        offsets, above, below, _ = self._bridges[self._pick(hour)]
        start = self._level(hour)
        slope = (self._level(hour + 1) - start) / 60
        edges = [start + slope * i + o for i, o in enumerate(offsets)]
        highs = list(map(max, map(add, edges, above), edges[1:]))
        lows = list(map(min, map(sub, edges, below), edges[1:]))
        self._points = (hour, edges, highs, lows)
        return self._points

    def _pick(self, hour: int) -> int:
        return int((_unit_noise(self._seed, hour) + 1) * BRIDGES / 2)

    def _turnover_factor(self, hour: int) -> float:
        return self._turnover * (1.2 + _unit_noise(self._seed ^ 0x5DEECE66D, hour))

    def price(self, ms: int) -> float:
        hour, rest = divmod(ms, HOUR)
        minute, inside = divmod(rest, MINUTE)
        _, edges, highs, lows = self._hour_points(hour)
        share = inside / MINUTE
        jitter = _unit_noise(self._seed ^ 0xABCDEF, ms // 500) * self._sigma * 0.05
        if not inside:
            jitter = 0.0
        value = edges[minute] + (edges[minute + 1] - edges[minute]) * share + jitter
        return self._base * math.exp(min(max(value, lows[minute]), highs[minute]))

    def minutes(self, hour: int) -> list[Bar]:
        _, edges, highs, lows = self._hour_points(hour)
        volumes = self._bridges[self._pick(hour)][3]
        factor = self._turnover_factor(hour)
        prices = [self._base * math.exp(e) for e in edges]
        base, exp = self._base, math.exp
        return [
            (prices[m], base * exp(highs[m]), base * exp(lows[m]), prices[m + 1],
             volumes[m] * factor)
            for m in range(60)
        ]  # fmt: skip

    def hour(self, hour: int) -> Bar:
        bar = self._hours.get(hour)
        if bar is None:
            _, edges, highs, lows = self._hour_points(hour)
            base, exp = self._base, math.exp
            turnover = sum(self._bridges[self._pick(hour)][3]) * self._turnover_factor(hour)
            bar = (base * exp(edges[0]), base * exp(max(highs)), base * exp(min(lows)),
                   base * exp(edges[60]), turnover)  # fmt: skip
            self._hours[hour] = bar
        return bar


class CsvSource:
    """Plays a file of candles. The first half is history, the second half plays from `start_ms`
    on in real time; before the first and after the last row the price stands still."""

    def __init__(self, rows: list[tuple[int, Bar]], start_ms: int) -> None:
        rows = sorted(rows)
        self._interval = min(
            (b[0] - a[0] for a, b in pairwise(rows) if b[0] > a[0]),
            default=MINUTE,
        )
        # Whole minutes keep one-minute rows one-minute bars; the split is at a row's start.
        split = rows[len(rows) // 2][0]
        shift = (start_ms - split) // MINUTE * MINUTE
        self._first = rows[0][0] + shift
        self._last = rows[-1][0] + shift
        self._offset = self._first % self._interval
        self._bars = {(ts + shift - self._offset) // self._interval: bar for ts, bar in rows}
        self._open = rows[0][1][0]
        self._close = rows[-1][1][3]
        self._hours: dict[int, Bar] = {}

    def _path(self, ms: int) -> tuple[float, ...] | None:
        """The four corners of the row that covers a time, in the order they are visited."""
        bar = self._bars.get((ms - self._offset) // self._interval)
        if bar is None:
            return None
        o, h, low, c, _ = bar
        return (o, low, h, c) if c >= o else (o, h, low, c)

    def price(self, ms: int) -> float:
        path = self._path(ms)
        if path is None:
            if ms < self._first:
                return self._open
            return self._close if ms > self._last else self._before(ms)
        share = ((ms - self._offset) % self._interval) / self._interval * 3
        leg = min(int(share), 2)
        return path[leg] + (path[leg + 1] - path[leg]) * (share - leg)

    def _before(self, ms: int) -> float:
        """A hole in the file: the last row before it still holds."""
        index = (ms - self._offset) // self._interval
        while index not in self._bars:
            index -= 1
        return self._bars[index][3]

    def minutes(self, hour: int) -> list[Bar]:
        out: list[Bar] = []
        for minute in range(60):
            start = hour * HOUR + minute * MINUTE
            index, inside = divmod(start - self._offset, self._interval)
            bar = self._bars.get(index)
            if bar is None:
                px = self.price(start)
                out.append((px, px, px, px, 0.0))
            elif self._interval <= MINUTE:
                out.append(bar)
            else:
                corners = [self.price(start), self.price(start + MINUTE - 1)]
                third = self._interval / 3
                for leg in (1, 2):
                    if inside <= leg * third < inside + MINUTE:
                        corners.append(self._path(start)[leg])  # type: ignore[index]
                out.append((corners[0], max(corners), min(corners), corners[1],
                            bar[4] * MINUTE / self._interval))  # fmt: skip
        return out

    def hour(self, hour: int) -> Bar:
        bar = self._hours.get(hour)
        if bar is None:
            bar = self._hours[hour] = merge(self.minutes(hour))
        return bar


def read_csv(path: str) -> dict[str, list[tuple[int, Bar]]]:
    """Rows of `ts,open,high,low,close[,volume][,instId]` with or without a header; ts in ms or
    seconds. Rows without instId stand for BTC. Keys of the result are coins."""
    out: dict[str, list[tuple[int, Bar]]] = {}
    names = ["ts", "open", "high", "low", "close", "volume", "instid"]
    with Path(path).open(newline="") as handle:
        for number, cells in enumerate(csv.reader(handle), 1):
            if not cells or not "".join(cells).strip():
                continue
            if number == 1 and not cells[0].strip().isdigit():
                names = [c.strip().lower() for c in cells]
                names = [{"timestamp": "ts", "time": "ts", "vol": "volume"}.get(n, n)
                         for n in names]  # fmt: skip
                continue
            row = dict(zip(names, (c.strip() for c in cells), strict=False))
            try:
                ts = int(row["ts"])
                o, h, low, c = (float(row[k]) for k in ("open", "high", "low", "close"))
                volume = float(row.get("volume") or 0)
            except (KeyError, ValueError) as error:
                raise ValueError(f"{path}, line {number}: {error}") from error
            if not (0 < low <= min(o, c) and max(o, c) <= h < math.inf):
                raise ValueError(f"{path}, line {number}: not a candle: {cells}")
            coin = (row.get("instid") or "BTC").split("-")[0]
            ts = ts * 1000 if ts < 100_000_000_000 else ts
            out.setdefault(coin, []).append((ts, (o, h, low, c, volume * c)))
    if not out:
        raise ValueError(f"{path}: no candles")
    return out


def make_sources(feed: str, seed: int, start_ms: int) -> Callable[[str, str], PriceSource]:
    """(coin, base price) -> its source. Coins that a CSV does not hold walk."""
    if feed == "static":
        return lambda coin, base: StaticSource(float(base), coin)
    rows = {} if feed == "walk" else read_csv(feed)

    def source(coin: str, base: str) -> PriceSource:
        if coin in rows:
            return CsvSource(rows[coin], start_ms)
        return WalkSource(float(base), coin, seed)

    return source

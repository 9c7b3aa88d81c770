"""One market's order book: made-up liquidity around the price, and what accounts left resting.

Made-up levels are a formula, not a list: level i sits `i * step` ticks behind the best one and
holds `size(i)` lots. Takers eat them from the best on, so an index and the lots taken from that
level describe the rest. They refill when the price moves or at the next tick.
"""

from __future__ import annotations

import bisect
import random
from typing import TYPE_CHECKING

from .types import BookShape

if TYPE_CHECKING:
    from .instruments import Instrument
    from .orders import Order

NOISE = 512


class Side:
    """One side. `sign` is +1 for asks (worse is higher), -1 for bids; keys are sign * ticks, so
    that the best resting price is always the first."""

    __slots__ = ("best", "index", "keys", "orders", "sign", "taken")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.best = 0  # ticks of made-up level 0
        self.index = 0  # first made-up level that is not eaten up
        self.taken = 0  # lots taken from it
        self.keys: list[int] = []
        self.orders: dict[int, dict[int, Order]] = {}  # key -> ord_id -> order, oldest first

    def add(self, order: Order) -> None:
        key = self.sign * order.px_ticks
        queue = self.orders.get(key)
        if queue is None:
            queue = self.orders[key] = {}
            bisect.insort(self.keys, key)
        queue[order.ord_id] = order

    def remove(self, order: Order) -> None:
        key = self.sign * order.px_ticks
        queue = self.orders.get(key)
        if queue is None or queue.pop(order.ord_id, None) is None:
            return
        if not queue:
            del self.orders[key]
            del self.keys[bisect.bisect_left(self.keys, key)]

    def first(self) -> Order | None:
        if not self.keys:
            return None
        return next(iter(self.orders[self.keys[0]].values()))


class Book:
    __slots__ = ("_base_lots", "_inst", "_min_lots", "_noise", "_phase", "_shape", "_slope",
                 "_step", "asks", "bids", "seq")  # fmt: skip

    def __init__(self, inst: Instrument, shape: BookShape, seed: int) -> None:
        self._inst = inst
        self._shape = shape
        rng = random.Random(f"{seed}:{inst.inst_id}:book")  # noqa: S311 - a market
        self._noise = [rng.randrange(500, 1500) for _ in range(NOISE)]
        self._slope = [1000 + int(1000 * shape.growth * i) for i in range(shape.levels)]
        self._phase = 0
        self._step = 1
        self._base_lots = 1
        self._min_lots = inst.min_lots
        self.bids = Side(-1)
        self.asks = Side(1)
        self.seq = 1

    def recentre(self, ticks: int, *, shuffle: bool) -> None:
        """Put fresh liquidity around a price. `shuffle` changes the sizes' pattern."""
        shape = self._shape
        half = max(1, round(ticks * shape.half_spread_bps / 10_000))
        self._step = max(1, round(ticks * shape.step_bps / 10_000))
        # Liquidity is a setting, not money: a float estimate of the level's size is enough.
        unit = float(self._inst.unit) * (1 if self._inst.inverse else ticks)
        self._base_lots = max(1, int(shape.top_notional / unit))
        if shuffle:
            self._phase = (self._phase + 7) % NOISE
        self.bids.best = max(1, ticks - half)
        self.asks.best = ticks + half
        for side in (self.bids, self.asks):
            side.index = side.taken = 0
        self.seq += 1

    @property
    def eaten(self) -> bool:
        return bool(self.bids.index or self.bids.taken or self.asks.index or self.asks.taken)

    def size(self, index: int) -> int:
        lots = self._base_lots * self._noise[(index + self._phase) % NOISE] * self._slope[index]
        return max(lots // 1_000_000, self._min_lots)

    def ticks(self, side: Side, index: int) -> int:
        return side.best + side.sign * index * self._step

    def made_up(self, side: Side) -> tuple[int, int] | None:
        """(ticks, lots left) of the best made-up level; None when all are eaten."""
        if side.index >= len(self._slope):
            return None
        ticks = side.best + side.sign * side.index * self._step
        if ticks < 1:
            return None
        return ticks, self.size(side.index) - side.taken

    def eat(self, side: Side, lots: int) -> None:
        side.taken += lots
        if side.taken >= self.size(side.index):
            side.index += 1
            side.taken = 0
        self.seq += 1

    def best(self, side: Side) -> int | None:
        """Best price in ticks over both kinds of liquidity."""
        made_up = self.made_up(side)
        key = made_up[0] * side.sign if made_up else None
        if side.keys and (key is None or side.keys[0] < key):
            key = side.keys[0]
        return None if key is None else key * side.sign

    def available(self, side: Side, limit: int | None, enough: int, skip: str = "") -> int:
        """Lots at prices no worse than `limit`, counted up to `enough`, without the resting
        orders of the master account `skip` (they would be self-trades)."""
        total = 0
        for key in self.keys_within(side, limit):
            total += sum(
                o.left_lots for o in side.orders[key].values() if o.account.main_uid != skip
            )
        index, taken = side.index, side.taken
        while total < enough and index < len(self._slope):
            ticks = self.ticks(side, index)
            if ticks < 1 or (limit is not None and side.sign * ticks > side.sign * limit):
                break
            total += self.size(index) - taken
            index, taken = index + 1, 0
        return total

    @staticmethod
    def keys_within(side: Side, limit: int | None) -> list[int]:
        if limit is None:
            return list(side.keys)
        return side.keys[: bisect.bisect_right(side.keys, side.sign * limit)]

    def levels(self, side: Side, depth: int) -> list[tuple[int, int, int]]:
        """(ticks, lots, orders) best first, both kinds merged."""
        out: list[tuple[int, int, int]] = []
        keys = iter(side.keys)
        key = next(keys, None)
        index, taken = side.index, side.taken
        while len(out) < depth:
            ticks = self.ticks(side, index) if index < len(self._slope) else 0
            made_up = side.sign * ticks if ticks >= 1 else None
            if key is None and made_up is None:
                break
            lots = count = 0
            if made_up is None or (key is not None and key <= made_up):
                level = key
                queue = side.orders[key]  # type: ignore[index]
                lots = sum(o.left_lots for o in queue.values())
                count = len(queue)
                key = next(keys, None)
            else:
                level = made_up
            if level == made_up:
                lots += self.size(index) - taken
                count += 1 + (self._noise[index % NOISE] & 7)
                index, taken = index + 1, 0
            out.append((level * side.sign, lots, count))  # type: ignore[operator]
        return out

"""A venue's order book at one moment, as sums from the best price on."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate

ZERO = Decimal(0)
HUNDRED = Decimal(100)

Levels = tuple[tuple[Decimal, Decimal], ...]


@dataclass(frozen=True, slots=True)
class OrderBook:
    """Each side best first: (price, size up to and with this price), native unit."""

    bids: Levels
    asks: Levels

    def best(self, direction: int) -> Decimal | None:
        """What a purchase (+1) or sale (−1) meets first."""
        side = self.asks if direction > 0 else self.bids
        return side[0][0] if side else None

    @property
    def spread_percent(self) -> Decimal | None:
        """Of the middle; None when a side is empty."""
        bid, ask = self.best(-1), self.best(1)
        if bid is None or ask is None or bid + ask <= ZERO:
            return None
        return (ask - bid) / ((ask + bid) / 2) * HUNDRED

    def depth(self, direction: int, limit: Decimal) -> Decimal:
        """What can be bought (+1) or sold (−1) at prices that are no worse than `limit`."""
        side = self.asks if direction > 0 else self.bids
        place = bisect_right(side, limit * direction, key=lambda level: level[0] * direction)
        return side[place - 1][1] if place else ZERO


def order_book(
    bids: Iterable[tuple[Decimal, Decimal]], asks: Iterable[tuple[Decimal, Decimal]]
) -> OrderBook:
    """From (price, size) in any order."""
    return OrderBook(_summed(bids, -1), _summed(asks, 1))


def _summed(levels: Iterable[tuple[Decimal, Decimal]], direction: int) -> Levels:
    side = sorted(levels, key=lambda level: level[0] * direction)
    sizes = accumulate(size for _price, size in side)
    return tuple((level[0], size) for level, size in zip(side, sizes, strict=True))

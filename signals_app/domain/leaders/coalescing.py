"""Fills that belong together go out together: what is due, and when. Pure; the clock is passed in.

The first fill of a symbol opens a window; all that come until it ends are one batch, so that an
order filled in twenty pieces moves followers once. Nothing waits longer than the window. A batch
whose orders are all complete does not wait at all, unless the one before it left within a window:
single orders are fast, bursts of small ones are bundled.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from math import inf
from typing import Generic, TypeVar

from venues.domain.types import FillSnapshot

Key = TypeVar("Key", bound=Hashable)


@dataclass
class _Batch:
    opened_at: float
    fills: list[FillSnapshot] = field(default_factory=list)
    incomplete: set[str] = field(default_factory=set)


class Coalescer(Generic[Key]):
    """Batches by key: a source and a symbol. Seconds of one monotonic clock.

    Not safe for threads by itself.
    """

    def __init__(self) -> None:
        self._batches: dict[Key, _Batch] = {}
        self._windows: dict[Key, float] = {}
        self._left_at: dict[Key, float] = {}

    def add(
        self,
        key: Key,
        fill: FillSnapshot,
        *,
        window_seconds: float,
        completes_order: bool,
        now: float,
    ) -> None:
        """`completes_order`: nothing more of its order is to come."""
        batch = self._batches.setdefault(key, _Batch(now))
        batch.fills.append(fill)
        self._windows[key] = window_seconds
        if completes_order:
            batch.incomplete.discard(fill.venue_order_id)
        else:
            batch.incomplete.add(fill.venue_order_id)

    def take_due(self, now: float) -> list[tuple[Key, list[FillSnapshot]]]:
        """The batches that are to go now."""
        due = [key for key in self._batches if self._due_at(key) <= now]
        taken = [(key, self._batches.pop(key).fills) for key in due]
        self._left_at |= dict.fromkeys(due, now)
        return taken

    def take_all(self, now: float) -> list[tuple[Key, list[FillSnapshot]]]:
        """Whatever waits, e.g. at the end of the process."""
        taken = [(key, batch.fills) for key, batch in self._batches.items()]
        self._batches.clear()
        self._left_at |= dict.fromkeys((key for key, _ in taken), now)
        return taken

    def next_due(self) -> float:
        """When to look again; infinity while nothing waits."""
        return min(map(self._due_at, self._batches), default=inf)

    def _due_at(self, key: Key) -> float:
        batch, window = self._batches[key], self._windows[key]
        end = batch.opened_at + window
        if batch.incomplete:
            return end
        return min(end, max(batch.opened_at, self._left_at.get(key, -inf) + window))

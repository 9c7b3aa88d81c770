"""Values that cross the border between the engine and whoever serves it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

Row = dict[str, Any]
Params = dict[str, Any]


class Clock(Protocol):
    """The venue's time. The server may offset it; the engine only reads it."""

    def now_ms(self) -> int: ...


class OkxError(Exception):
    """A whole request is refused: the envelope's `code` and `msg`, `data` empty."""

    def __init__(self, code: str, msg: str, http_status: int = 200) -> None:
        super().__init__(f"{code} {msg}")
        self.code = code
        self.msg = msg
        self.http_status = http_status


class Event:
    """Something changed, told right after the change.

    kind: order | fill | position | balance | account | algo | ticker | trade | book | candle |
    mark | index | funding | price_limit | open_interest | instrument.
    `row()` renders the channel's row. It reads live state, so call it inside the callback, or
    not at all.
    """

    __slots__ = ("account", "inst_id", "kind", "row")

    def __init__(self, kind: str, account: Any, inst_id: str, row: Callable[[], Row]) -> None:
        self.kind = kind
        self.account = account
        self.inst_id = inst_id
        self.row = row


@dataclass(frozen=True, slots=True)
class OrderFault:
    """What a fault rule does to one placement.

    hide_ms: look-ups do not find the order for that long after the placement.
    fill_fraction: only this part (0..1, a decimal string) of the order's size may be filled;
    then the rest is "rest" (stays live, and never fills) or "cancel".
    """

    hide_ms: int = 0
    fill_fraction: str | None = None
    remainder: str = "rest"


@dataclass(frozen=True, slots=True)
class BookShape:
    """The synthetic liquidity around the feed's price.

    top_notional: quote value of the best level. Each further level is `growth` times the best
    level larger than the one before it. step_bps: distance of two levels in basis points.
    """

    levels: int = 400
    top_notional: int = 25_000
    growth: float = 0.05
    step_bps: float = 0.5
    half_spread_bps: float = 0.1

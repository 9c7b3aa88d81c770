"""The WebSocket channels: where each is served, and what a subscription argument means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from venues.paper.server.codes import RefusedError

Endpoint = Literal["public", "private", "business"]


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel of the venue.

    kind: the engine's event behind it ("" when it is driven by time alone).
    scope: "instrument" (needs instId), "type" (needs instType), "account" (needs a login) or
    "none".
    """

    name: str
    endpoint: Endpoint
    kind: str
    scope: Literal["instrument", "type", "account", "none"]
    counted: bool = False  # reports channel-conn-count


CHANNELS = {
    channel.name: channel
    for channel in (
        Channel("tickers", "public", "ticker", "instrument"),
        Channel("trades", "public", "trade", "instrument"),
        Channel("trades-all", "business", "trade", "instrument"),
        Channel("books", "public", "book", "instrument"),
        Channel("books5", "public", "book", "instrument"),
        Channel("bbo-tbt", "public", "book", "instrument"),
        Channel("books-l2-tbt", "public", "book", "instrument"),
        Channel("books50-l2-tbt", "public", "book", "instrument"),
        Channel("mark-price", "public", "mark", "instrument"),
        Channel("index-tickers", "public", "index", "instrument"),
        Channel("funding-rate", "public", "funding", "instrument"),
        Channel("price-limit", "public", "price_limit", "instrument"),
        Channel("open-interest", "public", "open_interest", "instrument"),
        Channel("instruments", "public", "instrument", "type"),
        Channel("status", "public", "", "none"),
        Channel("orders", "private", "order", "account", counted=True),
        Channel("fills", "private", "fill", "account"),
        Channel("positions", "private", "position", "account", counted=True),
        Channel("account", "private", "balance", "account", counted=True),
        Channel("balance_and_position", "private", "balance", "account", counted=True),
        Channel("orders-algo", "business", "algo", "account"),
        Channel("algo-advance", "business", "algo", "account"),
    )
}

_CANDLE = re.compile(
    r"(mark-price-candle|index-candle|candle)"
    r"(1s|[135]m|15m|30m|[1246]H|12H|[1235]D|1W|[136]M|1Y|(?:6H|12H|[1235]D|1W|[136]M|1Y)utc)"
)

BOOK_DEPTHS = {"books": 400, "books-l2-tbt": 400, "books50-l2-tbt": 50, "books5": 5, "bbo-tbt": 1}
FULL_BOOKS = frozenset({"books5", "bbo-tbt"})
TICK_BY_TICK = frozenset({"bbo-tbt", "books-l2-tbt", "books50-l2-tbt"})
ADVANCED_ALGOS = frozenset({"move_order_stop", "iceberg", "twap", "chase"})


def candle_parts(name: str) -> tuple[str, str] | None:
    """("candle" | "mark-price-candle" | "index-candle", bar) of a candle channel's name."""
    match = _CANDLE.fullmatch(name)
    return (match[1], match[2]) if match else None


def resolve(arg: Any, endpoint: str) -> Channel:
    """The channel that an argument names on this endpoint; 60018 when there is none."""
    if not isinstance(arg, dict) or not isinstance(arg.get("channel"), str):
        raise RefusedError("60012", frame="args")
    name = arg["channel"]
    channel = CHANNELS.get(name)
    if channel is None and candle_parts(name):
        channel = Channel(name, "business", "", "instrument")
    if channel is None or channel.endpoint != endpoint:
        raise wrong_argument(arg)
    if channel.scope == "instrument" and not arg.get("instId"):
        raise wrong_argument(arg)
    if channel.scope == "type" and not arg.get("instType"):
        raise wrong_argument(arg)
    if name in ("orders", "positions", "orders-algo", "algo-advance") and not arg.get("instType"):
        raise wrong_argument(arg)
    return channel


def wrong_argument(arg: dict[str, Any]) -> RefusedError:
    return RefusedError("60018", arg=",".join(f"{key}:{value}" for key, value in arg.items()))


def matches(arg: dict[str, Any], row: dict[str, Any]) -> bool:
    """Does a private row belong to a subscription with instType, instFamily and instId?"""
    inst_type = arg.get("instType")
    if inst_type and inst_type not in ("ANY", row.get("instType")):
        return False
    inst_id = arg.get("instId")
    if inst_id and inst_id != row.get("instId"):
        return False
    family = arg.get("instFamily") or arg.get("uly")
    return not family or row.get("instId", "").startswith(family)

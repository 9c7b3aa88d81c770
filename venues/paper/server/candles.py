"""Candle channels: the forming bar as it changes, and each closed bar once more with confirm 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from venues.paper.engine.types import OkxError
from venues.paper.server.ws import text_frame

if TYPE_CHECKING:
    from venues.paper.server.app import PaperServer
    from venues.paper.server.ws import WebSocketConnection

INTERVAL_S = 0.5
_QUERIES = {
    "candle": "candles",
    "mark-price-candle": "mark_price_candles",
    "index-candle": "index_candles",
}


class CandleTopic:
    __slots__ = ("bar", "family", "inst_id", "last", "sockets")

    def __init__(self, family: str, bar: str, inst_id: str) -> None:
        self.family = family
        self.bar = bar
        self.inst_id = inst_id
        self.last: list[str] | None = None
        self.sockets: dict[bytes, set[WebSocketConnection]] = {}


class CandleTopics:
    def __init__(self, server: PaperServer) -> None:
        self._server = server
        self._topics: dict[tuple[str, str, str], CandleTopic] = {}
        self._last = 0.0

    def add(self, socket: WebSocketConnection, arg: dict[str, Any], family: str, bar: str) -> None:
        key = (family, bar, arg["instId"])
        topic = self._topics.get(key)
        if topic is None:
            topic = self._topics[key] = CandleTopic(*key)
        name = orjson.dumps(arg)
        topic.sockets.setdefault(name, set()).add(socket)
        rows = self._newest(topic, 1)
        if rows:
            topic.last = topic.last or rows[0]
            socket.send_frame(_frame(name, rows[0]))

    def remove(
        self, socket: WebSocketConnection, arg: dict[str, Any], family: str, bar: str
    ) -> None:
        key = (family, bar, arg["instId"])
        topic = self._topics.get(key)
        if topic is None:
            return
        name = orjson.dumps(arg)
        sockets = topic.sockets.get(name, set())
        sockets.discard(socket)
        if not sockets:
            topic.sockets.pop(name, None)
        if not topic.sockets:
            del self._topics[key]

    def tick(self, now: float) -> None:
        if now - self._last < INTERVAL_S:
            return
        self._last = now
        for topic in list(self._topics.values()):
            self._advance(topic)

    def _advance(self, topic: CandleTopic) -> None:
        rows = self._newest(topic, 1)
        if not rows or rows[0] == topic.last:
            return
        last = topic.last
        if last is not None and last[-1] == "0" and int(rows[0][0]) > int(last[0]):
            # The bar that was forming has closed: say so before the new one opens.
            for row in reversed(self._newest(topic, 10)[1:]):
                if int(row[0]) >= int(last[0]):
                    self._push(topic, row)
        topic.last = rows[0]
        self._push(topic, rows[0])

    def _newest(self, topic: CandleTopic, count: int) -> list[list[str]]:
        exchange = self._server.exchange
        try:
            if topic.family == "candle" and count == 1:
                return [exchange.live_candle(topic.inst_id, topic.bar)]
            query = getattr(exchange, _QUERIES[topic.family])
            return query({"instId": topic.inst_id, "bar": topic.bar, "limit": str(count)})
        except OkxError:
            return []

    def _push(self, topic: CandleTopic, row: list[str]) -> None:
        for arg, sockets in topic.sockets.items():
            frame = _frame(arg, row)
            for socket in tuple(sockets):
                socket.send_frame(frame)


def _frame(arg: bytes, row: list[str]) -> bytes:
    return text_frame(b'{"arg":%b,"data":[%b]}' % (arg, orjson.dumps(row)))

"""Who listens to what, and how the engine's events reach them.

Private rows go out at once. Public rows are thinned to the venue's own pace: tickers and books
each 100 ms, the tick-by-tick books each 10 ms. Nothing is rendered when nobody listens.
"""

from __future__ import annotations

import asyncio
from fnmatch import fnmatchcase
from time import monotonic
from typing import TYPE_CHECKING, Any

import orjson

from venues.paper.engine.types import Event, OkxError
from venues.paper.server.books import BookTopic
from venues.paper.server.candles import CandleTopics
from venues.paper.server.channels import (
    BOOK_DEPTHS,
    CHANNELS,
    TICK_BY_TICK,
    Channel,
    candle_parts,
    resolve,
    wrong_argument,
)
from venues.paper.server.private import PrivateTopics
from venues.paper.server.ws import text_frame

if TYPE_CHECKING:
    from venues.paper.server.app import PaperServer
    from venues.paper.server.ws import WebSocketConnection

MAX_CONNECTIONS_PER_CHANNEL = 30
MARKET_INTERVAL_S = 0.1
TICK_BY_TICK_INTERVAL_S = 0.01

Topic = tuple[str, str]  # (channel, instId or instType)

# channel -> the engine's query for its current row, pushed on subscription and on change
_CURRENT = {
    "tickers": "ticker",
    "mark-price": "mark_price",
    "funding-rate": "funding_rate",
    "index-tickers": "index_tickers",
    "price-limit": "price_limit",
    "open-interest": "open_interest",
}
_THINNED = {
    "ticker": "tickers",
    "mark": "mark-price",
    "index": "index-tickers",
    "price_limit": "price-limit",
    "open_interest": "open-interest",
    "funding": "funding-rate",
}


def canonical(arg: dict[str, Any]) -> bytes:
    return orjson.dumps(arg, option=orjson.OPT_SORT_KEYS)


def push_frame(arg: bytes, rows: Any) -> bytes:
    return text_frame(b'{"arg":%b,"data":%b}' % (arg, orjson.dumps(rows)))


class Hub:
    def __init__(self, server: PaperServer) -> None:
        self._server = server
        self.sockets: set[WebSocketConnection] = set()
        # (channel, instId) -> argument as sent -> sockets
        self._public: dict[Topic, dict[bytes, set[WebSocketConnection]]] = {}
        self._wanted: set[tuple[str, str]] = set()  # (engine event kind, instId)
        self._books: dict[Topic, BookTopic] = {}
        self._dirty: set[Topic] = set()
        self._trades: dict[str, list[dict[str, Any]]] = {}
        self._tick_by_tick_due = False
        self._last_market = 0.0
        self._last_sweep = 0.0
        self.private = PrivateTopics(server)
        self.candles = CandleTopics(server)
        exchange = server.exchange
        exchange.on_event = self.on_event
        exchange.wants = self.wants

    # -- sockets --------------------------------------------------------------------------------

    def connected(self, socket: WebSocketConnection) -> None:
        self.sockets.add(socket)

    def disconnected(self, socket: WebSocketConnection) -> None:
        if socket not in self.sockets:
            return
        self.sockets.discard(socket)
        for arg in list(socket.subscriptions.values()):
            self._remove(socket, arg)
        socket.subscriptions.clear()
        self.private.remove_socket(socket)

    def drop_private(self, socket: WebSocketConnection) -> None:
        """The socket logged in as somebody else: what it heard before is not its any more."""
        self.private.remove_socket(socket)
        socket.subscriptions = {
            key: arg
            for key, arg in socket.subscriptions.items()
            if resolve(arg, socket.kind).scope != "account"
        }

    def matching(self, endpoint: str) -> list[WebSocketConnection]:
        return [s for s in self.sockets if fnmatchcase(f"ws/{s.kind}", endpoint)]

    def describe(self) -> list[dict[str, Any]]:
        return [
            {
                "connId": socket.conn_id,
                "endpoint": f"ws/{socket.kind}",
                "ip": socket.ip,
                "apiKey": socket.account.api_key if socket.account is not None else None,
                "subscriptions": list(socket.subscriptions.values()),
            }
            for socket in self.sockets
        ]

    # -- subscriptions --------------------------------------------------------------------------

    def subscribe(
        self,
        socket: WebSocketConnection,
        channel: Channel,
        arg: dict[str, Any],
        request_id: str | None,
    ) -> None:
        key = canonical(arg)
        if channel.counted and key not in socket.subscriptions:
            count = self.private.connections(socket, channel.name)
            if count > MAX_CONNECTIONS_PER_CHANNEL:
                self._conn_count(socket, channel.name, count, error=True)
                return
        if channel.scope == "instrument":
            self._check_instrument(channel, arg)
        self._ack(socket, "subscribe", arg, request_id)
        if channel.counted:
            count = self.private.connections(socket, channel.name)
            self._conn_count(socket, channel.name, count)
        socket.subscriptions[key] = arg
        if channel.scope == "account":
            self.private.add(socket, channel, arg)
            return
        if (parts := candle_parts(channel.name)) is not None:
            self.candles.add(socket, arg, *parts)
            return
        topic = _topic(arg)
        sockets = self._public.setdefault(topic, {}).setdefault(orjson.dumps(arg), set())
        if channel.name in BOOK_DEPTHS:
            self._subscribe_book(socket, topic, arg)
        sockets.add(socket)
        if channel.kind:
            self._wanted.add((channel.kind, topic[1]))
        self._current(socket, channel, arg)

    def unsubscribe(
        self,
        socket: WebSocketConnection,
        channel: Channel,
        arg: dict[str, Any],
        request_id: str | None,
    ) -> None:
        stored = socket.subscriptions.pop(canonical(arg), None)
        if stored is not None:
            if channel.scope == "account":
                self.private.remove(socket, channel, arg)
            else:
                self._remove(socket, stored)
        self._ack(socket, "unsubscribe", arg, request_id)
        if channel.counted:
            self._conn_count(
                socket, channel.name, self.private.connections(socket, channel.name, joining=False)
            )

    def _ack(
        self, socket: WebSocketConnection, event: str, arg: dict[str, Any], request_id: str | None
    ) -> None:
        answer = {"event": event, "arg": arg, "connId": socket.conn_id}
        socket.send(answer if request_id is None else {"id": request_id, **answer})

    def _conn_count(
        self, socket: WebSocketConnection, channel: str, count: int, *, error: bool = False
    ) -> None:
        socket.send(
            {
                "event": "channel-conn-count-error" if error else "channel-conn-count",
                "channel": channel,
                "connCount": str(count if not error else MAX_CONNECTIONS_PER_CHANNEL),
                "connId": socket.conn_id,
            }
        )

    def _check_instrument(self, channel: Channel, arg: dict[str, Any]) -> None:
        try:
            if channel.name.startswith("index-"):
                known = self._server.exchange.index_tickers({"instId": arg["instId"]})
            else:
                known = self._server.exchange.ticker({"instId": arg["instId"]})
        except OkxError:
            known = []
        if not known:
            raise wrong_argument(arg)

    def _remove(self, socket: WebSocketConnection, arg: dict[str, Any]) -> None:
        parts = candle_parts(arg["channel"])
        if parts is not None:
            self.candles.remove(socket, arg, *parts)
            return
        topic = _topic(arg)
        args = self._public.get(topic)
        if args is None:
            return
        name = orjson.dumps(arg)
        sockets = args.get(name)
        if sockets is None:
            return
        sockets.discard(socket)
        if not sockets:
            del args[name]
        if not args:
            del self._public[topic]
            self._books.pop(topic, None)
            self._dirty.discard(topic)
            self._recount()

    def _recount(self) -> None:
        self._wanted = {
            (kind, inst_id)
            for (name, inst_id) in self._public
            for kind in (_kind_of(name),)
            if kind
        }

    # -- the current state on subscription ------------------------------------------------------

    def _current(self, socket: WebSocketConnection, channel: Channel, arg: dict[str, Any]) -> None:
        exchange = self._server.exchange
        if channel.name in _CURRENT:
            rows = self._rows(_CURRENT[channel.name], arg["instId"])
            socket.send_frame(push_frame(orjson.dumps(arg), rows))
        elif channel.name == "instruments":
            rows = exchange.instruments({"instType": arg["instType"]})
            socket.send_frame(push_frame(orjson.dumps(arg), rows))

    def _rows(self, query: str, inst_id: str) -> list[dict[str, Any]]:
        params = {"instId": inst_id}
        if query in ("mark_price", "open_interest"):
            params["instType"] = "SWAP" if inst_id.endswith("-SWAP") else "SPOT"
        try:
            return getattr(self._server.exchange, query)(params)
        except OkxError:
            return []

    def _subscribe_book(
        self, socket: WebSocketConnection, topic: Topic, arg: dict[str, Any]
    ) -> None:
        now, ts = monotonic(), self._server.clock.now_ms()
        book = self._books.get(topic)
        if book is None:
            book = self._books[topic] = BookTopic(*topic)
        else:
            # Those who are here already get their difference first, so that all go on from one
            # state.
            self._push_book(book, ts, now)
        row = book.snapshot(self._server.exchange, ts, now)
        action = b"" if book.full else b'"action":"snapshot",'
        socket.send_frame(_book_frame(orjson.dumps(arg), action, row))

    # -- events ---------------------------------------------------------------------------------

    def wants(self, kind: str, account: Any, inst_id: str) -> bool:
        if account is not None:
            return self.private.wants(kind, account)
        if kind == "instrument":  # subscribed by type, told by instrument
            return any(name == "instruments" for name, _ in self._public)
        return (kind, inst_id) in self._wanted

    def on_event(self, event: Event) -> None:
        if event.account is not None:
            self.private.on_event(event)
            return
        kind, inst_id = event.kind, event.inst_id
        if kind == "trade":
            pending = self._trades.get(inst_id)
            if pending is None:
                self._trades[inst_id] = [event.row()]
                if len(self._trades) == 1:
                    asyncio.get_running_loop().call_soon(self._push_trades)
            else:
                pending.append(event.row())
        elif kind == "book":
            self._book_changed(inst_id)
        elif kind == "instrument":
            self._push_instrument(event.row())
        elif (channel := _THINNED.get(kind)) is not None:
            topic = (channel, inst_id)
            if topic in self._public:
                self._dirty.add(topic)

    def _book_changed(self, inst_id: str) -> None:
        for channel in BOOK_DEPTHS:
            book = self._books.get((channel, inst_id))
            if book is None or book.dirty:
                continue
            book.dirty = True
            if channel in TICK_BY_TICK and not self._tick_by_tick_due:
                self._tick_by_tick_due = True
                asyncio.get_running_loop().call_later(
                    TICK_BY_TICK_INTERVAL_S, self._push_tick_by_tick
                )

    # -- pushes ---------------------------------------------------------------------------------

    def push(self, topic: Topic, rows: Any) -> None:
        for arg, sockets in self._public.get(topic, {}).items():
            frame = push_frame(arg, rows)
            for socket in tuple(sockets):
                socket.send_frame(frame)

    def _push_trades(self) -> None:
        trades, self._trades = self._trades, {}
        for inst_id, rows in trades.items():
            for row in rows:
                row.setdefault("count", "1")
            self.push(("trades", inst_id), rows)
            self.push(("trades-all", inst_id), rows)

    def _push_instrument(self, row: dict[str, Any]) -> None:
        self.push(("instruments", row.get("instType", "")), [row])

    def _push_book(self, book: BookTopic, ts: int, now: float) -> None:
        exchange = self._server.exchange
        row = book.update(exchange, ts, now) if book.dirty else book.keep_alive(ts, now)
        if row is None:
            return
        action = b"" if book.full else b'"action":"update",'
        topic = (book.channel, book.inst_id)
        for arg, sockets in self._public.get(topic, {}).items():
            frame = _book_frame(arg, action, row)
            for socket in tuple(sockets):
                socket.send_frame(frame)

    def _push_tick_by_tick(self) -> None:
        self._tick_by_tick_due = False
        now, ts = monotonic(), self._server.clock.now_ms()
        for book in list(self._books.values()):
            if book.dirty and book.channel in TICK_BY_TICK:
                self._push_book(book, ts, now)

    # -- pace -----------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Called after each step of the feed."""
        if now - self._last_market >= MARKET_INTERVAL_S * 0.9:
            self._last_market = now
            self._push_market(now)
        self.candles.tick(now)
        self.private.tick(now)
        if now - self._last_sweep >= 1.0:
            self._last_sweep = now
            for socket in list(self.sockets):
                socket.sweep(now)

    def _push_market(self, now: float) -> None:
        dirty, self._dirty = self._dirty, set()
        for topic in dirty:
            rows = self._rows(_CURRENT[topic[0]], topic[1])
            if rows:
                self.push(topic, rows)
        ts = self._server.clock.now_ms()
        for book in list(self._books.values()):
            self._push_book(book, ts, now)


def _topic(arg: dict[str, Any]) -> Topic:
    return arg["channel"], str(arg.get("instId") or arg.get("instType") or "")


def _kind_of(channel: str) -> str:
    known = CHANNELS.get(channel)
    return known.kind if known is not None else ""


def _book_frame(arg: bytes, action: bytes, row: dict[str, Any]) -> bytes:
    return text_frame(b'{"arg":%b,%b"data":[%b]}' % (arg, action, orjson.dumps(row)))

"""Private channels: orders, fills, positions, account, balance_and_position, algo orders."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson

from venues.paper.engine.types import Event
from venues.paper.server.channels import ADVANCED_ALGOS, Channel, matches
from venues.paper.server.ws import text_frame

if TYPE_CHECKING:
    from venues.paper.server.app import PaperServer
    from venues.paper.server.ws import WebSocketConnection

PERIOD_S = 5.0

# channel -> engine events that it is made of
_KINDS = {
    "orders": ("order",),
    "fills": ("fill",),
    "positions": ("position",),
    "account": ("balance", "account"),
    "balance_and_position": ("balance", "account", "position", "fill"),
    "orders-algo": ("algo",),
    "algo-advance": ("algo",),
}
_SNAPSHOTS = ("positions", "account", "balance_and_position")


class Subscription:
    __slots__ = ("arg", "arg_bytes", "channel", "periodic", "socket")

    def __init__(
        self, socket: WebSocketConnection, channel: str, arg: dict[str, Any], uid: str
    ) -> None:
        self.socket = socket
        self.channel = channel
        self.arg = arg
        self.arg_bytes = orjson.dumps({**arg, "uid": uid})
        self.periodic = channel in ("positions", "account") and not _events_only(arg)


class Listener:
    """Everything that is subscribed for one account, over all its sockets."""

    __slots__ = ("account", "balance_changed", "channels", "due", "fills", "kinds", "positions")

    def __init__(self, account: Any) -> None:
        self.account = account
        self.channels: dict[str, list[Subscription]] = {}
        self.kinds: frozenset[str] = frozenset()
        # Gathered while one request is carried out, pushed right after it.
        self.positions: dict[str, dict[str, Any]] = {}
        self.fills: list[dict[str, str]] = []
        self.balance_changed = False
        self.due = False

    def recount(self) -> None:
        self.kinds = frozenset(kind for name in self.channels for kind in _KINDS[name])


class PrivateTopics:
    def __init__(self, server: PaperServer) -> None:
        self._server = server
        self._listeners: dict[str, Listener] = {}
        self._last_period = 0.0

    # -- subscriptions --------------------------------------------------------------------------

    def connections(
        self, socket: WebSocketConnection, channel: str, *, joining: bool = True
    ) -> int:
        """How many sockets of this account have the channel, this one included if it joins."""
        listener = self._listeners.get(socket.account.uid)
        sockets = {s.socket for s in listener.channels.get(channel, ())} if listener else set()
        return len(sockets | {socket}) if joining else len(sockets)

    def add(self, socket: WebSocketConnection, channel: Channel, arg: dict[str, Any]) -> None:
        account = socket.account
        listener = self._listeners.get(account.uid)
        if listener is None:
            listener = self._listeners[account.uid] = Listener(account)
        subscriptions = listener.channels.setdefault(channel.name, [])
        subscription = Subscription(socket, channel.name, arg, account.uid)
        if not any(
            s.socket is socket and s.arg_bytes == subscription.arg_bytes for s in subscriptions
        ):
            subscriptions.append(subscription)
        listener.recount()
        if channel.name in _SNAPSHOTS:
            self._snapshot(listener, subscription)

    def remove(self, socket: WebSocketConnection, channel: Channel, arg: dict[str, Any]) -> None:
        wanted = orjson.dumps(arg, option=orjson.OPT_SORT_KEYS)
        self._drop(
            socket,
            lambda s: (
                s.channel == channel.name
                and orjson.dumps(s.arg, option=orjson.OPT_SORT_KEYS) == wanted
            ),
        )

    def remove_socket(self, socket: WebSocketConnection) -> None:
        if socket.account is not None:
            self._drop(socket, lambda s: True)

    def _drop(self, socket: WebSocketConnection, gone: Any) -> None:
        listener = self._listeners.get(socket.account.uid)
        if listener is None:
            return
        for name, subscriptions in list(listener.channels.items()):
            kept = [s for s in subscriptions if s.socket is not socket or not gone(s)]
            if kept:
                listener.channels[name] = kept
            else:
                del listener.channels[name]
        listener.recount()
        if not listener.channels:
            del self._listeners[socket.account.uid]

    # -- events ---------------------------------------------------------------------------------

    def wants(self, kind: str, account: Any) -> bool:
        listener = self._listeners.get(account.uid)
        return listener is not None and kind in listener.kinds

    def on_event(self, event: Event) -> None:
        listener = self._listeners.get(event.account.uid)
        if listener is None or event.kind not in listener.kinds:
            return
        kind = event.kind
        if kind == "order":
            self._push(listener, "orders", event.row())
        elif kind == "algo":
            row = event.row()
            advanced = row.get("ordType") in ADVANCED_ALGOS
            self._push(listener, "algo-advance" if advanced else "orders-algo", row)
        elif kind == "fill":
            row = event.row()
            self._push(listener, "fills", row)
            if "balance_and_position" in listener.channels:
                listener.fills.append({"instId": row["instId"], "tradeId": row["tradeId"]})
        elif kind == "position":
            row = event.row()
            listener.positions[row.get("posId") or f"{event.inst_id} {row.get('posSide')}"] = row
            self._settle_soon(listener)
        else:
            listener.balance_changed = True
            self._settle_soon(listener)

    def _settle_soon(self, listener: Listener) -> None:
        """Position and balance change many times while one order walks the book: tell once."""
        if not listener.due:
            listener.due = True
            asyncio.get_running_loop().call_soon(self._settle, listener)

    def _settle(self, listener: Listener) -> None:
        listener.due = False
        positions, listener.positions = list(listener.positions.values()), {}
        fills, listener.fills = listener.fills, []
        balance_changed, listener.balance_changed = listener.balance_changed, False
        balance: list[dict[str, Any]] | None = None
        for name in ("positions", "account", "balance_and_position"):
            for subscription in listener.channels.get(name, ()):
                if name == "positions":
                    rows = [row for row in positions if matches(subscription.arg, row)]
                    if rows:
                        _send_event(subscription, "event_update", rows)
                    continue
                if balance is None and balance_changed:
                    balance = self._server.exchange.balance(listener.account, {})
                if name == "account":
                    if balance is not None:
                        _send_event(subscription, "event_update", _only(balance, subscription.arg))
                else:
                    event = "filled" if fills else "exchange"
                    row = self._joint_row(event, balance or [], positions, fills)
                    _send(subscription, [row])

    def _push(self, listener: Listener, channel: str, row: dict[str, Any]) -> None:
        data: bytes | None = None
        for subscription in listener.channels.get(channel, ()):
            if matches(subscription.arg, row):
                data = data or orjson.dumps(row)
                subscription.socket.send_frame(
                    text_frame(b'{"arg":%b,"data":[%b]}' % (subscription.arg_bytes, data))
                )

    # -- snapshots and periodic pushes ----------------------------------------------------------

    def _snapshot(self, listener: Listener, subscription: Subscription) -> None:
        exchange, account = self._server.exchange, listener.account
        if subscription.channel == "positions":
            _send_event(subscription, "snapshot", self._positions(account, subscription.arg))
        elif subscription.channel == "account":
            balance = exchange.balance(account, {})
            _send_event(subscription, "snapshot", _only(balance, subscription.arg))
        else:
            row = self._joint_row(
                "snapshot", exchange.balance(account, {}), exchange.positions(account, {}), []
            )
            _send(subscription, [row])

    def _positions(self, account: Any, arg: dict[str, Any]) -> list[dict[str, Any]]:
        return [row for row in self._server.exchange.positions(account, {}) if matches(arg, row)]

    def tick(self, now: float) -> None:
        if now - self._last_period < PERIOD_S:
            return
        self._last_period = now
        for listener in list(self._listeners.values()):
            for name in ("positions", "account"):
                for subscription in listener.channels.get(name, ()):
                    if not subscription.periodic:
                        continue
                    if name == "positions":
                        rows = self._positions(listener.account, subscription.arg)
                    else:
                        balance = self._server.exchange.balance(listener.account, {})
                        rows = _only(balance, subscription.arg)
                    if rows:
                        _send_event(subscription, "interval_update", rows)

    def _joint_row(
        self,
        event: str,
        balance: list[dict[str, Any]],
        positions: list[dict[str, Any]],
        fills: list[dict[str, str]],
    ) -> dict[str, Any]:
        details = balance[0].get("details", []) if balance else []
        return {
            "pTime": str(self._server.clock.now_ms()),
            "eventType": event,
            "balData": [
                {"ccy": d["ccy"], "cashBal": d["cashBal"], "uTime": d["uTime"]} for d in details
            ],
            "posData": [
                {name: row.get(name, "") for name in _JOINT_POSITION_FIELDS} for row in positions
            ],
            "trades": fills,
        }


_JOINT_POSITION_FIELDS = (
    "posId",
    "tradeId",
    "instId",
    "instType",
    "mgnMode",
    "posSide",
    "pos",
    "ccy",
    "posCcy",
    "avgPx",
    "nonSettleAvgPx",
    "settledPnl",
    "uTime",
)


def _events_only(arg: dict[str, Any]) -> bool:
    """extraParams {"updateInterval": "0"} switches the periodic pushes off."""
    extra = arg.get("extraParams")
    if isinstance(extra, str):
        try:
            extra = orjson.loads(extra)
        except orjson.JSONDecodeError:
            return False
    return isinstance(extra, dict) and str(extra.get("updateInterval")) == "0"


def _only(balance: list[dict[str, Any]], arg: dict[str, Any]) -> list[dict[str, Any]]:
    ccy = arg.get("ccy")
    if not ccy:
        return balance
    return [
        {**row, "details": [d for d in row.get("details", []) if d["ccy"] == ccy]}
        for row in balance
    ]


def _send(subscription: Subscription, rows: Any) -> None:
    subscription.socket.send_frame(
        text_frame(b'{"arg":%b,"data":%b}' % (subscription.arg_bytes, orjson.dumps(rows)))
    )


def _send_event(subscription: Subscription, event: str, rows: Any) -> None:
    subscription.socket.send_frame(
        text_frame(
            b'{"arg":%b,"eventType":"%b","curPage":1,"lastPage":true,"data":%b}'
            % (subscription.arg_bytes, event.encode(), orjson.dumps(rows))
        )
    )

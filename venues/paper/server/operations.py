"""What clients ask for over a WebSocket: login, subscriptions and order operations."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from venues.paper.engine.types import OkxError
from venues.paper.server import orders
from venues.paper.server.auth import login
from venues.paper.server.channels import resolve
from venues.paper.server.codes import RefusedError, orders_code
from venues.paper.server.faults import FaultRule
from venues.paper.server.routing import Params, clean

if TYPE_CHECKING:
    from venues.paper.server.app import PaperServer
    from venues.paper.server.ws import WebSocketConnection

log = logging.getLogger("venues.paper")

ORDER_OPS = {
    "order": "place",
    "batch-orders": "place",
    "cancel-order": "cancel",
    "batch-cancel-orders": "cancel",
    "amend-order": "amend",
    "batch-amend-orders": "amend",
}
_SHAPING = ("delay", "hide_order", "partial_fill", "garbage")
# Answers that make no sense on a WebSocket end the line instead.
_CUTS = frozenset({"drop", "close", "cut_body", "http_status", "html"})


class Operations:
    def __init__(self, server: PaperServer) -> None:
        self._server = server

    def handle(self, socket: WebSocketConnection, frame: dict[str, Any]) -> None:
        op = frame["op"]
        request_id = frame.get("id")
        if request_id is not None:
            request_id = str(request_id)
        try:
            if op in ORDER_OPS or op == "mass-cancel":
                self._order_op(socket, op, frame, request_id)
            elif op in ("subscribe", "unsubscribe", "login"):
                self._counted_op(socket, op, frame, request_id)
            else:
                raise RefusedError("60012", frame=f'{{"op": "{op[:40]}"}}')
        except OkxError as refusal:
            socket.refuse(refusal, request_id)
        except Exception:
            log.exception("websocket operation failed: %s", op)
            socket.refuse(RefusedError("50026"), request_id)

    # -- login and subscriptions ----------------------------------------------------------------

    def _counted_op(
        self, socket: WebSocketConnection, op: str, frame: dict[str, Any], request_id: str | None
    ) -> None:
        if not socket.count_operation():
            raise RefusedError("60014")
        args = frame.get("args")
        if not isinstance(args, list) or not args:
            raise RefusedError("60013")
        rules = self._server.faults.hits(f"ws/{op}", "WS", socket.account)
        for rule in rules:
            if rule.action == "error_code":
                raise RefusedError(rule.code, rule.msg or "")
            if rule.action in _CUTS:
                socket.abort()
                return
            if rule.action == "freeze":
                socket.freeze(rule.ms / 1000)
                return
            if rule.action in ("empty_body", "empty_data"):
                return
        delay = sum(rule.delay_ms() for rule in rules if rule.action == "delay")
        if delay:
            asyncio.get_running_loop().call_later(
                delay / 1000, self._run_counted, socket, op, args, request_id
            )
            return
        self._run_counted(socket, op, args, request_id)

    def _run_counted(
        self, socket: WebSocketConnection, op: str, args: list[Any], request_id: str | None
    ) -> None:
        if socket.closed:
            return
        if op == "login":
            self._login(socket, args[0], request_id)
            return
        for arg in args:
            # One answer per argument: a bad one does not take the others with it.
            try:
                channel = resolve(arg, socket.kind)
                if channel.scope == "account" and socket.account is None:
                    raise RefusedError("60011")
                if op == "subscribe":
                    self._server.hub.subscribe(socket, channel, arg, request_id)
                else:
                    self._server.hub.unsubscribe(socket, channel, arg, request_id)
            except OkxError as refusal:
                socket.refuse(refusal, request_id)

    def _login(self, socket: WebSocketConnection, arg: Any, request_id: str | None) -> None:
        try:
            account = login(
                arg,
                ip=socket.ip,
                now_ms=self._server.clock.now_ms(),
                demo=socket.demo,
                account_by_key=self._server.exchange.account_by_key,
            )
        except OkxError as refusal:
            socket.refuse(refusal, request_id)
            return
        if socket.account is not None and socket.account is not account:
            self._server.hub.drop_private(socket)
        socket.account = account
        answer = {"event": "login", "code": "0", "msg": "", "connId": socket.conn_id}
        socket.send(answer if request_id is None else {"id": request_id, **answer})

    # -- orders ---------------------------------------------------------------------------------

    def _order_op(
        self, socket: WebSocketConnection, op: str, frame: dict[str, Any], request_id: str | None
    ) -> None:
        account = socket.account
        if account is None:
            raise RefusedError("60011")
        if socket.kind != ("business" if op == "mass-cancel" else "private"):
            raise RefusedError("60018", arg=f"op:{op}")
        if request_id is None:
            raise RefusedError("60012", frame="id is required")
        args = frame.get("args")
        if not isinstance(args, list) or not all(type(arg) is dict for arg in args):
            raise RefusedError("60013")
        items = [clean(arg) for arg in args]
        if op in ("order", "cancel-order", "amend-order"):
            items = items[:1]
        run = (socket, op, items, frame.get("expTime"), request_id)
        faults = self._server.faults
        if not faults.rules:
            self._run_order_op(*run, ())
            return
        rules = tuple(
            faults.hits(
                f"ws/{op}",
                "WS",
                account,
                [self._server.exchange.inst_id_of(item) for item in items],
                [str(item.get("clOrdId", "")) for item in items],
            )
        )
        delay = sum(r.delay_ms() for r in rules if r.action == "delay" and not r.booked)
        if delay:
            asyncio.get_running_loop().call_later(delay / 1000, self._run_order_op, *run, rules)
            return
        self._run_order_op(*run, rules)

    def _run_order_op(
        self,
        socket: WebSocketConnection,
        op: str,
        items: list[Params],
        exp_time: Any,
        request_id: str,
        rules: tuple[FaultRule, ...],
    ) -> None:
        server = self._server
        in_time = server.clock.now_us()
        ending = next((r for r in rules if r.action not in _SHAPING), None)
        rows: list[dict[str, Any]] = []
        code, msg = "0", ""
        if ending is None or ending.booked:
            try:
                rows = self._book(socket, op, items, exp_time, rules)
                # A message beside code 1 would hide the row's own code from some clients.
                code, _ = orders_code(rows)
            except OkxError as refusal:
                code, msg = refusal.code, refusal.msg
            except Exception:
                log.exception("websocket operation failed: %s", op)
                code, msg = "50026", RefusedError("50026").msg
        if ending is not None:
            if ending.action in _CUTS:
                socket.abort()
                return
            if ending.action == "freeze":
                socket.freeze(ending.ms / 1000)
                return
            if ending.action == "empty_body":
                return
            rows = []
            if ending.action == "error_code":
                refusal = RefusedError(ending.code, ending.msg)
                code, msg = refusal.code, refusal.msg
        answer = {
            "id": request_id,
            "op": op,
            "code": code,
            "msg": msg,
            "data": rows,
            "inTime": str(in_time),
            "outTime": str(server.clock.now_us()),
        }
        if server.before_answers is not None:
            server.before_answers()
        delay = sum(r.delay_ms() for r in rules if r.action == "delay" and r.booked)
        if delay:
            asyncio.get_running_loop().call_later(delay / 1000, socket.send, answer)
            return
        socket.send(answer)

    def _book(
        self,
        socket: WebSocketConnection,
        op: str,
        items: list[Params],
        exp_time: Any,
        rules: tuple[FaultRule, ...],
    ) -> list[dict[str, Any]]:
        server, account = self._server, socket.account
        if "trade" not in account.permissions:
            raise RefusedError("50120")
        if op == "mass-cancel":
            return [
                {**row, "sCode": "0", "sMsg": ""}
                for row in server.exchange.mass_cancel(account, items[0])
            ]
        match ORDER_OPS[op]:
            case "place":
                expiry = orders.parse_exp_time(exp_time)
                return orders.place(server, account, items, expiry, rules)
            case "amend":
                return orders.amend(server, account, items, orders.parse_exp_time(exp_time))
            case _:
                return orders.cancel(server, account, items)

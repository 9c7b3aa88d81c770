"""The server: a request is routed, authenticated, counted, struck by faults, and carried out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

import orjson

from venues.paper.engine.types import OkxError
from venues.paper.server.auth import authenticate
from venues.paper.server.codes import RefusedError, orders_code
from venues.paper.server.control import Control
from venues.paper.server.faults import HTML_PAGE, FaultBook, FaultRule
from venues.paper.server.garbage import spoiled
from venues.paper.server.http import Answer, Deferred, Frozen, Hangup, Request, http_response
from venues.paper.server.hub import Hub
from venues.paper.server.limits import RateLimiter
from venues.paper.server.operations import Operations
from venues.paper.server.routes import ROUTES
from venues.paper.server.routing import Call, Route, body_params, query_params

if TYPE_CHECKING:
    from venues.paper.engine.exchange import Exchange
    from venues.paper.server.clock import PaperClock
    from venues.paper.server.garbage import spoiled
from venues.paper.server.http import HttpConnection

log = logging.getLogger("venues.paper")

WEBSOCKET_PATHS = frozenset({b"/ws/v5/public", b"/ws/v5/private", b"/ws/v5/business"})

_TABLE: dict[tuple[bytes, bytes], Route] = {
    (route.method.encode(), route.full_path): route for route in ROUTES
}
_PATHS = frozenset(path for _, path in _TABLE)


def error_body(code: str, msg: str, data: list[Any] | None = None) -> bytes:
    return orjson.dumps({"code": code, "data": data or [], "msg": msg})


class PaperServer:
    def __init__(
        self,
        exchange: Exchange,
        clock: PaperClock,
        *,
        control_token: str | None = None,
        seed: int = 1,
        durable: bool = False,
    ) -> None:
        self.exchange = exchange
        self.clock = clock
        # With --state no answer may outlive its record.
        self.before_answers: Callable[[], None] | None = exchange.flush if durable else None
        self.limiter = RateLimiter()
        self.faults = FaultBook(seed)
        self.hub = Hub(self)
        self.ws_operations = Operations(self)
        self.control = Control(self, control_token)
        self.connections: set[HttpConnection] = set()

    # -- HTTP -----------------------------------------------------------------------------------

    def error_response(self, code: str, msg: str | None = None, status: int | None = None) -> bytes:
        refusal = RefusedError(code, msg, status)
        return http_response(refusal.http_status, error_body(refusal.code, refusal.msg))

    def handle(self, request: Request) -> Answer:
        try:
            return self._handle(request)
        except OkxError as refusal:
            return self._refused(refusal)
        except Exception:
            # One broken request must not end the connection's reader without an answer; a venue
            # says 50026 then.
            log.exception("request failed: %s %s", request.method, request.target)
            return self.error_response("50026")

    def _refused(self, refusal: OkxError) -> bytes:
        return http_response(refusal.http_status, error_body(refusal.code, refusal.msg))

    def _handle(self, request: Request) -> Answer:
        route = _TABLE.get((request.method, request.path))
        if route is None:
            if request.path.startswith(b"/control/"):
                return self.control.handle(request)
            raise RefusedError("50115" if request.path in _PATHS else "404")
        key = account = None
        if route.private:
            key = authenticate(
                request.headers,
                request.method,
                request.target,
                request.body,
                ip=request.ip,
                now_ms=self.clock.now_ms(),
                key_by_name=self.exchange.key,
            )
            if route.permission not in key.permissions:
                raise RefusedError("50120")
            account = key.account
        params = (
            query_params(request.query)
            if route.method == "GET"
            else body_params(request, batch=route.batch)
        )
        if route.limit is not None:
            self._count(route, request, account, params)
        call = Call(self, request, account, params, key)
        if self.faults.rules:
            return self._faulted(route, call)
        return self._execute(route, call)

    def _count(self, route: Route, request: Request, account: Any, params: Any) -> None:
        limit = route.limit
        if limit is None:
            return
        name = route.method + route.path
        if limit.scope == "ip":
            key: tuple[str, ...] = (request.ip, name)
        elif limit.scope == "user":
            key = (account.uid, name)
        else:
            inst = params.get("instId", "") if isinstance(params, dict) else ""
            key = (account.uid, name, inst)
        if not self.limiter.take(key, 1, limit.count, limit.window_s):
            raise RefusedError("50011")

    def _execute(self, route: Route, call: Call) -> bytes:
        if route.shape == "rows":
            rows = route.handler(call)
            return http_response(200, b'{"code":"0","data":%b,"msg":""}' % orjson.dumps(rows))
        in_time = self.clock.now_us()
        rows = route.handler(call)
        code, msg = orders_code(rows)
        return http_response(
            200,
            orjson.dumps(
                {
                    "code": code,
                    "data": rows,
                    "inTime": str(in_time),
                    "msg": msg,
                    "outTime": str(self.clock.now_us()),
                }
            ),
        )

    # -- faults ---------------------------------------------------------------------------------

    def _faulted(self, route: Route, call: Call) -> Answer:
        items = call.params if isinstance(call.params, list) else [call.params]
        rules = self.faults.hits(
            route.path,
            route.method,
            call.key,
            [str(item.get("instId", "")) for item in items],
            [str(item.get("clOrdId", "")) for item in items],
        )
        if not rules:
            return self._execute(route, call)
        call = replace(call, rules=tuple(rules))
        delay = sum(r.delay_ms() for r in rules if r.action == "delay" and not r.booked)
        if delay:
            return Deferred(delay / 1000, partial(self._struck, route, call))
        return self._struck(route, call)

    def _struck(self, route: Route, call: Call) -> Answer:
        try:
            return self._strike(route, call)
        except OkxError as refusal:
            return self._refused(refusal)
        except Exception:
            log.exception("request failed: %s", call.request.target)
            return self.error_response("50026")

    def _strike(self, route: Route, call: Call) -> Answer:
        final = next((r for r in call.rules if r.action in _ENDINGS), None)
        if final is not None and not final.booked:
            return self._ending(final, b"")
        booked = self._execute(route, call)
        for rule in call.rules:
            if rule.action == "garbage":
                head, _, body = booked.partition(b"\r\n\r\n")
                status = int(head.split(b" ", 2)[1])
                booked = http_response(status, spoiled(body, rule))
        answer: Answer = booked if final is None else self._ending(final, booked)
        delay = sum(r.delay_ms() for r in call.rules if r.action == "delay" and r.booked)
        return Deferred(delay / 1000, lambda: answer) if delay else answer

    def _ending(self, rule: FaultRule, answer: bytes) -> Answer:
        match rule.action:
            case "drop" | "close":
                return Hangup()
            case "freeze":
                return Frozen(rule.ms / 1000)
            case "cut_body":
                if not answer:
                    answer = http_response(200, error_body("0", ""))
                head, _, body = answer.partition(b"\r\n\r\n")
                return Hangup(head + b"\r\n\r\n" + body[: max(1, int(len(body) * rule.ratio))])
            case "http_status":
                body = rule.body.encode() if rule.body is not None else _page(rule.status or 502)
                kind = b"application/json" if body[:1] in b"{[" and body else b"text/html"
                return http_response(rule.status or 502, body, kind, retry_after=rule.retry_after)
            case "error_code":
                refusal = RefusedError(rule.code, rule.msg, rule.status)
                body = error_body(refusal.code, refusal.msg)
                return http_response(refusal.http_status, body, retry_after=rule.retry_after)
            case "html":
                body = rule.body.encode() if rule.body is not None else _page(200)
                return http_response(200, body, b"text/html")
            case "empty_body":
                return http_response(200, b"")
            case "empty_data":
                return http_response(200, error_body("0", ""))
        raise AssertionError(rule.action)

    # -- WebSocket ------------------------------------------------------------------------------

    def refuse_websocket(self, request: Request) -> bytes | None:
        if request.path not in WEBSOCKET_PATHS:
            return self.error_response("404")
        if not self.limiter.ws_connect(request.ip):
            return self.error_response("50011")
        for rule in self.faults.hits(request.path[1:].decode().replace("ws/v5", "ws"), "GET"):
            if rule.action in _ENDINGS:
                answer = self._ending(rule, b"")
                return answer if isinstance(answer, bytes) else http_response(503, b"")
        return None

    # -- the clock's hand -----------------------------------------------------------------------

    async def run_feed(self, interval_s: float = 0.1) -> None:
        """Move the market and everything that depends on time, at a steady pace."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + interval_s, loop.time())
            await asyncio.sleep(max(0.0, due - loop.time()))
            try:
                self.exchange.tick()
                self.hub.tick(monotonic())
            except Exception:
                log.exception("tick failed")

    def shut_down(self) -> None:
        for connection in list(self.connections):
            connection.shut_down()


_ENDINGS = frozenset(
    {
        "drop",
        "close",
        "freeze",
        "cut_body",
        "http_status",
        "error_code",
        "html",
        "empty_body",
        "empty_data",
    }
)


def _page(status: int) -> bytes:
    title = {
        502: b"502 Bad Gateway",
        503: b"503 Service Temporarily Unavailable",
        504: b"504 Gateway Time-out",
        403: b"403 Forbidden",
        429: b"429 Too Many Requests",
    }
    text = title.get(status, b"%d" % status)
    return HTML_PAGE % (text, text)

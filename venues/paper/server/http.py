"""HTTP/1.1 over httptools: keep-alive, pipelining in order, bounded bodies, WebSocket upgrade."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from time import time
from typing import TYPE_CHECKING, Any
from wsgiref.handlers import format_date_time

import httptools

from venues.paper.server.ws import WebSocketConnection

if TYPE_CHECKING:
    from venues.paper.server.app import PaperServer

MAX_BODY = 1 << 20
MAX_CONTROL_BODY = 64 << 20  # thousands of accounts may be posted at once
MAX_HEADERS = 100
MAX_HEADER_BYTES = 64 << 10
MAX_PIPELINED = 1000

_JSON = b"application/json"
_STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}

_date = b""
_date_second = 0


def _date_header() -> bytes:
    global _date, _date_second
    second = int(time())
    if second != _date_second:
        _date_second = second
        _date = b"Date: " + format_date_time(second).encode() + b"\r\nContent-Length: "
    return _date


def http_response(
    status: int,
    body: bytes,
    content_type: bytes = _JSON,
    *,
    length: int | None = None,
    retry_after: int | None = None,
) -> bytes:
    """`length` may promise more than `body` holds: that is how an answer is cut short."""
    line = _STATUS_LINES.get(status) or f"HTTP/1.1 {status} Unknown\r\n".encode()
    if retry_after is not None:
        line += b"Retry-After: %d\r\n" % retry_after
    return b"%bContent-Type: %b\r\n%b%d\r\n\r\n%b" % (
        line,
        content_type,
        _date_header(),
        len(body) if length is None else length,
        body,
    )


class Request:
    __slots__ = ("body", "headers", "ip", "keep_alive", "method", "path", "query", "target")

    def __init__(
        self, method: bytes, target: bytes, headers: dict[bytes, bytes], body: bytes, ip: str
    ) -> None:
        self.method = method
        self.target = target
        path, _, query = target.partition(b"?")
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.ip = ip
        self.keep_alive = True


class Deferred:
    """An answer that comes later; requests pipelined behind it wait their turn."""

    __slots__ = ("delay_s", "resume")

    def __init__(self, delay_s: float, resume: Callable[[], Answer]) -> None:
        self.delay_s = delay_s
        self.resume = resume


class Hangup:
    """Write what there is (maybe nothing), then close the connection."""

    __slots__ = ("payload",)

    def __init__(self, payload: bytes = b"") -> None:
        self.payload = payload


class Frozen:
    """Never answer, and keep the connection open; closed after `seconds` when given."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds


Answer = bytes | Deferred | Hangup | Frozen


class HttpConnection(asyncio.Protocol):
    __slots__ = (
        "_app",
        "_backlog",
        "_blocked",
        "_body",
        "_body_size",
        "_closing",
        "_header_bytes",
        "_headers",
        "_ip",
        "_out",
        "_parser",
        "_target",
        "_too_large",
        "_upgrade_request",
        "_ws",
        "transport",
    )

    transport: Any

    def __init__(self, app: PaperServer) -> None:
        self._app = app
        self._ip = ""
        self._parser = httptools.HttpRequestParser(self)
        self._headers: dict[bytes, bytes] = {}
        self._header_bytes = 0
        self._target = b""
        self._body: list[bytes] = []
        self._body_size = 0
        self._too_large = False
        self._out: list[bytes] = []
        self._backlog: deque[Request] = deque()
        self._blocked = False
        self._closing = False
        self._ws: WebSocketConnection | None = None
        self._upgrade_request: Request | None = None

    # -- asyncio.Protocol ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        peer = transport.get_extra_info("peername")
        self._ip = peer[0] if peer else ""
        self._app.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._app.connections.discard(self)
        self._closing = True
        self._backlog.clear()
        if self._ws is not None:
            self._ws.connection_lost()

    def data_received(self, data: bytes) -> None:
        ws = self._ws
        if ws is not None:
            ws.data_received(data)
            return
        if self._closing:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._flush()
            self._after_upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            self._out.append(self._app.error_response("50002", "Bad Request", 400))
            self._close_after_flush()
            return
        if self._out:
            self._flush()

    def eof_received(self) -> bool:
        return self._ws is not None and self._ws.eof_received()

    def pause_writing(self) -> None:
        """A client that does not read its answers may not ask more questions."""
        if self._ws is None and not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        if self._ws is None and not self.transport.is_closing():
            self.transport.resume_reading()

    # -- httptools callbacks ------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._headers = {}
        self._header_bytes = 0
        self._target = b""
        self._body = []
        self._body_size = 0
        self._too_large = False

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value)
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        headers = self._headers
        if len(headers) > MAX_HEADERS or self._header_bytes > MAX_HEADER_BYTES:
            self._too_large = True
        if b"expect" in headers and not self._closing:
            self._out.append(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._flush()

    def on_body(self, body: bytes) -> None:
        self._body_size += len(body)
        limit = MAX_CONTROL_BODY if self._target.startswith(b"/control/") else MAX_BODY
        if self._body_size > limit:
            self._too_large = True
            self._body = []
            # Whatever it is, it will not be read to its end.
            self._refuse_too_large()
            return
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._closing:
            return
        if self._too_large:
            self._refuse_too_large()
            return
        parser = self._parser
        parts = self._body
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        request = Request(parser.get_method(), self._target, self._headers, body, self._ip)
        request.keep_alive = parser.should_keep_alive()
        if parser.should_upgrade():
            if self._headers.get(b"upgrade", b"").lower() == b"websocket":
                self._upgrade_request = request
                return
            # Another protocol was offered (h2c): HTTP/1.1 goes on as if nothing had been said.
            request.keep_alive = True
        if self._blocked or self._backlog:
            self._backlog.append(request)
            if len(self._backlog) >= MAX_PIPELINED:
                self.transport.pause_reading()
            return
        self._serve(request)

    # -- answers ------------------------------------------------------------------------------

    def _serve(self, request: Request) -> None:
        self._answer(self._app.handle(request), request)

    def _answer(self, answer: Answer, request: Request) -> None:
        if type(answer) is bytes:
            self._out.append(answer)
            if not request.keep_alive:
                self._close_after_flush()
        elif isinstance(answer, Deferred):
            self._blocked = True
            self._flush()
            asyncio.get_running_loop().call_later(answer.delay_s, self._resume, answer, request)
        elif isinstance(answer, Hangup):
            if answer.payload:
                self._out.append(answer.payload)
            self._close_after_flush()
        elif isinstance(answer, Frozen):
            self._blocked = True
            self._flush()
            if answer.seconds:
                asyncio.get_running_loop().call_later(answer.seconds, self._close_after_flush)

    def _resume(self, deferred: Deferred, request: Request) -> None:
        # The request is carried out even when the client has gone: that is the point of a delay.
        self._blocked = False
        answer = deferred.resume()
        if self._closing:
            return
        self._answer(answer, request)
        while self._backlog and not self._blocked and not self._closing:
            self._serve(self._backlog.popleft())
        if not self._closing:
            self._flush()
            self.transport.resume_reading()

    def _flush(self) -> None:
        if self._out and not self.transport.is_closing():
            if self._app.before_answers is not None:
                self._app.before_answers()
            self.transport.write(b"".join(self._out) if len(self._out) > 1 else self._out[0])
        self._out.clear()

    def _close_after_flush(self) -> None:
        self._closing = True
        self._flush()
        if not self.transport.is_closing():
            self.transport.close()

    def _refuse_too_large(self) -> None:
        if not self._closing:
            self._out.append(self._app.error_response("413"))
            self._close_after_flush()

    # -- upgrade ------------------------------------------------------------------------------

    def _after_upgrade(self, rest: bytes) -> None:
        request = self._upgrade_request
        self._upgrade_request = None
        if request is None:
            self._parser = httptools.HttpRequestParser(self)
            if rest:
                self.data_received(rest)
            return
        if self._closing:
            return
        refusal = self._app.refuse_websocket(request)
        if refusal is not None:
            self._out.append(refusal)
            self._close_after_flush()
            return
        self._ws = WebSocketConnection(self._app, self.transport, request)
        self._ws.open(rest)

    def shut_down(self) -> None:
        if self._ws is not None:
            self._ws.close(1001, "server shutdown")
        elif not self.transport.is_closing():
            self._closing = True
            self.transport.close()

"""One WebSocket connection: handshake and frames by websockets' sans-IO protocol.

Pushes are framed once and written to many sockets as they are (server frames are not masked), so
a fan-out costs one serialisation however many subscribers there are.
"""

from __future__ import annotations

import asyncio
import secrets
from time import monotonic
from typing import TYPE_CHECKING, Any

import orjson
from websockets.exceptions import ProtocolError
from websockets.frames import Frame, Opcode
from websockets.http11 import Request as HandshakeRequest
from websockets.protocol import State
from websockets.server import ServerProtocol

from venues.paper.server.codes import RefusedError
from venues.paper.server.limits import WS_OPERATIONS_PER_HOUR

if TYPE_CHECKING:
    from venues.paper.server.app import PaperServer
    from venues.paper.server.http import Request

MAX_MESSAGE = 64 << 10
IDLE_S = 30.0
MAX_BUFFERED = 16 << 20
CLOSE_GRACE_S = 5.0


def text_frame(payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


class WebSocketConnection:
    __slots__ = (
        "_fragments",
        "_frozen",
        "_held",
        "_hour_ends",
        "_operations",
        "_protocol",
        "_request",
        "_transport",
        "account",
        "app",
        "closed",
        "conn_id",
        "demo",
        "ip",
        "kind",
        "last_sent",
        "subscriptions",
    )

    def __init__(self, app: PaperServer, transport: Any, request: Request) -> None:
        self.app = app
        self.ip = request.ip
        self.kind = request.path.rpartition(b"/")[2].decode()
        self.demo = request.headers.get(b"x-simulated-trading") == b"1" or (
            b"brokerId=9999" in request.query
        )
        self.account: Any = None
        self.conn_id = secrets.token_hex(4)
        # canonical argument -> the argument as it was sent
        self.subscriptions: dict[bytes, dict[str, Any]] = {}
        self.closed = False
        self.last_sent = monotonic()
        self._transport = transport
        self._request = request
        self._protocol = ServerProtocol(max_size=MAX_MESSAGE)
        self._fragments: list[bytes] = []
        self._frozen = False
        self._held: list[bytes] = []
        self._hour_ends = monotonic() + 3600
        self._operations = 0

    # -- life -----------------------------------------------------------------------------------

    def open(self, rest: bytes) -> None:
        request = self._request
        head = [b"%b %b HTTP/1.1\r\n" % (request.method, request.target)]
        head += [b"%b: %b\r\n" % item for item in request.headers.items()]
        head.append(b"\r\n")
        self._protocol.receive_data(b"".join(head))
        for event in self._protocol.events_received():
            if isinstance(event, HandshakeRequest):
                self._protocol.send_response(self._protocol.accept(event))
        self._write_out()
        if self._protocol.state is not State.OPEN:
            self._transport.close()
            return
        self.app.hub.connected(self)
        if rest:
            self.data_received(rest)

    def connection_lost(self) -> None:
        if not self.closed:
            self.closed = True
        self.app.hub.disconnected(self)

    def close(self, code: int, reason: str) -> None:
        if self.closed:
            return
        self.closed = True
        self.app.hub.disconnected(self)
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code, reason)
            self._write_out()
        asyncio.get_running_loop().call_later(CLOSE_GRACE_S, self._transport.abort)

    def abort(self) -> None:
        """Cut the line without a word."""
        self.closed = True
        self.app.hub.disconnected(self)
        self._transport.abort()

    def notice(self, closes_in_s: float = 60.0) -> None:
        """What the venue says before it closes the line for an upgrade (not on business)."""
        if self.kind == "business":
            return
        self.send(
            {
                "event": "notice",
                "code": "64008",
                "msg": "The connection will soon be closed for a service upgrade. "
                "Please reconnect.",
                "connId": self.conn_id,
            }
        )
        delay = closes_in_s or 60.0
        asyncio.get_running_loop().call_later(delay, self.close, 1001, "service upgrade")

    def freeze(self, seconds: float) -> None:
        """Open but silent in both directions, like a half-dead line; for good when 0 is given."""
        self._frozen = True
        self._transport.pause_reading()
        if seconds:
            asyncio.get_running_loop().call_later(seconds, self._thaw)

    def _thaw(self) -> None:
        self._frozen = False
        if self.closed or self._transport.is_closing():
            return
        held, self._held = self._held, []
        for frame in held:
            self._transport.write(frame)
        self.last_sent = monotonic()
        self._transport.resume_reading()

    def sweep(self, now: float) -> None:
        if not self._frozen and now - self.last_sent > IDLE_S:
            self.close(4004, "No data received in 30s.")

    # -- bytes ----------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Frame) and not self.closed:
                self._frame(event)
        self._write_out()
        if self._protocol.close_expected():
            self.closed = True
            self.app.hub.disconnected(self)
            asyncio.get_running_loop().call_later(CLOSE_GRACE_S, self._transport.abort)

    def eof_received(self) -> bool:
        try:
            self._protocol.receive_eof()
            self._write_out()
        except (ProtocolError, EOFError):
            self._transport.abort()
        return False

    def _write_out(self) -> None:
        for chunk in self._protocol.data_to_send():
            if self._transport.is_closing():
                return
            if chunk:
                self._transport.write(chunk)
            else:
                self._transport.close()

    def _frame(self, frame: Frame) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._fragments = [bytes(frame.data)]
        elif frame.opcode is Opcode.CONT:
            self._fragments.append(bytes(frame.data))
        else:
            return  # control frames are answered by the protocol, and do not count as traffic
        if not frame.fin:
            return
        message = b"".join(self._fragments)
        self._fragments = []
        self._message(message)

    def send_frame(self, frame: bytes) -> None:
        if self.closed:
            return
        self.last_sent = monotonic()
        if self._frozen:
            self._held.append(frame)
            return
        transport = self._transport
        transport.write(frame)
        if transport.get_write_buffer_size() > MAX_BUFFERED:
            self.close(4005, "Buffer is full")

    def send_payload(self, payload: bytes) -> None:
        self.send_frame(text_frame(payload))

    def send(self, message: dict[str, Any]) -> None:
        self.send_frame(text_frame(orjson.dumps(message)))

    def refuse(self, refusal: RefusedError, request_id: str | None = None) -> None:
        message = {"event": "error", "code": refusal.code, "msg": refusal.msg}
        if request_id is not None:
            message = {"id": request_id, **message}
        self.send({**message, "connId": self.conn_id})

    # -- messages -------------------------------------------------------------------------------

    def _message(self, message: bytes) -> None:
        if message == b"ping":
            self.send_payload(b"pong")
            return
        try:
            frame = orjson.loads(message)
        except orjson.JSONDecodeError:
            frame = None
        if not isinstance(frame, dict) or not isinstance(frame.get("op"), str):
            text = message[:200].decode("utf-8", "replace")
            self.refuse(RefusedError("60012", frame=text))
            return
        self.app.ws_operations.handle(self, frame)

    def count_operation(self) -> bool:
        """480 subscribe, unsubscribe and login requests per connection and hour."""
        if not self.app.limiter.enabled:
            return True
        now = monotonic()
        if now >= self._hour_ends:
            self._hour_ends = now + 3600
            self._operations = 0
        self._operations += 1
        return self._operations <= WS_OPERATIONS_PER_HOUR

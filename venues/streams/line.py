"""One client WebSocket: websockets' sans-IO protocol over an asyncio transport, no task of its own.

A process keeps thousands of these: 6 KiB each, where ccxt.pro takes 890 (docs/adr/0010). A line is
opened once and never again; time-outs are its owner's, who calls `abort`.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidState
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import WebSocketURI, parse_uri

MAX_MESSAGE_BYTES = 4 << 20
CONNECT_SECONDS = 5.0
CLOSE_GRACE_SECONDS = 2.0
TOO_MANY_REQUESTS = 429

_quiet = logging.getLogger("venues.streams.frames")  # frames of private streams are nobody's log
_quiet.setLevel(logging.WARNING)


class LineOwner(Protocol):
    def line_opened(self, line: Line) -> None: ...

    def line_heard(self, line: Line, message: bytes) -> None: ...

    def line_ended(self, line: Line, end: LineEnd) -> None:
        """Once, and nothing after it; not when the owner itself closed or aborted it."""


class LineEnd:
    """How a line ended: by its close code, or by what the server answered to the handshake."""

    __slots__ = ("detail", "http_status", "retry_after")

    def __init__(self, detail: str, http_status: int = 0, retry_after: str | None = None) -> None:
        self.detail = detail
        self.http_status = http_status
        self.retry_after = retry_after


class Line(asyncio.Protocol):
    __slots__ = ("_fragments", "_owner", "_protocol", "_transport")

    def __init__(self, uri: WebSocketURI, owner: LineOwner, headers: Mapping[str, str]) -> None:
        self._owner: LineOwner | None = owner
        self._protocol = ClientProtocol(uri, max_size=MAX_MESSAGE_BYTES, logger=_quiet)
        self._transport: Any = None
        self._fragments: list[bytes] = []
        request = self._protocol.connect()
        request.headers["User-Agent"] = "tandem"
        for name, value in headers.items():
            request.headers[name] = value
        self._protocol.send_request(request)

    # --- what the owner asks for ------------------------------------------------------------

    def send(self, message: bytes) -> None:
        """Nothing when the line is not open any more: its end has been told, or will be."""
        try:
            self._protocol.send_text(message)
        except InvalidState:
            return
        self._write_out()

    def close(self) -> None:
        """Say goodbye; the owner hears nothing more."""
        self._owner = None
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(1000)
            self._write_out()
        asyncio.get_running_loop().call_later(CLOSE_GRACE_SECONDS, transport.abort)

    def abort(self) -> None:
        """Cut it; the owner hears nothing more."""
        self._owner = None
        if self._transport is not None:
            self._transport.abort()

    # --- what the transport tells -----------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        if self._owner is None:
            self._transport.abort()
            return
        self._write_out()

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                self._answered(event)
            elif isinstance(event, Frame):
                self._frame(event)
        self._write_out()
        if self._protocol.handshake_exc is not None:
            self._end(LineEnd(f"no WebSocket: {self._protocol.handshake_exc}"[:200]))
        elif self._protocol.state is not State.OPEN and self._protocol.close_expected():
            self._end(LineEnd(self._close_words()))

    def eof_received(self) -> bool:
        return False  # connection_lost follows

    def connection_lost(self, error: Exception | None) -> None:
        self._end(LineEnd(self._close_words(error)))

    # ----------------------------------------------------------------------------------------

    def _answered(self, response: Response) -> None:
        if self._protocol.state is State.OPEN:
            if self._owner is not None:
                self._owner.line_opened(self)
            return
        status = response.status_code
        retry_after = response.headers.get("Retry-After")
        self._end(LineEnd(f"HTTP {status}", status, retry_after))

    def _frame(self, frame: Frame) -> None:
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return  # pings are answered by the protocol
        if frame.fin and not self._fragments:
            message = bytes(frame.data)
        else:
            self._fragments.append(bytes(frame.data))
            if not frame.fin:
                return
            message = b"".join(self._fragments)
            self._fragments = []
        if self._owner is not None:
            self._owner.line_heard(self, message)

    def _write_out(self) -> None:
        transport = self._transport
        if transport is None:
            return
        for chunk in self._protocol.data_to_send():
            if transport.is_closing():
                return
            if chunk:
                transport.write(chunk)
            elif transport.can_write_eof():
                transport.write_eof()
            else:
                transport.close()

    def _close_words(self, error: Exception | None = None) -> str:
        protocol = self._protocol
        if protocol.close_rcvd is not None:
            return f"closed by the venue: {protocol.close_rcvd.code} {protocol.close_rcvd.reason}"
        if protocol.parser_exc is not None:
            return f"unreadable: {protocol.parser_exc}"[:200]
        return f"cut: {type(error).__name__}" if error is not None else "cut"

    def _end(self, end: LineEnd) -> None:
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.line_ended(self, end)
        transport = self._transport
        if transport is not None and not transport.is_closing():
            asyncio.get_running_loop().call_later(CLOSE_GRACE_SECONDS, transport.abort)


async def open_line(
    url: str,
    owner: LineOwner,
    *,
    headers: Mapping[str, str],
    local_address: tuple[str, int] | None = None,
) -> Line:
    """Connect and begin the handshake; `line_opened` tells when it is done. Raises OSError."""
    uri = _parsed(url)
    async with asyncio.timeout(CONNECT_SECONDS):
        _, line = await asyncio.get_running_loop().create_connection(
            lambda: Line(uri, owner, headers),
            uri.host,
            uri.port,
            ssl=_tls() if uri.secure else None,
            server_hostname=uri.host if uri.secure else None,
            local_addr=local_address,
        )
    return line


@cache
def _parsed(url: str) -> WebSocketURI:
    return parse_uri(url)


@cache
def _tls() -> ssl.SSLContext:
    """One for all lines: a context of its own would cost each of them 700 KiB."""
    return ssl.create_default_context()

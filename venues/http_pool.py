"""HTTP/1.1 to one origin over kept connections, for requests that are cheap and many.

A general client spends most of a small request on generality: several times what signing and
sending cost (docs/performance.md). This one knows one origin, buffers whole bodies,
follows no redirect, keeps no cookie, asks for no compression and repeats nothing. The parser is
httptools; TLS, and the check of the server's name, is Python's own.

Runs on one event loop. A request that raises ConnectError never left; after any other error it may
have arrived.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httptools

IDLE_SECONDS = 25.0
"""A connection that rested longer is not trusted: the server may be closing it right now."""
CONNECT_TIMEOUT_SECONDS = 5.0
MAX_BODY_BYTES = 16 * 1024 * 1024


class ConnectError(OSError):
    """No connection was made, so nothing left."""


class DisconnectedError(OSError):
    """The connection ended before the answer did; the request may have arrived."""


class MalformedAnswerError(ValueError):
    """What came is not HTTP, or larger than any answer may be."""


@dataclass(slots=True)
class HttpAnswer:
    """Status, headers by lower-case name (the last of several), and the whole body."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class HttpPool:
    """Connections to one origin: at most `limit`, the one used last is taken first."""

    def __init__(
        self, origin: str, *, limit: int, local_address: tuple[str, int] | None = None
    ) -> None:
        """`origin` as `https://host[:port]`. Raises ValueError for anything else."""
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{origin!r} is not an address of the form https://host[:port].")
        self._host = parts.hostname
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._head = f" HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: application/json\r\n"
        self._limit = limit
        self._local_address = local_address
        self._open = 0
        self._idle: deque[_Connection] = deque()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._closed = False

    async def request(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        timeout_seconds: float,
    ) -> HttpAnswer:
        """One exchange; the time-out covers the wait for a connection, too.

        Raises ConnectError, DisconnectedError, MalformedAnswerError, TimeoutError, and ValueError
        for a target or header that would not be one line.
        """
        payload = self._payload(method, target, headers, body)
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_seconds
        connection = self._take_idle(loop.time())
        if connection is None:
            connection = await self._new_connection(until)
        try:
            return await connection.exchange(payload, until)
        finally:
            self._give_back(connection)

    async def aclose(self) -> None:
        """Close what is idle now, and what is busy when it is done."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    # --- connections ------------------------------------------------------------------------

    def _take_idle(self, now: float) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable and now - connection.idle_since < IDLE_SECONDS:
                return connection
            self._drop(connection)
        return None

    async def _new_connection(self, until: float) -> _Connection:
        loop = asyncio.get_running_loop()
        while self._open >= self._limit:
            freed: asyncio.Future[None] = loop.create_future()
            self._waiting.append(freed)
            try:
                async with asyncio.timeout_at(until):
                    await freed
            except TimeoutError as error:
                raise ConnectError("no connection became free in time") from error
            finally:
                if freed in self._waiting:
                    self._waiting.remove(freed)
            connection = self._take_idle(loop.time())
            if connection is not None:
                return connection
        self._open += 1
        try:
            async with asyncio.timeout_at(min(until, loop.time() + CONNECT_TIMEOUT_SECONDS)):
                _, connection = await loop.create_connection(
                    _Connection,
                    self._host,
                    self._port,
                    ssl=self._tls,
                    local_addr=self._local_address,
                )
        except (OSError, TimeoutError) as error:
            self._freed()
            raise ConnectError(str(error) or type(error).__name__) from error
        except BaseException:
            self._freed()
            raise
        return connection

    def _give_back(self, connection: _Connection) -> None:
        if self._closed or not connection.usable:
            self._drop(connection)
            return
        connection.idle_since = asyncio.get_running_loop().time()
        self._idle.append(connection)
        self._wake_one()

    def _drop(self, connection: _Connection) -> None:
        connection.close()
        self._freed()

    def _freed(self) -> None:
        self._open -= 1
        self._wake_one()

    def _wake_one(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    # --- the request's bytes ----------------------------------------------------------------

    def _payload(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
        fields = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        if fields.count("\n") != len(headers) or fields.count("\r") != len(headers):
            raise ValueError("A header contains a line break.")
        if not target.isascii() or not target.isprintable() or " " in target:
            raise ValueError("The request target is not encoded.")
        length = f"Content-Length: {len(body)}\r\n\r\n" if body or method != "GET" else "\r\n"
        return f"{method} {target}{self._head}{fields}{length}".encode("latin-1") + body


class _Connection(asyncio.Protocol):
    """One exchange at a time."""

    def __init__(self) -> None:
        self.idle_since = 0.0
        self.usable = True
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._answer: asyncio.Future[HttpAnswer] | None = None
        self._building = HttpAnswer()
        self._chunks: list[bytes] = []
        self._size = 0
        self._has_length = False

    async def exchange(self, payload: bytes, until: float) -> HttpAnswer:
        loop = asyncio.get_running_loop()
        if self._transport is None or self._transport.is_closing():
            self.usable = False
            raise DisconnectedError("the connection was closed")
        self._answer = loop.create_future()
        self._parser = httptools.HttpResponseParser(self)
        timer = loop.call_at(until, self._time_out)
        try:
            self._transport.write(payload)
            return await self._answer
        finally:
            timer.cancel()
            if not self._answer.done() or self._answer.cancelled():
                self.usable = False  # its answer would be taken for the next one's
            self._answer = None

    def close(self) -> None:
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    def _time_out(self) -> None:
        self._fail(TimeoutError("no answer in time"))

    def _fail(self, error: Exception) -> None:
        self.usable = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    # --- asyncio.Protocol -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream's is a Transport

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done() or self._parser is None:
            self.close()  # bytes that nobody asked for: whatever they answer, it is not ours
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(MalformedAnswerError(f"not HTTP: {error}"))

    def eof_received(self) -> None:
        return None  # the transport closes itself

    def connection_lost(self, exc: Exception | None) -> None:
        self.usable = False
        if self._answer is None or self._answer.done():
            return
        if exc is None and self._building.status and not self._has_length:
            self._complete()  # the old way of ending a body: by closing
        else:
            self._fail(DisconnectedError(str(exc) if exc else "closed before the answer's end"))

    # --- httptools callbacks ----------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._building = HttpAnswer()
        self._chunks = []
        self._size = 0
        self._has_length = False

    def on_header(self, name: bytes, value: bytes) -> None:
        key = name.lower().decode("latin-1")
        self._building.headers[key] = value.decode("latin-1")
        if key in ("content-length", "transfer-encoding"):
            self._has_length = True

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        self._building.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > MAX_BODY_BYTES:
            self._fail(MalformedAnswerError("the answer is too large"))
            return
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        assert self._parser is not None
        if self._building.status < 200:
            return  # an interim answer; the real one follows
        if not self._parser.should_keep_alive():
            self.usable = False
        self._complete()

    def _complete(self) -> None:
        answer = self._building
        answer.body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)

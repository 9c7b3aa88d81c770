"""Who gets which connection."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from venues.http_pool.answers import ConnectError, HttpAnswer, WithdrawnError
from venues.http_pool.connecting import Connector
from venues.http_pool.connection import Connection

_METHODS = frozenset(["GET", "POST", "PUT", "PATCH", "DELETE"])
"""An answer to HEAD or CONNECT would have to be read differently."""


class HttpPool:
    """Connections to one origin: at most `limit`, the one used last is taken first.

    A connection or the right to open one (a place) belongs to somebody at any time: to a request,
    to the idle ones, or on its way to the request that waited longest. So nobody waits while
    something is idle, and no newcomer goes before those who wait.
    """

    def __init__(
        self, origin: str, *, limit: int, local_address: tuple[str, int] | None = None
    ) -> None:
        """`origin` as `https://host[:port]`. Raises ValueError for anything else."""
        parts = urlsplit(origin)
        if (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or parts.path not in ("", "/")
            or "@" in parts.netloc
            or parts.query
            or parts.fragment
        ):
            raise ValueError("The origin is not of the form https://host[:port].")
        tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._connector = Connector(
            parts.hostname,
            parts.port or (443 if tls else 80),
            tls=tls,
            local_address=local_address,
        )
        self._head = (
            f" HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: Tandem\r\n"
            "Accept: application/json\r\nAccept-Encoding: identity\r\n"
        )
        self._limit = limit
        self._places_taken = 0
        self._idle: list[Connection] = []
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    async def request(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        timeout_seconds: float,
        still_wanted: Callable[[], bool] | None = None,
    ) -> HttpAnswer:
        """One exchange; the time-out covers the wait for a connection, too.

        `still_wanted` is asked in the moment before the request leaves, after all waiting.
        Raises ConnectError, WithdrawnError, DisconnectedError, MalformedAnswerError, TimeoutError,
        and ValueError for a method, target or header that cannot be sent.
        """
        payload = self._payload(method, target, headers, body)
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._belong_to(loop)
        now = loop.time()
        until = now + timeout_seconds
        connection = self._take_idle(now)
        if connection is None:
            connection = await self._take_turn(until)
        try:
            if still_wanted is not None and not still_wanted():
                raise WithdrawnError
            return await connection.exchange(payload, until)
        finally:
            self._give_back(connection)

    async def aclose(self) -> None:
        """Close what is idle now, and what is busy when it is done. Who waits is refused."""
        self._closed = True
        while self._idle:
            self._drop(self._idle.pop())
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_exception(ConnectError("the pool was closed"))
        self._waiting.clear()

    def _belong_to(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is not None:
            raise RuntimeError("A pool serves one event loop.")
        self._loop = loop

    # --- connections ------------------------------------------------------------------------

    def _take_idle(self, now: float) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_fresh(now):
                return connection
            self._drop(connection)
        return None

    async def _take_turn(self, until: float) -> Connection:
        """A connection that was handed over, or a new one."""
        if self._closed:
            raise ConnectError("the pool was closed")
        if self._places_taken < self._limit:
            self._places_taken += 1
        else:
            handed = await self._wait(until)
            if handed is not None and handed.is_fresh(asyncio.get_running_loop().time()):
                return handed
            if handed is not None:
                handed.close()  # its place is ours
        try:
            return await self._connector.connect(until)
        except BaseException:
            self._free_place()
            raise

    async def _wait(self, until: float) -> Connection | None:
        """Somebody's connection, or None: somebody's place."""
        loop = asyncio.get_running_loop()
        handed: asyncio.Future[Connection | None] = loop.create_future()
        self._waiting.append(handed)
        timer = loop.call_at(until, _refuse, handed)
        try:
            return await handed
        except BaseException:
            # Handed over and cancelled in one moment: the next one must not miss it.
            if handed.done() and not handed.cancelled() and handed.exception() is None:
                self._pass_on(handed.result())
            raise
        finally:
            timer.cancel()

    def _next_in_line(self) -> asyncio.Future[Connection | None] | None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():  # else it gave up
                return waiter
        return None

    def _pass_on(self, handed: Connection | None) -> None:
        if handed is None:
            self._free_place()
        else:
            self._give_back(handed)

    def _give_back(self, connection: Connection) -> None:
        if self._closed or not connection.usable:
            self._drop(connection)
            return
        assert self._loop is not None
        connection.idle_since = self._loop.time()
        waiter = self._next_in_line() if self._waiting else None
        if waiter is not None:
            waiter.set_result(connection)
        else:
            self._idle.append(connection)

    def _drop(self, connection: Connection) -> None:
        connection.close()
        self._free_place()

    def _free_place(self) -> None:
        waiter = self._next_in_line()
        if waiter is not None:
            waiter.set_result(None)
        else:
            self._places_taken -= 1

    # --- the request's bytes ----------------------------------------------------------------

    def _payload(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
        if method not in _METHODS:
            raise ValueError("The method is not one that can be sent.")
        if not target.startswith("/") or not target.isascii() or not target.isprintable():
            raise ValueError("The request target is not encoded.")
        if " " in target:
            raise ValueError("The request target is not encoded.")
        fields = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        if fields.count("\n") != len(headers) or fields.count("\r") != len(headers):
            raise ValueError("A header contains a line break.")
        length = f"Content-Length: {len(body)}\r\n\r\n" if body or method != "GET" else "\r\n"
        return f"{method} {target}{self._head}{fields}{length}".encode("latin-1") + body


def _refuse(waiter: asyncio.Future[Connection | None]) -> None:
    if not waiter.done():
        waiter.set_exception(ConnectError("no connection became free in time"))

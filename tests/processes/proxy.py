"""A TCP proxy that a test can cut or freeze: how a server that is away looks to a process."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass
from urllib.parse import urlsplit

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Target:
    """Where to forward to: a unix socket or a TCP address."""

    path: str = ""
    host: str = LOOPBACK
    port: int = 0


def target_of(url: str, *, default_port: int) -> Target:
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return Target(path=parts.path)
    return Target(host=parts.hostname or LOOPBACK, port=parts.port or default_port)


class Proxy:
    """`with Proxy(target) as proxy:` then connect to `proxy.port`."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()

    def __enter__(self) -> Proxy:
        self._thread.start()
        self._call(self._listen())
        self._flows.set()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def cut(self) -> None:
        """Close every connection and refuse new ones."""
        self._call(self._cut())

    def restore(self) -> None:
        """Listen again at the same port; let frozen connections flow on."""
        self._call(self._listen())
        self._loop.call_soon_threadsafe(self._flows.set)

    def freeze(self) -> None:
        """Keep the connections, accept new ones, and pass nothing on."""
        self._loop.call_soon_threadsafe(self._flows.clear)

    def _call(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(5)  # type: ignore[arg-type]

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()

    async def _end(self) -> None:
        """Connections that were frozen have to be told."""
        mine = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in mine:
            task.cancel()
        await asyncio.gather(*mine, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = self.target
        opened = (
            asyncio.open_unix_connection(target.path)
            if target.path
            else asyncio.open_connection(target.host, target.port)
        )
        upstream_reader, upstream_writer = await opened
        self._writers |= {writer, upstream_writer}
        await asyncio.gather(
            self._pump(reader, upstream_writer), self._pump(upstream_reader, writer)
        )
        self._writers -= {writer, upstream_writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65536):
                await self._flows.wait()
                writer.write(chunk)
                await writer.drain()
        writer.close()

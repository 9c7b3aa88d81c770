"""An HTTP server that does what the test says, byte by byte, also what no server should do."""

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]


class Peer:
    """The server's end of one connection."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: Any) -> None:
        self.number = number
        self.address: str = writer.get_extra_info("peername")[0]
        self._reader = reader
        self._writer = writer

    async def request(self) -> Received:
        """Raises EOFError (asyncio.IncompleteReadError) when the client has gone."""
        lines = await self.request_head()
        headers = dict(line.split(": ", 1) for line in lines[1:])
        body = await self._reader.readexactly(int(headers.get("Content-Length", 0)))
        return Received(lines[0], headers, body)

    async def request_head(self) -> list[str]:
        head = await self._reader.readuntil(b"\r\n\r\n")
        return head.decode("latin-1").split("\r\n")[:-2]

    async def read_some(self) -> bytes:
        return await self._reader.read(4096)

    async def gone(self) -> None:
        """Wait until the client has closed."""
        while await self._reader.read(65536):
            pass

    async def send(self, answer: bytes) -> None:
        """Returns when the kernel has all of it."""
        transport = self._writer.transport
        rest = answer
        while rest or transport.get_write_buffer_size():
            if transport.is_closing():
                raise ConnectionResetError
            transport.write(rest)
            rest = b""
            await asyncio.sleep(0)

    def send_now(self, answer: bytes) -> None:
        """Into the client's socket before this returns, so before any event loop looks."""
        assert os.write(self._writer.get_extra_info("socket").fileno(), answer) == len(answer)

    def end_now(self) -> None:
        """Send the end of the stream before this returns; over TLS without announcing it."""
        with self._own_socket() as own:
            own.shutdown(socket.SHUT_WR)

    async def close(self) -> None:
        self._writer.close()

    async def reset(self) -> None:
        with self._own_socket() as own:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def _own_socket(self) -> socket.socket:
        return socket.socket(fileno=os.dup(self._writer.get_extra_info("socket").fileno()))


Script = Callable[[Peer], Awaitable[None]]


class ScriptedServer:
    """Runs the script once for each connection; the connection is closed at the script's end."""

    def __init__(self, script: Script) -> None:
        self.connections = 0
        self.open = 0
        self.most_open = 0
        self._script = script
        self._tasks: set[asyncio.Task[None]] = set()
        self.failures: list[BaseException] = []

    async def start(
        self, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self._server = await asyncio.start_server(self._serve, host, port, ssl=tls, backlog=1000)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://{host}:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open += 1
        self.most_open = max(self.open, self.most_open)
        try:
            await self._script(Peer(self.connections, reader, writer))
        except (EOFError, OSError):
            pass  # the client has gone
        except Exception as error:
            self.failures.append(error)
        finally:
            self.open -= 1
            self._tasks.discard(task)
            writer.close()

    async def stop(self) -> None:
        """Raises what a script raised."""
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.failures:
            raise self.failures[0]


def answer(body: bytes = b"", *, status: str = "200 OK", fields: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{fields}\r\n"
    return head.encode("latin-1") + body


async def echo(peer: Peer) -> None:
    """Answers with the request's target, for as long as the client asks."""
    while True:
        request = await peer.request()
        await peer.send(answer(request.target.encode()))


async def get(pool: Any, target: str = "/", *, timeout_seconds: float = 20, **options: Any) -> Any:
    return await pool.request("GET", target, headers={}, timeout_seconds=timeout_seconds, **options)


async def settled() -> None:
    """Whatever can run has run, and whatever was sent was read."""
    for _ in range(10):
        await asyncio.sleep(0.001)


async def until(condition: Callable[[], bool]) -> None:
    """Fails by its time limit, which is for a machine that has much to do."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.002)

"""From an origin to an open connection."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl

from venues.http_pool.answers import ConnectError
from venues.http_pool.connection import Connection

CONNECT_TIMEOUT_SECONDS = 5.0
NEXT_ADDRESS_SECONDS = 0.25
"""An address that is silent this long gets company by the next one (RFC 8305)."""
RESOLVE_EVERY_SECONDS = 30.0


async def addresses_of(host: str, port: int, local_address: tuple[str, int] | None) -> list[str]:
    """What a host's name stands for, reachable from the local address. Raises OSError."""
    family = socket.AF_UNSPEC
    if local_address is not None:
        family = socket.AF_INET6 if ":" in local_address[0] else socket.AF_INET
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(row[4][0]) for row in found))


class Connector:
    """Connects to one host: over the address that worked last, or else over any that works."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None,
        local_address: tuple[str, int] | None,
    ) -> None:
        """Raises ValueError for what cannot be the name of a host."""
        host.encode("idna")
        self._host = host
        self._port = port
        self._tls = tls
        self._local_address = local_address
        self._addresses: list[str] = []
        self._resolve_at = 0.0
        self._resolving: asyncio.Task[None] | None = None
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return
        self._addresses = [host]
        self._resolve_at = float("inf")

    async def connect(self, until: float) -> Connection:
        """Raises ConnectError."""
        now = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(min(until, now + CONNECT_TIMEOUT_SECONDS)):
                if now >= self._resolve_at:
                    resolving = self._resolve_once()
                    if not self._addresses:
                        await asyncio.shield(resolving)
                if len(self._addresses) == 1:
                    return await self._open(self._addresses[0])
                return await self._race(list(self._addresses))
        except OSError as error:  # a time-out is one, too
            if self._resolve_at != float("inf"):
                self._resolve_at = 0.0
            raise ConnectError(str(error) or "no connection in time") from error

    # --- addresses --------------------------------------------------------------------------

    def _resolve_once(self) -> asyncio.Task[None]:
        """One question for a crowd; addresses that are known serve until it is answered.

        So a resolver that is slow or down keeps nobody from an exit; TLS checks the name anyway.
        """
        if self._resolving is None:
            self._resolving = asyncio.get_running_loop().create_task(self._resolve())
            self._resolving.add_done_callback(self._resolved)
        return self._resolving

    def _resolved(self, task: asyncio.Task[None]) -> None:
        self._resolving = None
        if not task.cancelled():
            task.exception()  # seen, even when nobody waits any more

    async def _resolve(self) -> None:
        found = await addresses_of(self._host, self._port, self._local_address)
        preferred = self._addresses[:1]
        self._addresses = found
        self._prefer(*preferred)
        self._resolve_at = asyncio.get_running_loop().time() + RESOLVE_EVERY_SECONDS

    def _prefer(self, *addresses: str) -> None:
        self._addresses.sort(key=lambda known: known not in addresses)

    # --- connections ------------------------------------------------------------------------

    async def _open(self, address: str) -> Connection:
        _, connection = await asyncio.get_running_loop().create_connection(
            Connection,
            address,
            self._port,
            ssl=self._tls,
            server_hostname=self._host if self._tls else None,
            local_addr=self._local_address,
        )
        return connection

    async def _race(self, addresses: list[str]) -> Connection:
        """Each address gets a start before the next one; the first connection wins."""
        waiting = iter(addresses)
        running: dict[asyncio.Task[Connection], str] = {}
        failure: BaseException = OSError("the host has no address")
        try:
            while True:
                address = next(waiting, None)
                if address is not None:
                    task = asyncio.get_running_loop().create_task(self._open(address))
                    running[task] = address
                elif not running:
                    raise failure
                done, _ = await asyncio.wait(
                    running,
                    timeout=None if address is None else NEXT_ADDRESS_SECONDS,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for task in done:
                    address = running.pop(task)
                    error = task.exception()
                    if error is None:
                        self._prefer(address)
                        return task.result()
                    failure = error
        finally:
            for task in running:
                task.cancel()
                task.add_done_callback(_close_unwanted)


def _close_unwanted(task: asyncio.Task[Connection]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()

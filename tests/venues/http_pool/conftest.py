"""A server that follows a script, on the event loop that the application uses."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
import uvloop

from tests.venues.http_pool.server import Script, ScriptedServer
from venues.http_pool import HttpPool


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest_asyncio.fixture
async def start_server() -> AsyncIterator[Callable[..., Any]]:
    servers: list[ScriptedServer] = []

    async def start(script: Script, **options: Any) -> ScriptedServer:
        server = ScriptedServer(script)
        await server.start(**options)
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.stop()


@pytest_asyncio.fixture
async def make_pool() -> AsyncIterator[Callable[..., HttpPool]]:
    pools: list[HttpPool] = []

    def make(origin: str, *, limit: int = 10, **options: Any) -> HttpPool:
        pools.append(HttpPool(origin, limit=limit, **options))
        return pools[-1]

    yield make
    for pool in pools:
        await pool.aclose()


@pytest.fixture(autouse=True)
def nothing_goes_wrong_unseen(caplog: pytest.LogCaptureFixture) -> Any:
    """Exceptions in callbacks and tasks only reach asyncio's log."""
    yield
    assert [r.getMessage() for r in caplog.get_records("call") if r.name == "asyncio"] == []

"""A real web process with the real relay, for what only real sockets show."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from websockets.asyncio.client import connect

from config.supervisor.ports import LOOPBACK, free_port, http_answers
from tests.notifications.robot import robot
from tests.notifications.sockets import cookie_of
from tests.processes.live import LiveProcess, LiveProcesses, database_url

__all__ = ["robot"]  # a fixture for every test here


@dataclass(frozen=True, slots=True)
class Web:
    process: LiveProcess
    port: int

    def connect(self, session: Any, query: str = "", **options: Any) -> connect:
        """As a browser on a page of this server would."""
        return connect(
            f"ws://{LOOPBACK}:{self.port}/ws/events/{query}",
            origin=f"http://{LOOPBACK}:{self.port}",
            additional_headers={"Cookie": cookie_of(session)},
            proxy=None,
            **options,
        )


WebStarter = Callable[..., Web]


@pytest.fixture
def start_web(live: LiveProcesses, valkey: Any) -> WebStarter:
    """Start uvicorn with config.asgi as the stack does: `start_web(env={...}, ws="auto")`."""

    def start(
        *, env: dict[str, str] | None = None, ws: str = "websockets-sansio", port: int = 0
    ) -> Web:
        port = port or free_port()
        process = live.start(
            "web",
            [
                *(sys.executable, "-m", "uvicorn", "config.asgi:application"),
                *("--host", LOOPBACK, "--port", str(port), "--ws", ws, "--lifespan", "off"),
            ],
            env={"DATABASE_URL": database_url(), **(env or {})},
            ready=lambda _: http_answers(f"http://{LOOPBACK}:{port}/"),
        )
        return Web(process, port)

    return start


@pytest.fixture
def web(start_web: WebStarter) -> Web:
    return start_web()

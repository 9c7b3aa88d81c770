"""Django's ASGI handler on a fixed set of threads that keep their database connections.

Django's own starts a thread for every request, with a new connection: on SQLite the last one to
close writes the whole log back each time, on MySQL each has to log in. Here a request takes a
free thread ("lane") once its body has arrived, so that a slow sender occupies none, and gives it
back after the answer.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from asgiref.sync import ThreadSensitiveContext
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler


@dataclass
class _AfterBody:
    """`receive` of a request whose body has been read already."""

    receive: Any
    body: Any

    async def __call__(self) -> Any:
        return await self.receive()


class LaneHandler(ASGIHandler):
    def __init__(self, *, lanes: int) -> None:
        super().__init__()
        # The lane used last is taken first: a quiet site keeps few connections.
        self._free: asyncio.LifoQueue[ThreadPoolExecutor] = asyncio.LifoQueue()
        for number in range(lanes):
            self._free.put_nowait(
                ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"lane-{number}")
            )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            body = await super().read_body(receive)
        except RequestAborted:
            return
        lane = await self._free.get()
        try:
            async with ThreadSensitiveContext(executor=lane):
                await self.handle(scope, _AfterBody(receive, body), send)
        finally:
            self._free.put_nowait(lane)

    async def read_body(self, receive: Any) -> Any:
        return receive.body

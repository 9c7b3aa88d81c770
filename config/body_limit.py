"""Turns away a body that is too large before it is read.

Django's ASGI handler takes in the whole body, to disk if need be, before any view runs. Here the
application is called without the body as soon as it is known to be too large: it sees the length
(as declared, or as counted so far when none was declared), so the view itself can refuse. What
still arrives is thrown away for a moment, because a connection that is closed on unread bytes is
reset, and the sender would not see the answer; then the connection is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

LINGER_SECONDS = 3.0
LINGER_BYTES = 32 * 1024 * 1024

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[..., Awaitable[None]]


class BodyLimit:
    """`limits` maps path prefixes to bytes; `otherwise` is for every other path."""

    def __init__(self, app: Application, *, limits: Mapping[str, int], otherwise: int) -> None:
        self._app = app
        self._limits = limits
        self._otherwise = otherwise

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limit_of(scope["path"])
        declared = _declared_length(scope)
        if declared is not None:
            if declared <= limit:
                await self._app(scope, receive, send)
            else:
                await self._refuse(scope, receive, send, declared)
            return
        messages, received = await _read_up_to(limit, receive)
        if received > limit:
            await self._refuse(scope, receive, send, received)
            return

        async def replay() -> Message:
            return messages.pop(0) if messages else await receive()

        await self._app(scope, replay, send)

    async def _refuse(self, scope: Message, receive: Receive, send: Send, length: int) -> None:
        headers = [pair for pair in scope["headers"] if pair[0] != b"content-length"]
        headers.append((b"content-length", str(length).encode()))

        asked = False

        async def no_body() -> Message:
            nonlocal asked
            if asked:  # the application listens for the client going away while it works
                await asyncio.Event().wait()
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [pair for pair in message["headers"] if pair[0].lower() != b"connection"]
                message = {**message, "headers": [*kept, (b"connection", b"close")]}
            elif not message.get("more_body"):
                await send({**message, "more_body": True})
                await _discard(receive)
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        await self._app({**scope, "headers": headers}, no_body, closing)

    def _limit_of(self, path: str) -> int:
        for prefix, limit in self._limits.items():
            if path.startswith(prefix):
                return limit
        return self._otherwise


def _declared_length(scope: Message) -> int | None:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:18])
    return None


async def _read_up_to(limit: int, receive: Receive) -> tuple[list[Message], int]:
    """Messages of a body of unknown length until its end or until it is above the limit."""
    messages: list[Message] = []
    received = 0
    while received <= limit:
        message = await receive()
        messages.append(message)
        received += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            break
    return messages, received


async def _discard(receive: Receive) -> None:
    """Throw away what is still coming, within the limits."""
    discarded = 0
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            while discarded < LINGER_BYTES:
                message = await receive()
                discarded += len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body"):
                    return
    except TimeoutError:
        return

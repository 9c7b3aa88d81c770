"""What the WebSocket tests share: a session's cookie, an event, one turn of the relay."""

from __future__ import annotations

import json
from datetime import timedelta
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

from customers.domain.event_wire import NumberedEvent
from customers.services.event_numbering import events_number
from customers.services.event_push import EventPusher
from customers.services.events import EventDraft, events_record
from customers.services.leases import lease_acquire
from customers.tenancy import system_scope, tenant_scope
from notifications.routing import application

HOST = "tandem.example"
LIFETIME = timedelta(minutes=5)


class Socket(ApplicationCommunicator):
    """The ASGI side of a WebSocket. (Channels' own one needs daphne to be installed.)"""

    def __init__(self, path: str, headers: list[tuple[bytes, bytes]]) -> None:
        parts = urlsplit(path)
        super().__init__(
            application,
            {
                "type": "websocket",
                "path": parts.path,
                "query_string": parts.query.encode(),
                "headers": headers,
                "subprotocols": [],
            },
        )

    async def accepted(self) -> bool:
        await self.send_input({"type": "websocket.connect"})
        answer = await self.receive_output(5)
        assert answer["type"] in ("websocket.accept", "websocket.close")
        return answer["type"] == "websocket.accept"

    async def frame(self) -> dict[str, Any]:
        """The next frame from the server."""
        message = await self.receive_output(5)
        assert message["type"] == "websocket.send", message
        return json.loads(message["text"])

    async def frames(self, count: int) -> list[dict[str, Any]]:
        return [await self.frame() for _ in range(count)]

    async def say(self, message: str | bytes) -> None:
        kind = "text" if isinstance(message, str) else "bytes"
        await self.send_input({"type": "websocket.receive", kind: message})

    async def closed_with(self) -> int:
        message = await self.receive_output(5)
        assert message["type"] == "websocket.close", message
        await self.wait()
        return message["code"]

    async def leave(self) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait()


def session_for(user: Any, **choices: str) -> Any:
    """A stored session as a login leaves it."""
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = user.pk
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.update(choices)
    session.save()
    return session


def cookie_of(session: Any) -> str:
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}"


def socket_of(
    session: Any, query: str = "", *, origin: str | None = f"https://{HOST}", host: str = HOST
) -> Socket:
    headers = [(b"host", host.encode())]
    if origin is not None:
        headers.append((b"origin", origin.encode()))
    if session is not None:
        headers.append((b"cookie", cookie_of(session).encode()))
    return Socket(f"/ws/events/{query}", headers)


async def connected(session: Any, query: str = "") -> tuple[Socket, dict[str, Any]]:
    """A socket and its hello frame."""
    socket = socket_of(session, query)
    assert await socket.accepted()
    return socket, await socket.frame()


def record(tenant: Any, audience: str, count: int = 1, *, text: str = "") -> None:
    with tenant_scope(tenant.pk):
        events_record(
            [
                EventDraft(tenant.pk, audience, "order.changed", {"n": n, "text": text})
                for n in range(count)
            ]
        )


def number() -> list[NumberedEvent]:
    """Give numbers to what is waiting, and push nothing."""
    assert lease_acquire(name="relay", holder="test", lifetime=LIFETIME)
    with system_scope("test"):
        return events_number(lease_name="relay", lease_holder="test", lease_lifetime=LIFETIME)


def push(events: list[NumberedEvent]) -> None:
    pusher = EventPusher()
    pusher.push(events)
    pusher.close()


def relay() -> None:
    while events := number():
        push(events)


def publish(tenant: Any, audience: str, count: int = 1) -> None:
    record(tenant, audience, count)
    relay()


arecord, anumber, apush, apublish = map(sync_to_async, (record, number, push, publish))

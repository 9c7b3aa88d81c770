"""`/ws/events/`: an audience's events, live, without gaps, to a browser.

Frames (JSON): `{"type":"hello","audience","sequence":N}` first, then
`{"type":"event","audience","sequence","kind","payload","at"}` in the order of their sequence
numbers, and `{"type":"reset","sequence":N}` when what was missed cannot be replayed: load the
page's state again and go on from N. `?since=<sequence>` replays what came after it; `?as=staff`
or `?as=client` chooses for a login that is both. The text `ping` is answered by
`{"type":"pong"}`. Close codes: 4401 not (or no longer) allowed, 4408 too slow, 1013 come again.

The channel layer drops messages silently (capacity, restarts), so it is only a hint: every gap in
the numbers is filled from the database, and each socket compares its number with the database's
every few seconds.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from typing import Any
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from redis.exceptions import RedisError

from customers.domain.event_wire import audience_group
from notifications.selectors.live import (
    Listener,
    listener_for,
    listener_missed,
    listener_sequence,
)

logger = logging.getLogger(__name__)

GONE = 1005
NOT_ALLOWED = 4401
TOO_SLOW = 4408
COME_AGAIN = 1013

REPLAY_LIMIT = 500
QUEUE_LIMIT = 100
STUCK_SECONDS = 1.0
COMPARE_SECONDS = 5.0
AUTHORISE_SECONDS = 20.0
CLOSE_SECONDS = 1.0


class EventsConsumer(AsyncWebsocketConsumer):
    """One socket, one audience."""

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Runs until the client leaves or `_end` was called, even if the client takes nothing."""
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._listener: Listener | None = None
        self._sequence = 0
        self._accepted = False
        self._queue: asyncio.Queue[str] = asyncio.Queue(QUEUE_LIMIT)
        self._delivering = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        protocol = asyncio.ensure_future(super().__call__(scope, receive, send))
        try:
            await asyncio.wait({protocol, self._ended}, return_when=asyncio.FIRST_COMPLETED)
            if protocol.done():
                self._end_with(protocol.exception())
        finally:
            await _cancelled(protocol, *self._tasks)
            await self._leave()
        code = self._ended.result()
        if code != GONE:
            await _sent_in_time(send, code, accept_first=not self._accepted)

    async def connect(self) -> None:
        self._session_key = self.scope["cookies"].get(settings.SESSION_COOKIE_NAME)
        query = parse_qs(self.scope["query_string"].decode("latin-1"))
        self._role = query.get("as", [""])[0]
        listener = await database_sync_to_async(listener_for)(
            session_key=self._session_key, role=self._role
        )
        if listener is None:
            await self.close()  # before accept: the handshake is answered with 403
            return
        self._listener = listener
        self._authorise_at = time.monotonic() + _jittered(AUTHORISE_SECONDS)
        # First the group, then the number: what comes in between arrives twice, never not.
        await self._join()
        self._sequence = await database_sync_to_async(listener_sequence)(listener)
        await self.accept()
        self._accepted = True
        self._tasks = [
            asyncio.ensure_future(self._send_queued()),
            asyncio.ensure_future(self._watch()),
        ]
        await self._put(_json(type="hello", audience=listener.audience, sequence=self._sequence))
        if "since" in query:
            since = query["since"][0]
            # What is no number gets the same answer as one that is not there: start afresh.
            self._sequence = int(since) if _is_sequence(since) else -1
            async with self._delivering:
                await self._catch_up()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if text_data == "ping":
            await self._put(_json(type="pong"))

    # --- from the channel layer ---------------------------------------------------------------

    async def events_push(self, message: dict[str, Any]) -> None:
        async with self._delivering:
            for sequence, frame in message["frames"]:
                if sequence > self._sequence + 1:
                    await self._catch_up()
                if sequence == self._sequence + 1:
                    await self._put(frame)
                    self._sequence = sequence

    async def events_tick(self, message: dict[str, Any]) -> None:
        async with self._delivering:
            if message["sequence"] > self._sequence:
                await self._catch_up()

    async def _catch_up(self) -> None:
        """From the database: all that comes after our number, or `reset`."""
        assert self._listener is not None
        missed = await database_sync_to_async(listener_missed)(
            self._listener, after=self._sequence, limit=REPLAY_LIMIT
        )
        if missed.events is None:
            await self._put(_json(type="reset", sequence=missed.last_sequence))
        for event in missed.events or []:
            await self._put(event.frame())
        self._sequence = missed.last_sequence

    # --- to the client ------------------------------------------------------------------------

    async def _put(self, frame: str) -> None:
        """Queue a frame. A client that lets the queue fill up and takes nothing is let go."""
        try:
            self._queue.put_nowait(frame)
        except asyncio.QueueFull:
            try:
                await asyncio.wait_for(self._queue.put(frame), STUCK_SECONDS)
            except TimeoutError:
                raise TooSlowError from None

    async def _send_queued(self) -> None:
        try:
            while True:
                await self.send(text_data=await self._queue.get())
        except Exception as error:
            self._end_with(error)

    # --- watching over it ---------------------------------------------------------------------

    async def _watch(self) -> None:
        try:
            while True:
                await asyncio.sleep(_jittered(COMPARE_SECONDS))
                if time.monotonic() >= self._authorise_at and not await self._is_still_allowed():
                    self._end(NOT_ALLOWED)
                    return
                await self._compare()
        except Exception as error:
            self._end_with(error)  # never unwatched: who cannot be authorised again is let go

    async def _is_still_allowed(self) -> bool:
        current = await database_sync_to_async(listener_for)(
            session_key=self._session_key, role=self._role
        )
        self._authorise_at = time.monotonic() + _jittered(AUTHORISE_SECONDS)
        if current != self._listener:
            return False
        await self._join()  # a group's entry expires after a day, and is gone with a new Redis
        return True

    async def _compare(self) -> None:
        assert self._listener is not None
        async with self._delivering:
            last = await database_sync_to_async(listener_sequence)(self._listener)
            if last != self._sequence:  # less: a backup was restored
                await self._catch_up()

    # --- beginning and end --------------------------------------------------------------------

    async def _join(self) -> None:
        assert self._listener is not None
        await self.channel_layer.group_add(
            audience_group(self._listener.audience), self.channel_name
        )

    async def _leave(self) -> None:
        if self._listener is None:
            return
        try:
            await self.channel_layer.group_discard(
                audience_group(self._listener.audience), self.channel_name
            )
        except (RedisError, OSError) as error:
            logger.info("a socket's group entry is left to expire: %s", error)

    def _end(self, code: int) -> None:
        if not self._ended.done():
            self._ended.set_result(code)

    def _end_with(self, error: BaseException | None) -> None:
        """None: the client has gone by itself. A bug goes on to the server's log."""
        if error is None:
            self._end(GONE)
        elif isinstance(error, TooSlowError):
            logger.info("a socket of %s is closed: its client takes nothing", self._listener)
            self._end(TOO_SLOW)
        elif isinstance(error, (DatabaseError, InterfaceError, RedisError, OSError)):
            logger.warning("a socket is closed, it may come again: %r", error)
            self._end(COME_AGAIN)
        elif not self._ended.done():
            self._ended.set_exception(error)


class TooSlowError(Exception):
    """The client does not take what is sent."""


async def _sent_in_time(send: Any, code: int, *, accept_first: bool) -> None:
    async def close() -> None:
        if accept_first:  # a refused handshake would say "not allowed", whatever the code
            await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": code})

    try:
        await asyncio.wait_for(close(), CLOSE_SECONDS)
    except (TimeoutError, OSError):
        return  # it does not even take this; the server drops it when its ping is not answered


async def _cancelled(*tasks: asyncio.Future[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _is_sequence(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


def _jittered(seconds: float) -> float:
    """Up to a quarter less, so that thousands of sockets do not ask at the same moment."""
    return seconds * random.uniform(0.75, 1)  # noqa: S311  (no secret)


def _json(**frame: Any) -> str:
    return json.dumps(frame, separators=(",", ":"))

"""Opening sessions at the venue's pace, and what they tell about themselves. On one event loop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import close_old_connections

from customers.services.streaming.pace import ConnectPace
from customers.services.streaming.watched import Watched
from customers.tenancy import tenant_scope
from venues.domain.types import Credentials, VenueError
from venues.gateway import Gateway
from venues.runtime import gateway_for, submit
from venues.streams.events import (
    Change,
    Connected,
    Lifecycle,
    Lost,
    Refused,
    StreamEvent,
    Trouble,
)
from venues.streams.registry import Subject, SubjectKind
from venues.streams.session import StreamSession

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.25
MARKETS_SECONDS = 20.0
MARKETS_AGE_SECONDS = 3600.0
NEW_MARKETS_AGE_SECONDS = 5.0
KEY_SECONDS = 10.0

Put = Callable[[Watched, Sequence[StreamEvent]], None]


class Connections:
    """Of the subjects in `watched`, which its owner changes; `put` takes what they tell."""

    def __init__(self, watched: Mapping[tuple[str, str], Watched], put: Put) -> None:
        self._watched = watched
        self._put = put
        self._processes_here = 1
        self._paces: dict[str, ConnectPace] = {}
        self._keys = ThreadPoolExecutor(2, thread_name_prefix="streamer-keys")
        self._tasks: set[asyncio.Task[Any]] = set()

    def share_with(self, processes: int) -> None:
        """So many streamers connect from this address."""
        self._processes_here = processes
        for pace in self._paces.values():
            pace.share_with(processes)

    def shutdown(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._keys.shutdown(wait=False, cancel_futures=True)

    async def keep(self) -> None:
        """Connect whoever is due, the most important first."""
        while True:
            now = _now()
            due: dict[str, list[Watched]] = {}
            for watched in self._watched.values():
                if watched.wants_connection(now):
                    due.setdefault(watched.subject.venue, []).append(watched)
            pause = LOOK_SECONDS
            for venue, waiting in due.items():
                pace = self._pace(venue)
                waiting.sort(key=lambda each: (each.subject.priority, each.due_at))
                for watched in waiting:
                    if not pace.take():
                        pause = min(pause, pace.pause())
                        break
                    watched.connecting = True
                    self._spawn(self._open(watched, pace))
            await asyncio.sleep(pause)

    def _pace(self, venue: str) -> ConnectPace:
        pace = self._paces.get(venue)
        if pace is None:
            pace = self._paces[venue] = ConnectPace()
            pace.share_with(self._processes_here)
        return pace

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("streams: a task failed", exc_info=task.exception())

    # --- one session ------------------------------------------------------------------------

    async def _open(self, watched: Watched, pace: ConnectPace) -> None:
        """Makes a session; has a turn for its first line, which is used or given back."""
        turn_is_left = True
        try:
            gateway = await self._ready_gateway(watched)
            if gateway is None or self._watched.get(watched.key) is not watched:
                return
            dialogues = gateway.dialogues(stops=watched.subject.wants_stops)
            session = StreamSession(_SessionOwner(self, watched, gateway), dialogues)
            if watched.session is None:
                watched.session = session
            else:
                watched.next_session = session
            for number in range(session.lines):
                if not turn_is_left:
                    await pace.turn()
                turn_is_left = False
                end = await session.connect(number)
                pace.answered(end)
                if end is not None:
                    break
        finally:
            watched.connecting = False
            if turn_is_left:
                pace.unused()

    async def _ready_gateway(self, watched: Watched) -> Gateway | None:
        """The venue's, with its list of markets loaded; None when it cannot be had now."""
        try:
            # In a thread: the first one of a process imports a large library.
            gateway = await asyncio.to_thread(gateway_for, watched.subject.venue)
            await _load_markets(gateway, MARKETS_AGE_SECONDS)
            return gateway
        except (VenueError, TimeoutError, LookupError) as error:
            now = _now()
            watched.note(Lost(_wall_ms(), Trouble.UNREACHABLE, f"no markets: {error}"), now, 0.0)
            return None

    def key_wanted(self, session: StreamSession, watched: Watched, gateway: Gateway) -> None:
        self._spawn(self._login(session, watched, gateway))

    async def _login(self, session: StreamSession, watched: Watched, gateway: Gateway) -> None:
        """The key is opened when the line is there, signs, and is dropped."""
        credentials: Credentials | None = None
        try:
            async with asyncio.timeout(KEY_SECONDS):
                credentials = await asyncio.get_running_loop().run_in_executor(
                    self._keys, _open_key, watched.kind, watched.subject
                )
        except Exception as error:
            # By its type: the words might be of the key.
            logger.warning("streams: no key of %s: %s", watched.subject.id, type(error).__name__)
        if session.ended:
            return
        if credentials is None:
            session.give_up(Trouble.NO_KEY)
        else:
            session.login(credentials, gateway.clock.now_ms())

    def markets_wanted(self, session: StreamSession, gateway: Gateway) -> None:
        async def load() -> None:
            try:
                await _load_markets(gateway, NEW_MARKETS_AGE_SECONDS)
            except (VenueError, TimeoutError) as error:
                logger.warning("streams: no list of markets: %s", error)
            session.read_held()

        self._spawn(load())

    # --- what sessions tell -----------------------------------------------------------------

    def told(self, session: StreamSession, watched: Watched, events: Sequence[StreamEvent]) -> None:
        if session is not watched.session and session is not watched.next_session:
            return  # of a subject that was released
        if all(isinstance(event, Change) for event in events):
            self._put(watched, events)
            return
        told: list[StreamEvent] = []
        for event in events:
            if isinstance(event, Change):
                told.append(event)
            else:
                told += self._note(session, watched, event)
        self._put(watched, told)

    def _note(
        self, session: StreamSession, watched: Watched, event: Lifecycle
    ) -> Sequence[StreamEvent]:
        now = _now()
        if session is watched.next_session:
            return self._note_next(session, watched, event, now)
        if isinstance(event, Lost | Refused):
            # One that is being opened beside it takes its place.
            watched.session, watched.next_session = watched.next_session, None
            watched.wants_next = False
        lived = 0.0 if session.live_since is None else now - session.live_since
        return [watched.note(event, now, lived)]

    def _note_next(
        self, session: StreamSession, watched: Watched, event: Lifecycle, now: float
    ) -> Sequence[StreamEvent]:
        """Of a session beside one that lives."""
        if isinstance(event, Connected):
            old, watched.session = watched.session, session
            watched.next_session, watched.wants_next = None, False
            if old is not None:
                old.close()
            return [watched.note(event, now, 0.0)]
        if isinstance(event, Lost | Refused):
            watched.next_session = None
            if isinstance(event, Refused):
                watched.refuse_key()
            else:
                watched.postpone(event.trouble, now)
        return []

    def missed(self, watched: Watched) -> None:
        watched.poll_at = _now()

    def ends_soon(self, session: StreamSession, watched: Watched) -> None:
        if session is watched.session:
            watched.wants_next = True
            watched.due_at = _now()


class _SessionOwner:
    """What a session tells, with whose it is."""

    __slots__ = ("_connections", "_gateway", "_watched")

    def __init__(self, connections: Connections, watched: Watched, gateway: Gateway) -> None:
        self._connections = connections
        self._watched = watched
        self._gateway = gateway

    def symbol_of(self, venue_symbol: str) -> str | None:
        return self._gateway.symbol_of(venue_symbol)

    def session_told(self, session: StreamSession, events: Sequence[StreamEvent]) -> None:
        self._connections.told(session, self._watched, events)

    def session_wants_key(self, session: StreamSession) -> None:
        self._connections.key_wanted(session, self._watched, self._gateway)

    def session_ends_soon(self, session: StreamSession) -> None:
        self._connections.ends_soon(session, self._watched)

    def session_wants_markets(self, session: StreamSession) -> None:
        self._connections.markets_wanted(session, self._gateway)

    def session_missed(self, session: StreamSession) -> None:
        self._connections.missed(self._watched)

    def session_clock_refused(self, session: StreamSession) -> None:
        submit(_measure_again(self._gateway))


async def _measure_again(gateway: Gateway) -> None:
    """On the venue loop, where clocks are kept."""
    gateway.clock.recheck()


async def _load_markets(gateway: Gateway, max_age_seconds: float) -> None:
    """Raises VenueError and TimeoutError."""
    async with asyncio.timeout(MARKETS_SECONDS):
        await asyncio.wrap_future(submit(gateway.load_instruments(max_age_seconds=max_age_seconds)))


def _open_key(kind: SubjectKind, subject: Subject) -> Credentials | None:
    close_old_connections()
    with tenant_scope(subject.tenant_id):
        return kind.credentials(subject)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000

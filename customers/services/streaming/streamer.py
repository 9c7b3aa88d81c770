"""The streamer's loop: connects the subjects of its shards, watches them, hands on what they tell.

It survives whatever is away. Without the database leases cannot be renewed, but nobody else can
take them either: streams stay open and what they tell is kept. Without Redis nothing changes here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from django.db import DatabaseError, InterfaceError, close_old_connections

from customers.services.leases import lease_holder_name
from customers.services.streaming.connections import Connections
from customers.services.streaming.deliveries import DeliveryPump
from customers.services.streaming.reconciling import Reconciler
from customers.services.streaming.shards import (
    LEASE_LIFETIME,
    TURN_SECONDS,
    Holding,
    ShardLeases,
    shard_lease,
    shard_of,
)
from customers.services.streaming.states import StateChange, refused_marks, states_store
from customers.services.streaming.watched import Watched
from customers.tenancy import system_scope
from venues.streams.events import Lost, StreamEvent, Trouble
from venues.streams.registry import Subject, SubjectKind, registered_kinds

logger = logging.getLogger(__name__)

T = TypeVar("T")

SUBJECTS_SECONDS = 5.0
CHECK_SECONDS = 1.0
STATES_SECONDS = 0.5
POLLS_SECONDS = 0.2
LATE_SECONDS = 3.0
"""A check that comes later than this says that the process stood still, not the venue."""
STOP_SECONDS = 5.0

Key = tuple[str, str]
"""Kind and subject."""


class Streamer:
    """Runs until `stop` is set. One per process."""

    def __init__(self, *, stop: asyncio.Event) -> None:
        self.holder = lease_holder_name()
        self._stop = stop
        self._kinds: Mapping[str, SubjectKind] = registered_kinds()
        self._leases = ShardLeases(self.holder)
        self._holding = Holding()
        self._lease_until = 0.0
        self._watched: dict[Key, Watched] = {}
        self._database = ThreadPoolExecutor(1, thread_name_prefix="streamer-database")
        self._pumps: dict[str, DeliveryPump] = {}
        self._reconciler = Reconciler()
        self._connections = Connections(self._watched, self._put)
        self._look_again = asyncio.Event()
        self._farewells: list[StateChange] = []
        self._is_away = False

    async def run(self) -> None:
        self._pumps = {
            name: DeliveryPump(kind, self._gap_noter(name)) for name, kind in self._kinds.items()
        }
        keepers = [
            asyncio.create_task(keeper)
            for keeper in (
                self._keep(self._turn_of_leases, TURN_SECONDS),
                self._keep(self._turn_of_subjects, 0),
                self._keep(self._store_states, STATES_SECONDS),
                self._connections.keep(),
                self._check(),
                self._poll(),
            )
        ]
        stopping = asyncio.create_task(self._stop.wait())
        done, _ = await asyncio.wait({stopping, *keepers}, return_when=asyncio.FIRST_COMPLETED)
        for task in {stopping, *keepers} - done:
            task.cancel()
        await self._end()
        for task in done - {stopping}:
            task.result()  # a keeper ends only by a defect: the process ends with it

    async def _end(self) -> None:
        """Close all streams, hand on what came, and let others take over at once."""
        for watched in list(self._watched.values()):
            self._release(watched)
        self._connections.shutdown()
        self._reconciler.close()
        await asyncio.gather(
            *(asyncio.to_thread(pump.stop, STOP_SECONDS) for pump in self._pumps.values())
        )
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._ask(self._leases.release)
        except (DatabaseError, InterfaceError, TimeoutError) as error:
            logger.warning("streamer %s: its leases will have to expire: %s", self.holder, error)
        self._database.shutdown(wait=False, cancel_futures=True)

    # --- the database -----------------------------------------------------------------------

    async def _ask(self, question: Callable[[], T]) -> T:
        """In the thread that keeps a connection; no tenant's scope but the one it opens."""
        return await asyncio.get_running_loop().run_in_executor(
            self._database, _with_connection, question
        )

    async def _keep(self, turn: Callable[[], Any], seconds: float) -> None:
        """Do it again and again, whatever the database does."""
        while True:
            try:
                await turn()
                if self._is_away:
                    logger.warning("streamer %s: the database is back", self.holder)
                self._is_away = False
            except (DatabaseError, InterfaceError) as error:
                if not self._is_away:
                    logger.warning("streamer %s: the database failed: %s", self.holder, error)
                self._is_away = True
            await asyncio.sleep(seconds)

    # --- which subjects are ours ------------------------------------------------------------

    async def _turn_of_leases(self) -> None:
        asked_at = _now()
        holding = await self._ask(self._leases.turn)
        self._lease_until = asked_at + LEASE_LIFETIME.total_seconds()
        if holding == self._holding:
            return
        gained = holding.shards - self._holding.shards
        self._holding = holding
        self._connections.share_with(holding.members_here)
        for watched in list(self._watched.values()):
            if watched.shard not in holding.shards:
                self._release(watched)
        if gained:
            self._look_again.set()

    async def _turn_of_subjects(self) -> None:
        """Every SUBJECTS_SECONDS, and at once when there are more shards."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SUBJECTS_SECONDS):
                await self._look_again.wait()
        self._look_again.clear()
        shards = self._holding.shards
        if not shards:
            return
        found, refused = await self._ask(partial(_subjects, self._kinds.values(), shards))
        now = _now()
        for kind, subjects in found:
            for subject in subjects.values():
                self._want(kind, subject, refused.get((kind.name, subject.id), ""), now)
        wanted = {(kind.name, subject_id) for kind, subjects in found for subject_id in subjects}
        answered = {kind.name for kind, _ in found}
        for key, watched in list(self._watched.items()):
            if key not in wanted and key[0] in answered and watched.shard in shards:
                self._release(watched)
                self._farewells.append(watched.farewell())

    def _want(self, kind: SubjectKind, subject: Subject, refused_mark: str, now: float) -> None:
        shard = shard_of(kind.name, subject.id)
        if shard not in self._holding.shards:
            return  # given up while its kind was asked
        key = (kind.name, subject.id)
        watched = self._watched.get(key)
        if watched is None:
            watched = self._watched[key] = Watched(kind, subject, shard, now=now)
            watched.take_refusal(refused_mark)
        elif watched.take_subject(subject, now) and watched.session is not None:
            # With the new key, beside the old one's stream as long as that lives.
            watched.wants_next = True

    def _release(self, watched: Watched) -> None:
        """Not ours any more, or not wanted. Who has it next writes its state."""
        self._watched.pop(watched.key, None)
        sessions = [each for each in (watched.session, watched.next_session) if each is not None]
        watched.session = watched.next_session = None
        for session in sessions:
            session.close()
        if sessions:
            self._put(watched, [Lost(_wall_ms(), Trouble.RELEASED)])

    # --- what they tell ---------------------------------------------------------------------

    def _put(self, watched: Watched, events: Sequence[StreamEvent]) -> None:
        if events:
            self._pumps[watched.kind.name].put(watched.subject, events)

    def _gap_noter(self, kind: str) -> Callable[[str], None]:
        """For a pump's thread: what was told of a subject was given up."""
        loop = asyncio.get_running_loop()

        def reconcile(subject_id: str) -> None:
            watched = self._watched.get((kind, subject_id))
            if watched is not None:
                watched.poll_at = _now()

        def note(subject_id: str) -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(reconcile, subject_id)

        return note

    # --- watching ---------------------------------------------------------------------------

    async def _check(self) -> None:
        last = _now()
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            now = _now()
            late = now - last - CHECK_SECONDS
            last = now
            excused = late if late > LATE_SECONDS else 0.0
            if excused:
                logger.warning("streamer %s stood still for %.0f s", self.holder, late)
                await asyncio.sleep(0.2)  # what came meanwhile is read first
            for watched in list(self._watched.values()):
                for session in (watched.session, watched.next_session):
                    if session is not None:
                        session.check(now, excused)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLLS_SECONDS)
            self._reconciler.turn(
                self._watched.values(),
                now=_now(),
                seconds=POLLS_SECONDS,
                members=self._holding.members,
            )

    async def _store_states(self) -> None:
        """Only what is surely ours: who has the lease now says what it sees."""
        if _now() > self._lease_until:
            return
        dirty = [watched for watched in self._watched.values() if watched.is_dirty]
        farewells, self._farewells = self._farewells, []
        changes = farewells + [watched.state_change() for watched in dirty]
        if not changes:
            return
        for watched in dirty:
            watched.is_dirty = False
        try:
            await self._ask(partial(states_store, changes))
        except BaseException:
            self._farewells = farewells + self._farewells
            for watched in dirty:
                watched.is_dirty = True
            raise


def _with_connection(question: Callable[[], T]) -> T:
    close_old_connections()
    return question()


_Found = list[tuple[SubjectKind, dict[str, Subject]]]


def _subjects(
    kinds: Iterable[SubjectKind], shards: frozenset[int]
) -> tuple[_Found, dict[Key, str]]:
    """By kind and id, those in these shards; a kind that fails is left out."""
    found: _Found = []
    for kind in kinds:
        try:
            with system_scope(f"streamer: {kind.name} subjects of all tenants"):
                subjects = kind.subjects()
        except (DatabaseError, InterfaceError):
            raise
        except Exception:
            logger.exception("streamer: no subjects of %s", kind.name)
            continue
        mine = {each.id: each for each in subjects if shard_of(kind.name, each.id) in shards}
        found.append((kind, mine))
    return found, refused_marks(map(shard_lease, shards))


def _now() -> float:
    return asyncio.get_running_loop().time()


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000

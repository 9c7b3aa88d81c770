"""Reconciliations at the streamer's pace: after gaps, and from time to time without a stream."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from django.db import close_old_connections

from customers.services.streaming.watched import Watched
from customers.tenancy import tenant_scope
from venues.streams.registry import Subject, SubjectKind, SubjectsUnreadError

logger = logging.getLogger(__name__)

THREADS = 4
TOGETHER = 50
"""Subjects of one kind and tenant in a call."""
A_SECOND = 50.0
"""Subjects that all streamers together hand over: a thousand accounts that lost their streams at
once are read every twenty seconds, and leave the workers half of their time."""


class Reconciler:
    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="reconcile")
        self._tokens = 0.0
        self._running: set[asyncio.Task[None]] = set()

    def turn(self, watched: Iterable[Watched], *, now: float, seconds: float, members: int) -> None:
        """Begin what is due; `seconds` since the last turn."""
        most = A_SECOND / max(members, 1)
        self._tokens = min(self._tokens + most * seconds, most)
        due = [each for each in watched if not each.polling and each.poll_at <= now]
        if not due or self._tokens < 1:
            return
        due.sort(key=lambda each: (each.subject.priority, each.poll_at))
        groups: dict[tuple[str, str], list[Watched]] = {}
        for each in due[: int(self._tokens)]:
            self._tokens -= 1
            each.poll_begins()
            groups.setdefault((each.kind.name, each.subject.tenant_id), []).append(each)
        for (_, tenant_id), group in groups.items():
            for start in range(0, len(group), TOGETHER):
                task = asyncio.create_task(
                    self._reconcile(tenant_id, group[start : start + TOGETHER])
                )
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    async def _reconcile(self, tenant_id: str, group: list[Watched]) -> None:
        loop = asyncio.get_running_loop()
        subjects = [each.subject for each in group]
        unread = frozenset(subject.id for subject in subjects)
        try:
            await loop.run_in_executor(self._pool, _reconcile, group[0].kind, tenant_id, subjects)
            unread = frozenset()
        except SubjectsUnreadError as error:
            unread = error.subject_ids
            logger.warning("streams: could not be read, tried again soon: %s", error)
        except Exception:
            logger.exception("streams: reconciling %d subjects failed", len(subjects))
        finally:
            for each in group:
                each.poll_ended(loop.time(), well=each.subject.id not in unread)

    def close(self) -> None:
        for task in self._running:
            task.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)


def _reconcile(kind: SubjectKind, tenant_id: str, subjects: list[Subject]) -> None:
    close_old_connections()
    with tenant_scope(tenant_id):
        kind.reconcile(tenant_id, subjects)

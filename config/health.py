"""Whether this process lives, and whether the system behind it works.

`/health/live` depends on nothing: a failure of it means "start the process again". `/health/ready`
answers 503 with the names of the parts that do not work. It is for alarms, not for a load balancer:
signals are taken and kept while Redis or the workers are away.

A worker may be connected and take nothing (Celery has had such states). So each queue gets a canary
every CANARY_SECONDS; the process that works on it notes that it was seen, and a queue whose last
one is too old does not work.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import redis
from django.conf import settings
from django.db import Error as DatabaseFailure
from django.db import close_old_connections
from django.utils import timezone

from customers.bulk_rows import rows_upsert
from customers.models import Lease
from customers.services.leases import lease_holder_name

logger = logging.getLogger(__name__)

LIVE, READY = "/health/live", "/health/ready"
CANARY_LIFETIME = timedelta(seconds=2.5 * settings.CANARY_SECONDS)
PATIENCE_SECONDS = 3.0
KEPT_SECONDS = 1.0
"""So long an answer is given again: anybody may ask."""


def canary_seen(queue: str) -> None:
    """By the worker that took the canary: the queue works, until the next one is overdue."""
    expires_at = timezone.now() + CANARY_LIFETIME
    seen = Lease(name=_lease_of(queue), holder=lease_holder_name(), expires_at=expires_at)
    rows_upsert(Lease, [seen], ["name"], ["holder", "expires_at"])


def _lease_of(queue: str) -> str:
    return f"queue:{queue}"


def problems() -> list[str]:
    """The parts that do not work; empty when all is well."""
    return [*_database_problems(), *_redis_problems()]


def _database_problems() -> list[str]:
    names = [_lease_of(queue) for queue in settings.QUEUES]
    try:
        rows = Lease.objects.filter(name__in=names, expires_at__gt=timezone.now())
        working = set(rows.values_list("name", flat=True))
    except DatabaseFailure as error:
        logger.warning("not ready, the database failed: %s", error)
        return ["database"]
    return [name for name in names if name not in working]


def _redis_problems() -> list[str]:
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1, retry=None
    )
    try:
        client.ping()
    except redis.RedisError as error:
        logger.warning("not ready, Redis failed: %s", error)
        return ["redis"]
    finally:
        client.close()
    return []


def _look() -> list[str]:
    """In the thread that keeps a database connection for this."""
    close_old_connections()
    return problems()


class HealthChecks:
    """Answers before Django does, whose threads may all be waiting for a database."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="health")
        self._found: list[str] = []
        self._found_at = float("-inf")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"].rstrip("/")
        if path == LIVE:
            await _answer(send, 200, {"status": "live"})
        elif path == READY:
            found = await self._problems()
            status = {"status": "not ready" if found else "ready", "problems": found}
            await _answer(send, 503 if found else 200, status)
        else:
            await self._app(scope, receive, send)

    async def _problems(self) -> list[str]:
        if time.monotonic() - self._found_at > KEPT_SECONDS:
            asked = asyncio.get_running_loop().run_in_executor(self._thread, _look)
            try:
                self._found = await asyncio.wait_for(asked, PATIENCE_SECONDS)
            except TimeoutError:
                self._found = ["no answer in time"]
            self._found_at = time.monotonic()
        return self._found


async def _answer(send: Any, status: int, body: dict[str, Any]) -> None:
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})

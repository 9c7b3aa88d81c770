"""Keeps a worker's pool whole where Celery loses sight of one of its processes.

The end of a pool process can be heard of a moment before the kernel says how it ended. Celery then
stops listening to it and leaves it in the pool: dead, and in no later round missed. When the broker
comes back after having been away, the worker even ends itself over it.
"""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery.bootsteps import StartStopStep

SECONDS = 5.0


def pool_tidy(pool: Any) -> None:
    """Replace what has ended; whoever lives and is not listened to will be again."""
    pool.maintain_pool()
    for process in pool._pool:
        if getattr(process, "_sentinel_poll", 0) is None:
            del process._sentinel_poll


class PoolUpkeep(StartStopStep):
    """With each connection to the broker, before the event loop starts, and then now and then."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._repeated: Any = None

    def start(self, parent: Any) -> None:
        pool: Any = getattr(parent.pool, "_pool", None)
        if not hasattr(pool, "maintain_pool"):
            return  # no processes of its own
        pool_tidy(pool)
        self._repeated = parent.timer.call_repeatedly(SECONDS, pool.maintain_pool)

    def stop(self, parent: Any) -> None:
        if self._repeated is not None:
            self._repeated.cancel()
            self._repeated = None


def install(app: Celery) -> None:
    app.steps["consumer"].add(PoolUpkeep)

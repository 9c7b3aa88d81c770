"""Looking up an unclear order waits for no reading of accounts, however many are queued."""

from __future__ import annotations

import json
from typing import Any

import pytest

from config.celery import app as celery_app
from config.supervisor.stack import WORKERS
from customers import wakeup
from tests.trading.conftest import world  # noqa: F401  (a fixture)
from tests.trading.world import World


def _queue_of(task: str) -> str:
    route = celery_app.amqp.router.route({}, task, (), {})
    queue = route.get("queue")
    return str(queue.name if queue is not None else celery_app.conf.task_default_queue)


def _worker_of(task: str) -> str:
    (name,) = [
        name for name, (queues, _) in WORKERS.items() if _queue_of(task) in queues.split(",")
    ]
    return name


def test_only_what_is_as_urgent_shares_the_worker_of_the_look_ups() -> None:
    celery_app.loader.import_default_modules()
    tasks = [name for name in celery_app.tasks if not name.startswith("celery.")]
    assert "trading.tasks.accounts_reread" in tasks
    by_worker = {name: _worker_of(name) for name in tasks}  # and each queue has one worker
    lookups = by_worker["trading.tasks.orders_check"]
    assert {name for name, worker in by_worker.items() if worker == lookups} == {
        "trading.tasks.orders_check",
        "trading.tasks.signal_settle",  # some milliseconds of the database
        # A position without its stop is as urgent as an order without an outcome.
        *(f"trading.tasks.stops_{what}" for what in ("keep", "check", "follow", "watch")),
        # And so is a loss that goes on beyond its limit.
        "trading.tasks.copies_watch",
        "trading.tasks.copy_end",
        "trading.tasks.risk_watch",
    }


@pytest.mark.parametrize(
    ("urgent", "other"),
    [
        ("trading.tasks.account_check", "trading.tasks.accounts_reread"),
        ("trading.tasks.accounts_compare", "trading.tasks.accounts_reread"),
        ("trading.tasks.accounts_compare", "trading.tasks.accounts_refresh"),
    ],
)
def test_what_cannot_wait_overtakes_the_reading_of_accounts(
    valkey: Any, urgent: str, other: str
) -> None:
    """The check of a new key, and what was missed while a stream was away."""
    for number in range(3):
        names = {"account_ids": [str(number)], "tenant_id": "t"}
        celery_app.send_task(other, kwargs=names)
    celery_app.send_task(urgent, kwargs={"tenant_id": "t"})
    with celery_app.connection_for_read() as connection:
        queue = connection.SimpleQueue("accounts")
        first = queue.get(timeout=5)
        queue.close()
    assert first.headers["task"] == urgent
    valkey.flushdb()


def test_readings_after_fills_do_not_pile_up(
    valkey: Any,
    world: World,  # noqa: F811
) -> None:
    """Workers that are behind drop what is late, instead of reading an account for each fill."""
    world.follower()
    world.run(world.entry())
    assert wakeup.flush(30)
    rows = [
        json.loads(row) for name in valkey.keys("accounts*") for row in valkey.lrange(name, 0, -1)
    ]
    after_fills = [
        row for row in rows if row["headers"]["task"] == "trading.tasks.accounts_refresh"
    ]
    assert after_fills
    assert all(row["headers"]["expires"] for row in after_fills)
    valkey.flushdb()

"""Looking up an unclear order waits for no reading of accounts, however many are queued."""

from __future__ import annotations

from typing import Any

from config.celery import app as celery_app
from config.supervisor.stack import WORKERS


def _queue_of(task: str) -> str:
    route = celery_app.amqp.router.route({}, task, (), {})
    queue = route.get("queue")
    return str(queue.name if queue is not None else celery_app.conf.task_default_queue)


def _worker_of(task: str) -> str:
    (name,) = [
        name for name, (queues, _) in WORKERS.items() if _queue_of(task) in queues.split(",")
    ]
    return name


def test_nothing_that_waits_for_a_venue_shares_the_worker_of_the_look_ups() -> None:
    celery_app.loader.import_default_modules()
    tasks = [name for name in celery_app.tasks if not name.startswith("celery.")]
    assert "trading.tasks.accounts_reread" in tasks
    by_worker = {name: _worker_of(name) for name in tasks}  # and each queue has one worker
    lookups = by_worker["trading.tasks.orders_check"]
    assert {name for name, worker in by_worker.items() if worker == lookups} == {
        "trading.tasks.orders_check",
        "trading.tasks.signal_settle",  # some milliseconds of the database
    }


def test_the_check_of_a_new_key_overtakes_the_rereading_of_accounts(valkey: Any) -> None:
    for number in range(3):
        names = {"account_ids": [str(number)], "tenant_id": "t"}
        celery_app.send_task("trading.tasks.accounts_reread", kwargs=names)
    names = {"account_id": "new", "tenant_id": "t"}
    celery_app.send_task("trading.tasks.account_check", kwargs=names)
    with celery_app.connection_for_read() as connection:
        queue = connection.SimpleQueue("accounts")
        first = queue.get(timeout=5)
        queue.close()
    assert first.headers["task"] == "trading.tasks.account_check"
    valkey.flushdb()

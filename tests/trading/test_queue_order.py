"""What workers that are behind take first."""

from __future__ import annotations

from typing import Any

from celery import current_app
from kombu import Queue

from customers import wakeup

ASKED = (
    "trading.tasks.signal_dispatch",
    "trading.tasks.shard_run",
    "trading.tasks.signal_dispatch",
    "trading.tasks.orders_submit",
    "trading.tasks.sweep",
)
"""In this order."""


def test_what_is_written_goes_before_what_is_to_be_planned(valkey: Any) -> None:
    for name in ASKED:
        wakeup.wake(name)
    assert wakeup.flush(30)

    taken: list[str] = []
    with current_app.connection_for_read() as connection:
        queues = [Queue(name) for name in ("signals", "orders")]
        with connection.Consumer(
            queues,
            on_message=lambda message: (taken.append(message.headers["task"]), message.ack()),
            prefetch_count=1,
        ):
            while len(taken) < len(ASKED):
                connection.drain_events(timeout=30)
    assert set(taken[:2]) == {"trading.tasks.orders_submit", "trading.tasks.sweep"}
    planning = [name for name in taken[2:] if name == "trading.tasks.signal_dispatch"]
    assert len(planning) == 2

"""What goes to the broker when a task is asked for."""

from __future__ import annotations

import json
from typing import Any

from customers import wakeup

QUEUE = "signals\x06\x163"  # of its priority
TASK = "trading.tasks.signal_dispatch"


def messages(valkey: Any) -> list[dict[str, Any]]:
    """What waits in the queue, oldest first."""
    assert wakeup.flush(10)
    return [json.loads(row) for row in reversed(valkey.lrange(QUEUE, 0, -1))]


def test_what_a_sweeper_asks_for_lapses_and_what_is_asked_for_once_does_not(valkey: Any) -> None:
    wakeup.wake(TASK, signal_id="a", tenant_id="t")
    wakeup.wake_swept(TASK, lifetime_seconds=4.0, signal_id="b", tenant_id="t")
    once, swept = messages(valkey)
    assert once["headers"]["expires"] is None
    assert swept["headers"]["expires"] is not None
    assert "lifetime_seconds" not in swept["headers"]["kwargsrepr"]

"""What a worker is built on, when its Redis goes away."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from config.broker import RETRY_SECONDS, SteadyConsumer
from config.celery import app
from config.supervisor.ports import free_port


def test_a_channel_whose_connection_is_gone_says_so(valkey: Any) -> None:
    """Kombu's own raises AttributeError there, which ends a worker that acknowledges late."""
    connection = app.connection_for_read()
    channel = connection.channel()
    connection.close()
    with pytest.raises(RedisConnectionError):
        channel.basic_ack("a delivery of before")


def test_a_broker_is_looked_for_every_second(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = object.__new__(SteadyConsumer)
    consumer.app = app
    consumer.first_connection_attempt = False
    consumer.broker_connection_retry_attempt = 0
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 20:
            raise KeyboardInterrupt

    monkeypatch.setattr("kombu.utils.functional.sleep", sleep)
    with pytest.raises(KeyboardInterrupt):
        consumer.ensure_connected(app.connection_for_read(f"redis://127.0.0.1:{free_port()}/0"))
    assert consumer.broker_connection_retry_attempt == sum(waits) / RETRY_SECONDS

"""How a worker gets over a Redis that went away: two corrections of what it is built on.

A worker that ends because its broker was away for some seconds needs somebody to start it again,
and one that waits long after the broker is back delays every order by that. Rows and sweepers keep
the work; this only keeps the worker.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from celery.worker.consumer import Consumer
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as kombu_redis
from redis.exceptions import ConnectionError as RedisConnectionError

RETRY_SECONDS = 1.0


class Channel(kombu_redis.Channel):
    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        # Tasks that were running when the connection was given up are acknowledged, and messages
        # put back, on a channel that has no connection any more. Kombu 5.7 asks it for its host
        # all the same: an AttributeError, which ends the worker. As what it is, it is only logged.
        if self.connection is None or self.connection.client is None:
            raise RedisConnectionError("This channel's connection was closed.")
        params: dict[str, Any] = super()._connparams(asynchronous=asynchronous)
        return params


class Transport(kombu_redis.Transport):
    Channel = Channel


class SteadyConsumer(Consumer):
    """Looks once a second whether the broker is back; Celery's own waits grow to half a minute."""

    def ensure_connected(self, conn: Any) -> Any:
        conn.ensure_connection = partial(
            conn.ensure_connection,
            interval_start=RETRY_SECONDS,
            interval_step=0,
            interval_max=RETRY_SECONDS,
        )
        return super().ensure_connected(conn)


def install() -> None:
    """For every broker URL: a setting for the transport does not reach redis+socket://."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:Transport"

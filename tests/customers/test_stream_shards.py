"""Several streamers, each with shards of its own; who was overtaken lets go and writes nothing."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import connection
from django.utils import timezone

from customers.deadlocks import retry_on_deadlock
from customers.models import Lease, StreamState
from customers.services.leases import leases_acquire
from customers.services.streaming.shards import LEASE_LIFETIME, ShardLeases, shard_lease
from customers.services.streaming.streamer import Streamer
from customers.services.streaming.watched import Watched
from customers.tenancy import system_scope
from tests.factories import TenantFactory
from venues.streams.registry import Subject


class Kind:
    name = "account"
    poll_seconds = 20.0


def expire_all() -> None:
    Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


@pytest.mark.django_db
def test_shards_are_shared_out_and_nobody_has_anothers() -> None:
    first, second = ShardLeases("host:1:a"), ShardLeases("host:2:b")
    everything = frozenset(range(settings.STREAM_SHARDS))
    assert first.turn().shards == everything
    assert second.turn().shards == frozenset()
    kept = first.turn().shards
    taken = second.turn().shards
    assert kept | taken == everything
    assert not kept & taken
    assert abs(len(kept) - len(taken)) <= 1


@pytest.mark.django_db(transaction=True)
def test_of_streamers_that_start_or_take_over_at_once_each_shard_has_one() -> None:
    for taking_over in (False, True):
        if taking_over:
            expire_all()
        held: list[frozenset[int]] = []
        start = threading.Barrier(4)

        def turn(number: int, held: list[frozenset[int]] = held) -> None:
            leases = ShardLeases(f"host:{number}:{id(held)}")
            try:
                start.wait()  # noqa: B023
                held.append(retry_on_deadlock(leases.turn).shards)
            finally:
                connection.close()

        threads = [threading.Thread(target=turn, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(held) == 4
        assert sum(len(shards) for shards in held) == len(frozenset().union(*held))
        live = Lease.objects.filter(
            name__startswith="stream-shard:", expires_at__gt=timezone.now()
        ).exclude(holder="")
        assert live.count() == sum(len(shards) for shards in held)


@pytest.mark.django_db
def test_what_a_turn_took_before_the_database_failed_is_not_left_dark() -> None:
    leases = ShardLeases("host:1:a")
    leases_acquire(
        names={shard_lease(3), shard_lease(4)}, holder=leases.holder, lifetime=LEASE_LIFETIME
    )
    assert len(leases.turn().shards) == settings.STREAM_SHARDS


@pytest.mark.django_db
def test_who_slept_past_its_leases_has_none_of_what_others_took() -> None:
    sleeper, other = ShardLeases("host:1:a"), ShardLeases("host:2:b")
    assert sleeper.turn().shards
    expire_all()
    assert len(other.turn().shards) == settings.STREAM_SHARDS
    assert sleeper.turn().shards == frozenset()


@pytest.mark.django_db(transaction=True)
def test_who_was_overtaken_lets_go_of_its_accounts() -> None:
    async def overtaken() -> tuple[int, int]:
        streamer = Streamer(stop=asyncio.Event())
        await streamer._turn_of_leases()
        watch(streamer)
        before = len(streamer._watched)
        await asyncio.to_thread(expire_all)
        await asyncio.to_thread(ShardLeases("host:2:b").turn)
        await streamer._turn_of_leases()
        return before, len(streamer._watched)

    assert async_to_sync(overtaken)() == (1, 0)


@pytest.mark.django_db(transaction=True)
def test_a_state_is_written_only_while_the_lease_is_surely_ours() -> None:
    tenant = TenantFactory()

    async def written(streamer: Streamer) -> int:
        await streamer._store_states()
        return await asyncio.to_thread(_states)

    async def run() -> list[int]:
        streamer = Streamer(stop=asyncio.Event())
        watch(streamer, tenant_id=tenant.pk)
        streamer._lease_until = asyncio.get_running_loop().time() - 0.001
        counts = [await written(streamer)]
        await streamer._turn_of_leases()
        return [*counts, await written(streamer)]

    assert async_to_sync(run)() == [0, 1]


def watch(streamer: Streamer, tenant_id: str = "01tenant") -> None:
    kind: Any = Kind()
    subject = Subject("01account", tenant_id, "paper", 1, "key")
    watched = Watched(kind, subject, 0, now=0.0)
    streamer._watched[watched.key] = watched


def _states() -> int:
    with system_scope("test"):
        return StreamState.objects.count()

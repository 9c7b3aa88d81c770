"""What a fan-out asks of the database grows with its shards and chunks, not with its followers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.demo.paper_control import invented_account
from customers.tenancy import tenant_scope
from tests.bench.population import SYMBOL, populate
from tests.factories import SignalFactory
from trading import tasks
from trading.models import Order, SignalShard
from trading.services.fanout import signals
from trading.services.fanout.shards import CHUNK, FIRST_CHUNK
from venues import runtime

# A chunk: locks, five reads, six writes, its last checks, marks and answers, in transactions;
# answers may come in several lots.
QUERIES_A_CHUNK = 60

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fresh_gateways() -> Iterator[None]:
    runtime.close_gateways()
    yield
    runtime.close_gateways()


def queries_of_a_fan_out(paper: Any, followers: int) -> int:
    accounts = [invented_account(f"q-{followers}-{number}") for number in range(followers)]
    paper.control.add_accounts(*accounts)
    population = populate(accounts)
    with tenant_scope(population.tenant.pk):
        signal = SignalFactory(
            tenant=population.tenant,
            source=population.source,
            action="open",
            side="long",
            symbol=SYMBOL,
            size="0.1",
            size_basis="base",
            leverage="5",
        )
        tenant_id = population.tenant.pk
        with CaptureQueriesContext(connection) as queries:
            signals.signal_dispatch(signal_id=signal.pk, tenant_id=tenant_id)
            for shard_id in SignalShard.objects.values_list("pk", flat=True):
                tasks.shard_run(shard_id=shard_id, tenant_id=tenant_id)
        sent = Order.objects.filter(signal_id=signal.pk, acknowledged_at__isnull=False)
        assert sent.count() == followers
    return len(queries)


def test_six_times_the_followers_ask_one_chunk_more(paper_exchange: Any, settings: Any) -> None:
    settings.FANOUT_WORKERS = 1
    queries_of_a_fan_out(paper_exchange, 1)  # loads markets and settings
    one_chunk = queries_of_a_fan_out(paper_exchange, FIRST_CHUNK)
    two_chunks = queries_of_a_fan_out(paper_exchange, FIRST_CHUNK + CHUNK)
    assert one_chunk < 20 + QUERIES_A_CHUNK
    assert two_chunks - one_chunk < QUERIES_A_CHUNK


def test_the_same_followers_in_more_shards_ask_more(paper_exchange: Any, settings: Any) -> None:
    followers = 4 * FIRST_CHUNK
    settings.FANOUT_WORKERS = 1
    queries_of_a_fan_out(paper_exchange, 1)
    in_one = queries_of_a_fan_out(paper_exchange, followers)
    settings.FANOUT_WORKERS = 4
    in_four = queries_of_a_fan_out(paper_exchange, followers)
    assert in_one < in_four < in_one + 4 * QUERIES_A_CHUNK

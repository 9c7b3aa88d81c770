"""What a fan-out asks of the database grows with its shards and chunks, not with its followers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.demo.paper_control import invented_account
from customers.models import ExchangeAccount
from customers.tenancy import tenant_scope
from tests.bench.population import SYMBOL, populate
from tests.factories import EquityDayFactory, SignalFactory, TenantSettingsFactory
from trading import tasks
from trading.models import Balance, Order, SignalShard
from trading.services.fanout import shards, signals
from trading.services.submission.stragglers import stragglers
from venues import runtime

# A chunk: locks, five reads, six writes, its last checks, marks and answers, in transactions;
# answers may come in several lots.
QUERIES_A_CHUNK = 60
CHUNK = 50
"""Followers; fewer than in real, for the tests' time."""

# Accounts' locks, what they hold, copy and work, their orders and stops, days and values; and for
# the shard the market, with whoever wants to enter it.
QUERIES_OF_THE_RULES = 24
ANSWERS_IN_LOTS = 10
"""Answers come in one lot or in several: so many statements more or less."""
EVERY_RULE = {
    "total_cap": "100000000",
    "symbol_exposure_cap": "100000000",
    "account_exposure_cap": "100000000",
    "free_margin_reserve_percent": "1",
    "min_liquidation_distance_percent": "1",
    "max_open_positions": 50,
    "max_orders_per_minute": 50,
    "cooldown_after_stops": 3,
    "cooldown_minutes": 60,
    "daily_loss_limit": "100000000",
    "daily_loss_limit_percent": "90",
    "drawdown_limit_percent": "90",
    "signal_lifetime_seconds": 60,
    "trading_hours": ["mon-sun 00:00-24:00"],
    "max_spread_percent": "50",
    "max_depth_percent": "100",
    "funding_guard_minutes": 1,
}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "CHUNKS", dict.fromkeys(shards.CHUNKS, CHUNK))


@pytest.fixture(autouse=True)
def fresh_gateways() -> Iterator[None]:
    runtime.close_gateways()
    yield
    runtime.close_gateways()


def queries_of_a_fan_out(paper: Any, followers: int, **rules: Any) -> int:
    """`rules` are what the firm states."""
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
        if rules:
            TenantSettingsFactory(tenant=population.tenant, settings={"values": rules})
            read = timezone.now()
            for account in ExchangeAccount.objects.all():
                EquityDayFactory(account=account, read_at=read)
            Balance.objects.update(equity_usd=F("equity"))
        with CaptureQueriesContext(connection) as queries:
            signals.signal_dispatch(signal_id=signal.pk, tenant_id=tenant_id)
            for shard_id in SignalShard.objects.values_list("pk", flat=True):
                tasks.shard_run(shard_id=shard_id, tenant_id=tenant_id)
        assert stragglers.wait(30)  # a busy machine answers late
        sent = Order.objects.filter(signal_id=signal.pk, acknowledged_at__isnull=False)
        assert sent.count() == followers
    return len(queries)


def test_twice_the_followers_ask_one_chunk_more(paper_exchange: Any, settings: Any) -> None:
    settings.FANOUT_WORKERS = 1
    queries_of_a_fan_out(paper_exchange, 1)  # loads markets and settings
    one_chunk = queries_of_a_fan_out(paper_exchange, CHUNK)
    two_chunks = queries_of_a_fan_out(paper_exchange, 2 * CHUNK)
    assert one_chunk < 20 + QUERIES_A_CHUNK
    assert two_chunks - one_chunk < QUERIES_A_CHUNK


def test_the_same_followers_in_more_shards_ask_more(paper_exchange: Any, settings: Any) -> None:
    followers = 4 * CHUNK
    settings.FANOUT_WORKERS = 1
    queries_of_a_fan_out(paper_exchange, 1)
    in_one = queries_of_a_fan_out(paper_exchange, followers)
    settings.FANOUT_WORKERS = 4
    in_four = queries_of_a_fan_out(paper_exchange, followers)
    assert in_one < in_four < in_one + 4 * QUERIES_A_CHUNK


def test_the_facts_of_all_rules_cost_a_chunk_a_fixed_number_of_questions(
    paper_exchange: Any, settings: Any
) -> None:
    settings.FANOUT_WORKERS = 1
    queries_of_a_fan_out(paper_exchange, 1)
    without = queries_of_a_fan_out(paper_exchange, CHUNK)
    few = queries_of_a_fan_out(paper_exchange, 5, **EVERY_RULE)
    many = queries_of_a_fan_out(paper_exchange, CHUNK, **EVERY_RULE)
    assert few - ANSWERS_IN_LOTS <= many <= few + ANSWERS_IN_LOTS
    assert many - without <= QUERIES_OF_THE_RULES + ANSWERS_IN_LOTS


def test_another_symbol_costs_a_chunk_a_fixed_number_of_questions(
    paper_exchange: Any, settings: Any
) -> None:
    settings.FANOUT_WORKERS = 1
    there = {"symbol_map": {SYMBOL: "ETH/USDT:USDT"}}
    queries_of_a_fan_out(paper_exchange, 1, **there)  # loads markets and settings
    without = queries_of_a_fan_out(paper_exchange, CHUNK)
    elsewhere = {"symbol_map": {"SOL/USDT:USDT": "ETH/USDT:USDT"}}
    others = queries_of_a_fan_out(paper_exchange, CHUNK, **elsewhere)
    few = queries_of_a_fan_out(paper_exchange, 5, **there)
    many = queries_of_a_fan_out(paper_exchange, CHUNK, **there)
    assert few - ANSWERS_IN_LOTS <= many <= few + ANSWERS_IN_LOTS
    # Who is mapped is noted, and in the positions.
    assert many - without <= 10 + 4 + ANSWERS_IN_LOTS
    assert others - without <= 10

"""Accounts whose lines are cut, frozen, refused at login and announced to close, while a strategy
and the clients' own hands trade: afterwards the books are the exchange's."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from customers.models import StreamState
from customers.tenancy import system_scope
from tests.paper.client import PaperClient
from tests.processes.live import LiveProcesses, wait_for
from tests.storm.hands import Client
from tests.storm.weather import TROUBLES, strike
from tests.trading.world import World, make_world
from trading.models import Fill, Order, Position
from venues import runtime

ACCOUNTS = 5
STORM_SECONDS = 25
FOUND_SECONDS = 60
"""A frozen line is found after 25 s; then it has to log in, at the venue's pace."""
SYMBOLS = {"BTC-USDT-SWAP": "BTC/USDT:USDT", "ETH-USDT-SWAP": "ETH/USDT:USDT"}
OPEN = ("ready", "claimed", "sending", "unknown")


@pytest.fixture
def world(transactional_db: Any, paper_exchange: Any) -> Iterator[World]:
    runtime.close_gateways()
    yield make_world(paper_exchange)
    runtime.close_gateways()


def positions_at_venue(world: World) -> dict[tuple[str, str], Decimal]:
    found = {}
    for account_id, keys in world.keys.items():
        client = PaperClient(world.paper.url, keys)
        for row in client.get("account/positions").data:
            if Decimal(row["pos"] or 0):
                found[account_id, SYMBOLS[row["instId"]]] = Decimal(row["pos"])
        client.close()
    return found


def positions_here() -> dict[tuple[str, str], Decimal]:
    with system_scope("test"):
        rows = Position.objects.values_list("account_id", "symbol", "quantity")
        return {(account_id, symbol): quantity for account_id, symbol, quantity in rows if quantity}


def differing_fills(world: World) -> list[tuple[str, str, str | None]]:
    """Of our orders: trades of the ledger that are not here, or not on their order."""
    accounts = {keys.api_key: account_id for account_id, keys in world.keys.items()}
    with system_scope("test"):
        ours = dict(Order.objects.values_list("pk", "state"))
        rows = Fill.objects.values_list("account_id", "symbol", "trade_id", "order_id")
        here = {tuple(key): order_id for *key, order_id in rows}
    return [
        (row["tradeId"], ours[row["clOrdId"]], here.get(_key(row, accounts), "not here"))
        for row in world.paper.control.ledger()["fills"]
        if row["apiKey"] in accounts
        and row["clOrdId"] in ours
        and here.get(_key(row, accounts)) != row["clOrdId"]
    ]


def _key(row: dict[str, Any], accounts: dict[str, str]) -> tuple[str, str, str]:
    """A trade id is its instrument's."""
    return accounts[row["apiKey"]], SYMBOLS[row["instId"]], row["tradeId"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_after_a_storm_the_books_are_the_exchanges(world: World, live: LiveProcesses) -> None:
    rng = random.Random(7)
    for _ in range(ACCOUNTS):
        world.follower()
    clients = [Client(world.paper.url, keys, rng) for keys in world.keys.values()]
    env = {"PAPER_EXCHANGE_URL": world.paper.url}
    live.manage("streamer", env=env, ready=lambda process: " started" in process.log())
    live.worker(env=env)
    live.manage("relay", env=env)

    def all_live() -> bool:
        with system_scope("test"):
            return StreamState.objects.filter(state="live").count() == ACCOUNTS

    wait_for(all_live, seconds=40, what="the streams are live")
    until = time.monotonic() + STORM_SECONDS
    while time.monotonic() < until:
        keys = rng.choice(list(world.keys.values())).api_key
        strike(world.paper.control, rng.choice(TROUBLES), keys, rng)
        rng.choice(clients).step()
        if rng.random() < 0.3:
            world.fan_out(world.entry(rng.choice(["open", "increase"]), size="0.02"), wait=False)
        time.sleep(0.4)
    world.paper.control.clear_faults()

    def differences() -> list[Any]:
        world.check()  # the look-ups that a scheduler would ask for
        here, there = positions_here(), positions_at_venue(world)
        with system_scope("test"):
            unclear = list(Order.objects.filter(state__in=OPEN).values_list("pk", "state"))
        return [*sorted(here.items() ^ there.items()), *unclear, *differing_fills(world)]

    until = time.monotonic() + FOUND_SECONDS
    while found := differences():
        assert time.monotonic() < until, found
        time.sleep(0.5)
    wait_for(all_live, seconds=60, what="the streams are live again")
    with system_scope("test"):
        trade_ids = list(Fill.objects.values_list("account_id", "symbol", "trade_id"))
    assert len(trade_ids) == len(set(trade_ids))

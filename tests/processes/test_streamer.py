"""Streamers as real processes: what accounts do reaches the books, whoever dies."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from customers.models import Credential, Lease, StreamState
from customers.tenancy import system_scope, tenant_scope
from tests.paper.client import PaperClient, order
from tests.processes.live import LiveProcess, LiveProcesses, wait_for
from tests.trading.world import SYMBOL, World, make_world
from trading.models import Balance, Fill, Position
from venues import runtime


@pytest.fixture
def world(transactional_db: Any, paper_exchange: Any) -> Iterator[World]:
    runtime.close_gateways()
    yield make_world(paper_exchange)
    runtime.close_gateways()


def streamer(live: LiveProcesses, world: World, **env: str) -> LiveProcess:
    return live.manage(
        "streamer",
        env={"PAPER_EXCHANGE_URL": world.paper.url, **env},
        ready=lambda process: " started" in process.log(),
    )


def states(world: World) -> dict[str, str]:
    with system_scope("test"):
        return dict(StreamState.objects.values_list("subject_id", "state"))


def wait_live(world: World, *account_ids: str, seconds: float = 30) -> None:
    wait_for(
        lambda: all(states(world).get(pk) == "live" for pk in account_ids),
        seconds=seconds,
        what="the streams are live",
    )


def by_hand(world: World, account_id: str, **changes: Any) -> str:
    """The client trades at the exchange, past us; the venue's order id."""
    client = PaperClient(world.paper.url, world.keys[account_id])
    answer = client.post("trade/order", order(**changes))
    client.close()
    assert answer.code == "0", answer.text
    return str(answer.row["ordId"])


def held(account_id: str) -> Decimal:
    with system_scope("test"):
        row = Position.objects.filter(account_id=account_id, symbol=SYMBOL).first()
        return row.quantity if row else Decimal(0)


def eventually(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    wait_for(condition, seconds=seconds, what=what)


def test_what_a_client_does_by_hand_is_in_the_books_at_once(
    world: World, live: LiveProcesses
) -> None:
    account_id = world.follower().account_id
    streamer(live, world)
    wait_live(world, account_id)
    started = time.monotonic()
    order_id = by_hand(world, account_id, sz="3")
    eventually(lambda: held(account_id) == 3, "the position is here")
    with system_scope("test"):
        fills = list(Fill.objects.filter(account_id=account_id))
        balance = Balance.objects.get(account_id=account_id, currency="USDT")
    assert {fill.venue_order_id for fill in fills} == {order_id}
    assert {fill.order_id for fill in fills} == {None}
    assert sum(fill.quantity for fill in fills) == 3
    assert balance.updated_at > timezone.now() - timedelta(seconds=10)
    assert time.monotonic() - started < 10
    by_hand(world, account_id, sz="3", side="sell", reduceOnly=True)
    eventually(lambda: held(account_id) == 0, "the position is gone")


def test_what_was_done_by_hand_in_a_gap_is_found_after_it(
    world: World, live: LiveProcesses
) -> None:
    """Nobody sweeps here: the streamer itself asks for what it did not hear."""
    account_id = world.follower().account_id
    live.worker(env={"PAPER_EXCHANGE_URL": world.paper.url})
    streamer(live, world)
    wait_live(world, account_id)
    world.paper.control.add_fault("error_code", endpoint="ws/login", code="60011", count=2)
    world.paper.control.add_fault("close_sockets")
    by_hand(world, account_id, sz="3")
    by_hand(world, account_id, sz="3", side="sell")

    def fills() -> int:
        with system_scope("test"):
            return Fill.objects.filter(account_id=account_id).exclude(attribution="").count()

    eventually(lambda: fills() == 2, "both trades are here, and booked", seconds=60)


def test_our_own_order_of_unknown_outcome_is_adopted_from_the_stream(
    world: World, live: LiveProcesses
) -> None:
    follower = world.follower()
    streamer(live, world)
    wait_live(world, follower.account_id)
    # Booked, but the answer never comes; and nobody looks anything up.
    world.paper.control.add_fault("drop", endpoint="trade/order", booked=True)
    world.fan_out(world.entry(size="0.1"))
    eventually(
        lambda: {order.state for order in world.orders()} == {"filled"}, "the order is adopted"
    )
    copied = world.held(follower)
    assert copied.filled == copied.target == 10
    with system_scope("test"):
        order_id = world.orders()[0].pk
        assert {fill.order_id for fill in Fill.objects.all()} == {order_id}


def test_another_streamer_takes_over_within_fifteen_seconds(
    world: World, live: LiveProcesses
) -> None:
    accounts = [world.follower().account_id for _ in range(4)]
    first = streamer(live, world)
    wait_live(world, *accounts)
    second = streamer(live, world)
    holders = Lease.objects.filter(name__startswith="stream-shard:").values_list(
        "holder", flat=True
    )
    eventually(lambda: len(set(holders.all())) == 2, "both have shards", seconds=20)
    wait_live(world, *accounts)
    first.kill()
    by_hand(world, accounts[0], sz="2")

    def all_taken() -> bool:
        held_now = Lease.objects.filter(
            name__startswith="stream-shard:", expires_at__gt=timezone.now()
        )
        return set(held_now.values_list("holder", flat=True)) == {second.log().split()[1]}

    eventually(all_taken, "the second has all shards", seconds=15)
    eventually(lambda: held(accounts[0]) == 2, "what happened meanwhile is here")
    for account_id in accounts[1:]:
        by_hand(world, account_id, sz="1")
        eventually(lambda pk=account_id: held(pk) == 1, "its stream works")


def logins(world: World) -> int:
    faults = world.paper.control.call("GET", "faults")["faults"]
    return sum(rule["hits"] for rule in faults if rule["endpoint"] == "ws/login")


def test_a_refused_key_is_not_tried_again_until_there_is_another_one(
    world: World, live: LiveProcesses
) -> None:
    account_id = world.follower().account_id
    with tenant_scope(world.tenant.pk):
        row = Credential.objects.get(account_id=account_id)
        row.api_secret = "not-the-secret"
        row.save()
    world.paper.control.add_fault("delay", endpoint="ws/login", ms=0)
    first = streamer(live, world)
    eventually(lambda: states(world).get(account_id) == "refused", "the refusal is stored", 20)
    time.sleep(7)
    assert logins(world) == 1
    first.stop()
    streamer(live, world)
    time.sleep(9)
    assert logins(world) == 1, "a new process tried the refused key again"
    with tenant_scope(world.tenant.pk):
        keys = world.keys[account_id]
        Credential.objects.get(pk=row.pk).delete()
        Credential(
            tenant=world.tenant,
            account_id=account_id,
            status=Credential.Status.ACTIVE,
            api_key=keys.api_key,
            api_secret=keys.secret_key,
            passphrase=keys.passphrase,
            api_key_fingerprint=row.api_key_fingerprint,
        ).save()
    wait_live(world, account_id)


def test_cut_lines_come_back_and_what_happened_meanwhile_is_found(
    world: World, live: LiveProcesses
) -> None:
    account_id = world.follower().account_id
    streamer(live, world)
    wait_live(world, account_id)
    for _ in range(3):
        world.paper.control.add_fault("close_sockets")
        by_hand(world, account_id, sz="1")
    eventually(lambda: held(account_id) == 3, "the position is whole")
    wait_live(world, account_id)


def test_a_notice_brings_a_new_stream_before_the_old_one_ends(
    world: World, live: LiveProcesses
) -> None:
    account_id = world.follower().account_id
    streamer(live, world)
    wait_live(world, account_id)
    with system_scope("test"):
        before = StreamState.objects.get(subject_id=account_id)
    world.paper.control.add_fault("notice", ms=4000)

    def another_connection() -> bool:
        with system_scope("test"):
            now = StreamState.objects.get(subject_id=account_id)
        assert now.state == "live", "it was without a stream"
        return now.connection_id != before.connection_id

    eventually(another_connection, "there is a new stream")
    time.sleep(5)
    with system_scope("test"):
        assert StreamState.objects.get(subject_id=account_id).since == before.since
    by_hand(world, account_id, sz="1")
    eventually(lambda: held(account_id) == 1, "it works")


def test_accounts_that_come_and_go_are_followed(world: World, live: LiveProcesses) -> None:
    first = world.follower().account_id
    process = streamer(live, world)
    wait_live(world, first)
    second = world.follower().account_id
    wait_live(world, second)
    with tenant_scope(world.tenant.pk):
        Credential.objects.filter(account_id=second).delete()
    eventually(lambda: states(world)[second] == "lost", "the stream is given up")

    def connected() -> list[str]:
        sockets = world.paper.control.call("GET", "sockets")["sockets"]
        return [row["apiKey"] for row in sockets]

    mine = [world.keys[first].api_key]
    eventually(lambda: connected() == mine, "its socket is closed, the other's is open")
    assert process.stop() == 0
    assert not Lease.objects.filter(
        name__startswith="stream-shard:", expires_at__gt=timezone.now()
    ).exclude(holder="")

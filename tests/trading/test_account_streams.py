"""What an account's stream tells, written by the same services as our own results.

Real pushes of the paper exchange, handed to the kind as the streamer does.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.demo.paper_control import PaperAccount
from customers.models import Event, ExchangeAccount
from customers.tenancy import system_scope, tenant_scope
from tests.paper.client import PaperClient, order
from tests.trading.world import SYMBOL, World
from tests.venues.streams.listening import Listening
from trading.models import Balance, Fill, Order, Position
from trading.services import account_sync
from trading.services.streams.kind import AccountStreams
from venues.streams.events import OrderChanged, PositionsChanged, StreamEvent
from venues.streams.registry import Delivery, Subject


def subject(world: World, account_id: str) -> Subject:
    return Subject(account_id, world.tenant.pk, "paper", 2, "key")


def heard(world: World, *accounts: str, act: Any) -> dict[str, tuple[StreamEvent, ...]]:
    """What the streams of these accounts tell while `act` is done."""

    async def listen() -> dict[str, tuple[StreamEvent, ...]]:
        lists = {pk: Listening(world.paper, world.keys[pk]) for pk in accounts}
        for listening in lists.values():
            await listening.live()
        await asyncio.to_thread(act)
        await asyncio.sleep(0.5)
        for listening in lists.values():
            listening.session.close()
        return {pk: tuple(listening.events) for pk, listening in lists.items()}

    return asyncio.run(listen())


def deliver(
    world: World,
    told: dict[str, tuple[StreamEvent, ...]],
    kind: AccountStreams | None = None,
) -> AccountStreams:
    kind = kind or AccountStreams()
    with tenant_scope(world.tenant.pk):
        kind.deliver(
            world.tenant.pk,
            [Delivery(subject(world, pk), events) for pk, events in told.items()],
        )
    return kind


def trade(world: World, keys: PaperAccount, **changes: Any) -> None:
    client = PaperClient(world.paper.url, keys)
    answer = client.post("trade/order", order(**changes))
    client.close()
    assert answer.code == "0", answer.text


def count(model: Any, **filters: Any) -> int:
    with system_scope("test"):
        return int(model.objects.filter(**filters).count())


def quantity(account_id: str) -> Decimal:
    with system_scope("test"):
        row = Position.objects.filter(account_id=account_id, symbol=SYMBOL).first()
        return row.quantity if row else Decimal(0)


def test_an_order_of_ours_is_filled_by_its_pushes_alone(world: World) -> None:
    follower = world.follower()
    told = heard(
        world, follower.account_id, act=lambda: world.fan_out(world.entry(size="0.1"), wait=True)
    )
    assert {row.state for row in world.orders()} <= {"accepted", "sending"}
    deliver(world, told)
    (row,) = world.orders()
    assert (row.state, row.check_at) == ("filled", None)
    assert world.held(follower).filled == 10
    assert quantity(follower.account_id) == 10


def test_the_same_pushes_told_again_change_nothing(world: World) -> None:
    follower = world.follower()
    told = heard(
        world, follower.account_id, act=lambda: world.fan_out(world.entry(size="0.1"), wait=True)
    )
    deliver(world, told)
    before = (count(Fill), count(Order), world.held(follower).filled, quantity(follower.account_id))
    deliver(world, told)
    after = (count(Fill), count(Order), world.held(follower).filled, quantity(follower.account_id))
    assert after == before


def test_an_old_push_after_the_end_reopens_nothing(world: World) -> None:
    follower = world.follower()
    told = heard(
        world, follower.account_id, act=lambda: world.fan_out(world.entry(size="0.1"), wait=True)
    )
    deliver(world, told)
    orders = [event for event in told[follower.account_id] if isinstance(event, OrderChanged)]
    deliver(world, {follower.account_id: (orders[0],)})
    assert [row.state for row in world.orders()] == ["filled"]


def test_what_the_client_trades_by_hand_is_kept_without_an_order(world: World) -> None:
    follower = world.follower()
    keys = world.keys[follower.account_id]
    told = heard(world, follower.account_id, act=lambda: trade(world, keys, sz="4"))
    deliver(world, told)
    with system_scope("test"):
        assert {fill.order_id for fill in Fill.objects.all()} == {None}
        assert sum(fill.quantity for fill in Fill.objects.all()) == 4
        assert Event.objects.filter(kind="position.changed").exists()
    assert quantity(follower.account_id) == 4
    assert count(Order) == 0


def test_an_order_of_another_account_is_not_taken_for_ours(world: World) -> None:
    """A client order id counts only on the account that it was sent for."""
    ours, stranger = world.follower(), world.follower()
    world.fan_out(world.entry(size="0.1"))
    mine = next(row for row in world.orders() if row.account_id == ours.account_id)
    keys = world.keys[stranger.account_id]
    told = heard(
        world, stranger.account_id, act=lambda: trade(world, keys, sz="7", clOrdId=mine.pk)
    )
    before = world.reload(mine).filled_quantity
    deliver(world, told)
    assert world.reload(mine).filled_quantity == before
    assert count(Fill, account_id=stranger.account_id, order=None) >= 1


def test_a_closed_position_is_gone_and_others_stay(world: World) -> None:
    follower = world.follower()
    keys = world.keys[follower.account_id]
    kind = deliver(world, heard(world, follower.account_id, act=lambda: trade(world, keys, sz="2")))
    other = {"instId": "ETH-USDT-SWAP"}
    deliver(world, heard(world, follower.account_id, act=lambda: trade(world, keys, **other)), kind)
    assert count(Position) == 2
    close = {"side": "sell", "sz": "2", "reduceOnly": True}
    told = heard(world, follower.account_id, act=lambda: trade(world, keys, **close))
    changes = tuple(e for e in told[follower.account_id] if not getattr(e, "is_complete", False))
    deliver(world, {follower.account_id: changes}, kind)
    with system_scope("test"):
        assert [row.symbol for row in Position.objects.all()] == ["ETH/USDT:USDT"]


def test_a_snapshot_removes_what_was_closed_while_nobody_listened(world: World) -> None:
    follower = world.follower()
    keys = world.keys[follower.account_id]
    kind = deliver(world, heard(world, follower.account_id, act=lambda: trade(world, keys, sz="2")))
    trade(world, keys, side="sell", sz="2", reduceOnly=True)
    deliver(world, heard(world, follower.account_id, act=lambda: None), kind)
    assert quantity(follower.account_id) == 0


def test_pushes_that_tell_nothing_new_cost_no_statement(world: World) -> None:
    follower = world.follower()
    keys = world.keys[follower.account_id]
    told = heard(world, follower.account_id, act=lambda: trade(world, keys, sz="2"))
    kind = deliver(world, told)
    repeated = [e for e in told[follower.account_id] if isinstance(e, PositionsChanged)][-1:]
    assert repeated
    with CaptureQueriesContext(connection) as queries:
        deliver(world, {follower.account_id: tuple(repeated)}, kind)
    assert not queries.captured_queries


def test_a_batch_costs_the_same_statements_however_many_accounts_it_has(world: World) -> None:
    followers = [world.follower().account_id for _ in range(6)]
    told = heard(
        world, *followers, act=lambda: [trade(world, world.keys[pk], sz="1") for pk in followers]
    )
    with CaptureQueriesContext(connection) as one:
        deliver(world, {followers[0]: told[followers[0]]})
    with CaptureQueriesContext(connection) as many:
        deliver(world, {pk: told[pk] for pk in followers[1:]})
    assert len(many.captured_queries) == len(one.captured_queries)


@pytest.mark.parametrize("stream_is_later", [True, False])
def test_a_reading_that_a_push_overtook_changes_nothing(
    world: World, stream_is_later: bool
) -> None:
    follower = world.follower()
    account_id = follower.account_id
    told = heard(world, account_id, act=lambda: trade(world, world.keys[account_id], sz="2"))
    trade(world, world.keys[account_id], side="sell", sz="2", reduceOnly=True)
    # The reading says flat; the push, that 2 are held. Which of them is later?
    deliver(world, told)
    shift = timedelta(minutes=1) if stream_is_later else timedelta(0)
    with system_scope("test"):
        account = ExchangeAccount.objects.get(pk=account_id)
    with tenant_scope(world.tenant.pk):
        ExchangeAccount.objects.filter(pk=account_id).update(synced_at=timezone.now() + shift)
        account_sync.accounts_refresh(tenant_id=account.tenant_id, account_ids=[account_id])
    assert quantity(account_id) == (2 if stream_is_later else 0)
    assert count(Balance, account_id=account_id) == 1


def test_what_was_done_by_hand_makes_the_account_due(world: World) -> None:
    account_id = world.follower(position_mode="long_short").account_id
    with system_scope("test"):
        ExchangeAccount.objects.filter(pk=account_id).update(tried_at=timezone.now())
    deliver(
        world,
        heard(
            world,
            account_id,
            act=lambda: trade(world, world.keys[account_id], side="sell", sz="2", posSide="short"),
        ),
    )
    with system_scope("test"):
        assert ExchangeAccount.objects.get(pk=account_id).tried_at is None
        assert Fill.objects.get(account_id=account_id).position_side == "short"

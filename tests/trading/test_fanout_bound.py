"""More orders than followers never leave, whatever made them; exits are not held up by it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from customers.domain.ids import new_id
from customers.models import AuditEntry, Event
from customers.tenancy import tenant_scope
from strategies.models import Subscription
from tests.factories import UserFactory
from tests.trading.world import World
from trading import tasks
from trading.domain.planning import FIRST_EXTRA_LEG, Follower, Instruction, Plan, plan_follower
from trading.models import Alert, Breaker, FanoutTally, Order
from trading.services.breaker.switching import breaker_reset
from trading.services.control_state import forget_controls
from trading.services.fanout import shards
from trading.services.fanout.context import shard_context
from trading.services.fanout.shards import shard_claim, shard_plan
from trading.services.outgoing import outgoing_of
from trading.services.submission import OrderSender


def _doubling(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planner that decides everything twice."""

    def twice(instruction: Instruction, follower: Follower) -> Plan:
        plan = plan_follower(instruction, follower)
        again = tuple(replace(leg, leg=leg.leg + FIRST_EXTRA_LEG) for leg in plan.legs)
        target = plan.target * 2 - follower.book.target
        return replace(plan, legs=plan.legs + again, target=target)

    monkeypatch.setattr(shards, "plan_follower", twice)


def _breaker() -> Breaker:
    return Breaker.objects.get()


def _tally(world: World) -> FanoutTally:
    with tenant_scope(world.tenant.pk):
        return FanoutTally.objects.get()


def test_an_ordinary_fan_out_is_counted_and_leaves(world: World) -> None:
    followers = [world.follower() for _ in range(3)]
    world.run(signal := world.entry())
    assert {world.intent(signal, one).status for one in followers} == {"filled"}
    assert (_tally(world).followers, _tally(world).entries_sent) == (3, 3)
    assert not Breaker.objects.exists()


def test_a_doubled_fan_out_is_stopped_and_staff_are_alerted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    followers = [world.follower() for _ in range(3)]
    _doubling(monkeypatch)
    world.fan_out(signal := world.entry())

    assert sum(len(world.ledger_orders(one)) for one in followers) == 0
    assert {intent.reason_code for intent in world.intents(signal)} == {"fanout_exceeded"}
    breaker = _breaker()
    assert (breaker.level, breaker.subject_id) == ("strategy", world.strategy.pk)
    assert breaker.half_open_at is None  # only a person lets it go again
    with tenant_scope(world.tenant.pk):
        alert = Alert.objects.get()
        assert (alert.code, alert.params["signal"]) == ("fanout_exceeded", signal.pk)
        assert Event.objects.filter(kind="alert.raised").count() == 1
    assert AuditEntry.objects.filter(action="breaker.opened").count() == 1


def _copies_of(world: World, orders: list[Order]) -> list[str]:
    """The same orders again under other ids, as a mistake in another process would write them."""
    ids = []
    with tenant_scope(world.tenant.pk):
        for order in orders:
            intent = order.intent
            intent.pk, intent.key, intent.leg = new_id(), f"{intent.key}:again", intent.leg + 7
            intent.save(force_insert=True)
            order.pk, order.intent_id = new_id(), intent.pk
            order.state, order.sent_at, order.venue_order_id = "ready", None, ""
            order.save(force_insert=True)
            ids.append(order.pk)
    return ids


def test_entries_that_another_process_sends_again_do_not_leave(world: World) -> None:
    followers = [world.follower() for _ in range(3)]
    world.fan_out(signal := world.entry())
    copies = _copies_of(world, world.orders())

    tasks.orders_submit(order_ids=copies, tenant_id=world.tenant.pk)

    assert [len(world.ledger_orders(one)) for one in followers] == [1, 1, 1]
    assert {order.reason_code for order in world.orders(pk__in=copies)} == {"fanout_exceeded"}
    assert _tally(world).entries_sent == 3
    assert _breaker().params == {"signal": signal.pk, "orders": "6", "followers": "3"}


def test_the_bound_is_for_each_signal_and_strategy(world: World) -> None:
    for _ in range(2):
        world.follower()
    for _ in range(3):
        world.run(world.entry("increase"))
    with tenant_scope(world.tenant.pk):
        assert list(FanoutTally.objects.values_list("entries_sent", "followers")) == [(2, 2)] * 3
    assert not Breaker.objects.exists()


def test_exits_leave_while_the_strategys_entries_are_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = world.follower()
    world.run(world.entry())
    with monkeypatch.context() as patch:
        _doubling(patch)
        world.run(doubled := world.entry("increase"))
    assert {intent.status for intent in world.intents(doubled)} == {"rejected"}

    world.run(later := world.entry("increase"))
    assert world.intent(later, follower).reason_code == "fanout_exceeded"
    world.run(world.signal("close"))
    assert world.held(follower).filled == 0


def test_a_doubled_exit_leaves_once(world: World) -> None:
    follower = world.follower()
    world.run(world.entry())
    world.fan_out(
        signal := world.signal("reduce", size=Decimal("0.3"), size_basis="position_fraction")
    )
    (exit_order,) = world.orders(signal_id=signal.pk)
    twin = new_id()
    with tenant_scope(world.tenant.pk):
        Order.objects.filter(pk=exit_order.pk).update(state="claimed", claimed_by="me")
        again = Order.objects.get(pk=exit_order.pk)
        again.pk = twin
        again.save(force_insert=True)
        before = len(world.ledger_orders(follower))
        sender = OrderSender(world.tenant.pk, "me")
        rows = Order.objects.filter(pk__in=[exit_order.pk, twin]).select_related("account")
        sender.send([outgoing_of(row) for row in rows.order_by("pk")])
        sender.finish()
    assert len(world.ledger_orders(follower)) == before + 1


def test_the_same_row_twice_in_one_batch_leaves_at_most_once(world: World) -> None:
    follower = world.follower()
    (shard_id,) = world.dispatch(world.entry())
    with tenant_scope(world.tenant.pk):
        shard = shard_claim(shard_id=shard_id, tenant_id=world.tenant.pk, claimed_by="me")
        assert shard is not None
        sender = OrderSender(world.tenant.pk, "me")
        for orders in shard_plan(shard_context(shard, "me")):
            sender.send([*orders, *orders])
        sender.finish()
        sends = Order.objects.exclude(sent_at=None).count()
    assert len(world.ledger_orders(follower)) == sends == 0
    assert _breaker().cause == "fanout"


def test_an_operator_resets_it_and_the_next_signal_is_followed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = world.follower()
    with monkeypatch.context() as patch:
        _doubling(patch)
        world.run(world.entry())
    operator = UserFactory(is_staff=True)
    with tenant_scope(world.tenant.pk):
        assert breaker_reset(breaker_id=_breaker().pk, actor=operator, reason="looked at it")
        assert not Alert.objects.filter(resolved_at=None).exists()
    entry = AuditEntry.objects.get(action="breaker.reset")
    assert (entry.actor_id, entry.details["reason"]) == (operator.pk, "looked at it")

    forget_controls()
    world.run(signal := world.entry())
    assert world.intent(signal, follower).status == "filled"


def test_a_follower_who_came_back_meanwhile_is_no_excess(world: World) -> None:
    """Dispatched when he had stopped, planned when he was there again."""
    gone, there = world.follower(), world.follower()
    last = world.follower()
    with tenant_scope(world.tenant.pk):
        Subscription.objects.filter(pk=there.pk).update(status="stopped")
    (shard_id,) = world.dispatch(signal := world.entry())
    with tenant_scope(world.tenant.pk):
        Subscription.objects.filter(pk=there.pk).update(status="active")
    forget_controls()
    tasks.shard_run(shard_id=shard_id, tenant_id=world.tenant.pk)
    assert {world.intent(signal, one).status for one in (gone, there, last)} == {"working"}
    assert (_tally(world).followers, _tally(world).entries_sent) == (3, 3)


def test_a_fan_out_that_nobody_counted_is_counted_when_it_leaves(world: World) -> None:
    """Signals that were dispatched before there was a count."""
    followers = [world.follower() for _ in range(2)]
    (shard_id,) = world.dispatch(signal := world.entry())
    with tenant_scope(world.tenant.pk):
        FanoutTally.objects.all().delete()
    forget_controls()
    tasks.shard_run(shard_id=shard_id, tenant_id=world.tenant.pk)
    assert {world.intent(signal, one).status for one in followers} == {"working"}
    assert _tally(world).entries_sent == 2


def test_counting_costs_one_statement_for_each_chunk(world: World) -> None:
    for _ in range(2):
        world.follower()
    world.run(world.entry())  # their leverage is set now: nothing is prepared, all leave at once
    (shard_id,) = world.dispatch(world.entry())
    forget_controls()
    with CaptureQueriesContext(connection) as captured:
        tasks.shard_run(shard_id=shard_id, tenant_id=world.tenant.pk)
    of_breaker = [
        query["sql"]
        for query in captured
        if "fanouttally" in query["sql"] or "answercount" in query["sql"]
    ]
    assert len(of_breaker) == 2, of_breaker  # one UPDATE for the chunk, one INSERT for its answers

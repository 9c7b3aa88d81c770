"""Positions are closed without a signal: once, however often it is asked for, never too much."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

import pytest

from customers.domain.ids import new_id
from customers.tenancy import tenant_scope
from strategies.models import Subscription
from tests.trading.test_concurrency import at_once
from tests.trading.world import SYMBOL, World
from trading.models import CopiedPosition, Intent, Order
from trading.services.closing import Closing, Selection, closing_preview, positions_close
from trading.services.control_state import forget_controls
from trading.services.controls import control_set

RESTING = {"order_type": "limit", "price": Decimal(59_000), "size_basis": "quote"}


def close(
    world: World, selection: Selection | None = None, *, action_id: str = "", **kwargs: str
) -> Closing:
    forget_controls()
    with tenant_scope(world.tenant.pk):
        return positions_close(
            tenant_id=world.tenant.pk,
            selection=selection or Selection(**kwargs),
            cause=Intent.Cause.OPERATOR,
            action_id=action_id or new_id(),
        )


def is_flat(world: World, *copies: Subscription) -> bool:
    return all(world.held(copy).filled == 0 for copy in copies)


def test_all_that_a_tenant_s_copies_hold_is_closed_at_the_market(world: World) -> None:
    copies = [world.follower() for _ in range(3)]
    world.run(world.entry())
    held = [world.held(copy).filled for copy in copies]
    assert all(held)

    closing = close(world)
    world.check_until(lambda: is_flat(world, *copies), "all are flat")

    assert len(closing.order_ids) == 3
    orders = world.orders(pk__in=closing.order_ids)
    assert {(row.side, row.order_type, row.reduce_only) for row in orders} == {
        ("sell", "market", True)
    }
    assert sorted(row.quantity for row in orders) == sorted(held)
    with tenant_scope(world.tenant.pk):
        causes = Intent.objects.filter(is_entry=False).values_list("cause", flat=True)
        assert list(causes) == [Intent.Cause.OPERATOR] * 3
    assert {world.held(copy).target for copy in copies} == {Decimal(0)}


def test_a_selection_closes_its_own_and_leaves_the_others(world: World) -> None:
    one, other = world.follower(), world.follower()
    world.run(world.entry())
    for selection in (
        Selection(customer_id=one.customer_id),
        Selection(subscription_id=one.pk, symbol="ETH/USDT:USDT"),
        Selection(strategy_id=new_id()),
    ):
        with tenant_scope(world.tenant.pk):
            found = closing_preview(tenant_id=world.tenant.pk, selection=selection)
        is_one = bool(selection.customer_id)
        assert [plan.position.subscription_id for plan in found] == [one.pk] * is_one

    close(world, customer_id=one.customer_id)
    world.check_until(lambda: is_flat(world, one), "the one is flat")
    assert world.held(other).filled > 0


def test_the_preview_says_what_is_then_ordered(world: World) -> None:
    copy = world.follower()
    world.run(world.entry())
    world.refresh(copy.account_id)  # marks
    with tenant_scope(world.tenant.pk):
        (plan,) = closing_preview(tenant_id=world.tenant.pk, selection=Selection())
        assert plan.quantity == world.held(copy).filled
        assert plan.notional is not None
        assert plan.notional > 0
        assert not Order.objects.filter(is_entry=False).exists()
    (order_id,) = close(world).order_ids
    (order,) = world.orders(pk=order_id)
    assert order.quantity == plan.quantity


def test_many_clicks_at_once_close_once(world: World) -> None:
    copies = [world.follower() for _ in range(8)]
    world.run(world.entry())
    action_id = new_id()

    raised = at_once(
        [partial(close, world, action_id=action_id) for _ in range(4)]
        + [partial(close, world) for _ in range(4)]  # and another operator's, and a limit's
    )

    assert raised == []
    assert len(world.orders(is_entry=False)) == len(copies)
    world.check_until(lambda: is_flat(world, *copies), "all are flat")
    for copy in copies:
        sides = [row["side"] for row in world.ledger_orders(copy)]
        assert sorted(sides) == ["buy", "sell"]


def test_the_same_action_again_is_done_with_what_it_did(world: World) -> None:
    copy = world.follower()
    world.run(world.entry())
    action_id = new_id()
    close(world, action_id=action_id)
    world.check_until(lambda: is_flat(world, copy), "it is flat")
    world.run(world.entry())
    assert close(world, action_id=action_id).order_ids == []
    assert world.held(copy).filled > 0


def test_waiting_entries_are_cancelled_and_what_they_fill_late_is_closed(world: World) -> None:
    copy = world.follower()
    world.run(world.entry())
    world.run(world.signal("increase", size=Decimal(6_000), **RESTING), rounds=3)
    close(world)
    (resting,) = world.orders(is_entry=True, order_type="limit")
    assert resting.cancel_requested_at is not None

    def is_over() -> bool:
        (entry,) = world.orders(pk=resting.pk)
        return is_flat(world, copy) and entry.state == "cancelled"

    world.check_until(is_over, "cancelled and flat")
    assert world.held(copy).target == 0


def test_it_works_while_only_exits_are_allowed(world: World) -> None:
    copy = world.follower()
    world.run(world.entry())
    with tenant_scope(world.tenant.pk):
        control_set(
            level="tenant", subject_id=world.tenant.pk, mode="reducing", reason="why", actor=None
        )
    close(world)
    world.check_until(lambda: is_flat(world, copy), "it is flat")


def test_it_is_refused_in_words_while_trading_is_halted(world: World) -> None:
    copy = world.follower()
    world.run(world.entry())
    with tenant_scope(world.tenant.pk):
        control_set(
            level="customer", subject_id=copy.customer_id, mode="halted", reason="why", actor=None
        )
    closing = close(world)
    assert (closing.order_ids, dict(closing.refused)) == ([], {"customer_halted": 1})
    with tenant_scope(world.tenant.pk):
        intent = Intent.objects.get(cause=Intent.Cause.OPERATOR)
        assert (intent.status, intent.reason_code) == ("skipped", "customer_halted")
        position = CopiedPosition.objects.get(subscription=copy)
        assert position.target == position.filled > 0


@pytest.mark.parametrize("position_mode", ["net", "long_short"])
def test_a_short_position_is_bought_back(world: World, position_mode: str) -> None:
    copy = world.follower(position_mode=position_mode)
    world.run(world.entry(side="short"))
    assert world.held(copy).filled < 0
    (order_id,) = close(world, symbol=SYMBOL).order_ids
    world.check_until(lambda: is_flat(world, copy), "it is flat")
    (order,) = world.orders(pk=order_id)
    assert order.side == "buy"
    assert order.position_side == ("net" if position_mode == "net" else "short")

"""An exit that is proven lost gets its next attempt, whatever happens in between, and only then."""

from __future__ import annotations

import time
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from customers.tenancy import tenant_scope
from tests.factories import SourceFactory, StrategyFactory, SubscriptionFactory
from tests.trading.test_unclear_outcomes import PLACE, _age
from tests.trading.world import SYMBOL, World
from trading.models import CopiedPosition, Order
from trading.services import exit_evidence, order_checks


def _lose_exit(world: World) -> Any:
    """A close whose request never arrived."""
    world.run(world.entry())
    world.paper.control.add_fault("drop", booked=False, **PLACE)
    world.fan_out(signal := world.signal("close", side=""))
    _age(world, 60)
    return signal


def _look(world: World, rounds: int = 9) -> None:
    for _ in range(rounds):
        with tenant_scope(world.tenant.pk):
            ids = list(Order.objects.exclude(check_at=None).values_list("pk", flat=True))
        _age(world, 0)
        order_check_all(world, ids)
        world.check()


def order_check_all(world: World, ids: list[str]) -> None:
    with tenant_scope(world.tenant.pk):
        order_checks.orders_check(tenant_id=world.tenant.pk, order_ids=ids)


def test_a_worker_that_dies_before_the_next_attempt_leaves_it_due(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = world.follower()
    signal = _lose_exit(world)

    def die(**_: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as dying:
        dying.setattr(order_checks, "exit_try_again", die)
        with pytest.raises(SystemExit):
            _look(world)
    assert world.intent(signal, follower).status == "not_placed"

    _look(world)
    assert world.intent(signal, follower).status == "filled"
    assert world.held(follower).filled == 0


def test_a_venue_that_cannot_be_asked_delays_the_next_attempt_only(world: World) -> None:
    follower = world.follower()
    signal = _lose_exit(world)

    world.paper.control.add_fault("http_status", status=503, endpoint="account/positions")
    _look(world)
    world.paper.control.clear_faults()
    assert world.held(follower).filled == 10

    _look(world)
    assert world.intent(signal, follower).status == "filled"
    assert world.held(follower).filled == 0


def test_an_exit_that_happened_after_all_takes_nothing_from_the_accounts_other_copies(
    world: World,
) -> None:
    follower = world.follower()
    world.run(world.entry())
    other = SubscriptionFactory(
        tenant=world.tenant,
        strategy=StrategyFactory(tenant=world.tenant, source=SourceFactory(tenant=world.tenant)),
        account=follower.account,
        customer=follower.customer,
    )
    world.run(world.entry())  # twenty at the venue: ten of them are made the other copy's
    with tenant_scope(world.tenant.pk):
        CopiedPosition.objects.filter(subscription=follower).update(filled=10, target=10)
        CopiedPosition.objects.update_or_create(
            subscription=other,
            symbol=SYMBOL,
            defaults={
                "tenant": world.tenant,
                "account": follower.account,
                "customer": follower.customer,
                "filled": Decimal(10),
                "target": Decimal(10),
                "average_entry_price": Decimal(60_000),
                "changed_at": follower.created_at,
            },
        )
    world.paper.control.add_fault("hide_order", ms=6000, **PLACE)
    world.paper.control.add_fault("drop", booked=True, **PLACE)
    world.fan_out(signal := world.signal("close", side=""))
    _age(world, 60)
    _look(world)

    booked = [row["side"] for row in world.ledger_orders(follower)]
    assert booked == ["buy", "buy", "sell"]
    _show_up(world, signal, follower)
    assert world.held(follower).filled == 0


def _show_up(world: World, signal: Any, follower: Any) -> None:
    deadline = time.monotonic() + 30
    while world.intent(signal, follower).status != "filled":
        assert time.monotonic() < deadline
        _look(world, rounds=1)


def test_a_partial_exit_that_the_venue_hides_is_not_repeated(world: World) -> None:
    follower = world.follower()
    world.run(world.entry())
    world.paper.control.add_fault("hide_order", ms=6000, **PLACE)
    world.paper.control.add_fault("drop", booked=True, **PLACE)
    half = {"size": Decimal("0.3"), "size_basis": "position_fraction"}
    world.fan_out(signal := world.signal("reduce", side="", **half))
    _age(world, 60)
    _look(world)

    assert world.intent(signal, follower).status == "unknown"  # seven are left at the venue
    world.run(world.signal("close", side=""))
    booked = [(row["side"], row["sz"]) for row in world.ledger_orders(follower)]
    assert booked == [("buy", "10"), ("sell", "3"), ("sell", "7")]
    _show_up(world, signal, follower)
    assert (world.held(follower).filled, world.held(follower).target) == (0, 0)


def test_an_entry_that_may_have_filled_beside_it_proves_no_exit_absent(world: World) -> None:
    follower = world.follower()
    world.run(world.entry())
    world.paper.control.add_fault("hide_order", ms=6000, **PLACE)
    world.paper.control.add_fault("drop", booked=True, **PLACE)
    half = {"size": Decimal("0.3"), "size_basis": "position_fraction"}
    world.fan_out(signal := world.signal("reduce", side="", **half))
    _age(world, 60)
    world.fan_out(world.entry("increase", "0.03"))  # brings at the venue what the exit took
    with tenant_scope(world.tenant.pk):
        lost = Order.objects.select_related("account").get(state="unknown")
        assert not exit_evidence.exit_is_disproved(lost)
    world.check()
    _show_up(world, signal, follower)
    sells = [row for row in world.ledger_orders(follower) if row["side"] == "sell"]
    assert len(sells) == 1


def test_an_attempt_that_is_still_watched_does_not_speak_for_the_one_after_it(
    world: World,
) -> None:
    follower = world.follower()
    signal = _lose_exit(world)
    _look(world)
    lost, second = world.orders(is_entry=False)
    assert (lost.state, second.state) == ("not_placed", "filled")

    with tenant_scope(world.tenant.pk):
        Order.objects.filter(pk=lost.pk).update(check_at=lost.created_at)
    order_check_all(world, [lost.pk])
    intent = world.intent(signal, follower)
    assert (intent.status, intent.reason_code) == ("filled", "")


def test_a_venue_that_cannot_be_asked_for_an_hour_loses_no_exit(world: World) -> None:
    follower = world.follower()
    signal = _lose_exit(world)
    world.paper.control.add_fault("http_status", status=503, endpoint="account/positions")
    _look(world)
    with tenant_scope(world.tenant.pk):  # it is called absent once there is no hope to disprove it
        rows = Order.objects.filter(is_entry=False)
        hour = timedelta(hours=1)
        rows.update(deadline_at=timezone.now() - hour, sent_at=timezone.now() - hour)
    _look(world)
    with tenant_scope(world.tenant.pk):
        (lost,) = rows
        assert lost.state == "not_placed"
        rows.update(finished_at=timezone.now() - hour)
    _look(world)

    world.paper.control.clear_faults()
    _look(world)
    assert world.intent(signal, follower).status == "filled"
    assert world.held(follower).filled == 0

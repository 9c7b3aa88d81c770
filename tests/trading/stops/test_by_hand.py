"""The client cancels, or moves, a stop of ours by hand: it is there again, and he reads why."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from django.utils import timezone

from customers.tenancy import tenant_scope
from tests.factories import ReconciliationPolicyFactory
from tests.trading.stops.guarded import BTC, GuardedWorld
from tests.trading.stops.test_going_off import at_exchange, close_by_hand, holds
from tests.trading.stops.test_interleavings import cancel_by_hand
from trading.models import Finding, StopOrder
from trading.selectors.account_changes import account_changes

GUARD = [(D(10), D(58000), None)]


def reread(guarded: GuardedWorld, follower: Any) -> None:
    """A pass over the account, and what it is looked up for; the stops are some seconds old."""
    earlier = timezone.now() - timedelta(seconds=5)
    with tenant_scope(guarded.world.tenant.pk):
        StopOrder.objects.filter(finished_at__gt=earlier).update(finished_at=earlier)
        StopOrder.objects.filter(created_at__gt=earlier).update(created_at=earlier)
    guarded.world.refresh(follower.account_id)
    guarded.check()


def found(guarded: GuardedWorld) -> list[tuple[str, str]]:
    with tenant_scope(guarded.world.tenant.pk):
        return list(Finding.objects.order_by("pk").values_list("kind", "outcome"))


@pytest.mark.parametrize(
    ("policy", "outcome"), [("adopt", "adopted"), ("alert", ""), ("repair", "repaired")]
)
def test_a_cancelled_stop_is_replaced_and_named_once(
    guarded: GuardedWorld, policy: str, outcome: str
) -> None:
    follower = guarded.follower()
    ReconciliationPolicyFactory(tenant=guarded.world.tenant, subscription=None, policy=policy)
    guarded.run(guarded.world.entry(stop_loss=D(58000)))
    cancel_by_hand(guarded, follower, guarded.rows()[0])
    assert guarded.at_venue(follower) == []

    reread(guarded, follower)
    assert guarded.at_venue(follower) == GUARD
    reread(guarded, follower)
    reread(guarded, follower)

    assert found(guarded) == [("stop_missing", outcome)]
    assert guarded.at_venue(follower) == GUARD
    with tenant_scope(guarded.world.tenant.pk):
        (change,) = account_changes(follower.customer, follower.account)
    assert "stop loss at 58000, take profit at –, for 10" in change.text
    assert change.copy


def test_one_that_went_with_its_position_is_not_missed(guarded: GuardedWorld) -> None:
    follower = guarded.follower()
    guarded.run(guarded.world.entry(stop_loss=D(58000)))
    close_by_hand(guarded, follower, "10")
    reread(guarded, follower)
    reread(guarded, follower)
    guarded.until(holds(guarded, follower, "0"), "the close is booked")
    reread(guarded, follower)
    assert {kind for kind, _ in found(guarded)} == {"manual_close"}


def test_one_that_was_moved_is_moved_back(guarded: GuardedWorld) -> None:
    follower = guarded.follower()
    guarded.run(guarded.world.entry(stop_loss=D(58000)))
    moved = {"instId": BTC, "algoClOrdId": guarded.rows()[0].pk, "newSlTriggerPx": "40000"}
    assert at_exchange(guarded, follower, "trade/amend-algos", moved) == "0"
    assert guarded.at_venue(follower) == [(D(10), D(40000), None)]
    reread(guarded, follower)
    assert guarded.at_venue(follower) == GUARD

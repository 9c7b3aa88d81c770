"""Copies of one net account whose books say opposite sides, of which the exchange holds neither."""

from __future__ import annotations

from decimal import Decimal as D

from django.utils import timezone

from customers.tenancy import tenant_scope
from tests.trading.reconciliation.test_by_hand import Hand, reread
from tests.trading.world import SYMBOL, World, other_copy
from trading.models import CopiedPosition, Finding
from trading.models import Trade as RoundTrip


def test_they_settle_with_one_another_and_both_are_told(world: World) -> None:
    follower = world.follower()
    other, sibling = other_copy(world, follower)
    world.run(world.entry())
    other.run(other.entry(size="0.04"))
    reread(world, follower.account_id)
    hand = Hand(world, follower)
    hand.order("sell", "14", reduceOnly="true")
    with tenant_scope(world.tenant.pk):
        # As when a close turned its copy, heard of only after a stop that took the same position.
        row = CopiedPosition.objects.get(subscription=sibling, symbol=SYMBOL)
        row.filled, row.target, row.average_entry_price = D(-10), D(-10), D(60100)
        row.save()
    assert hand.held() == world.held(follower).filled + world.held(sibling).filled == 0

    reread(world, follower.account_id)

    for copy in (follower, sibling):
        assert (world.held(copy).filled, world.held(copy).target) == (0, 0)
    with tenant_scope(world.tenant.pk):
        found = Finding.objects.filter(kind="copies_settled")
        assert {row.subscription_id for row in found} == {follower.pk, sibling.pk}
        assert {(row.params["quantity"], row.params["left"]) for row in found} == {("10", "0")}
        closed = RoundTrip.objects.filter(subscription_id__in=[follower.pk, sibling.pk])
        assert len({trade.exit_price for trade in closed}) == 1


def test_they_are_found_though_nothing_else_differs(world: World) -> None:
    """Such a pass looks at many accounts together, and at none for long."""
    follower = world.follower()
    other, sibling = other_copy(world, follower)
    for each in (world, other):
        each.run(each.entry())
        each.run(each.signal("close", side=""))
    reread(world, follower.account_id)
    with tenant_scope(world.tenant.pk):
        for copy, held in ((follower, D(10)), (sibling, D(-10))):
            CopiedPosition.objects.filter(subscription=copy).update(
                filled=held,
                target=held,
                average_entry_price=D(60000),
                opened_at=timezone.now(),
                entered_quantity=D(10),
                entered_value=D(600_000),
            )
    reread(world, follower.account_id)
    assert (world.held(follower).filled, world.held(sibling).filled) == (0, 0)

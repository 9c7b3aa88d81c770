"""From when on lists are read again, and which readings are not worth asking for."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from customers.tenancy import tenant_scope
from tests.trading.reconciliation.test_by_hand import Hand, found
from tests.trading.world import World
from trading import tasks
from trading.models import AccountBooks, Fill
from trading.services.reconciliation.passing import (
    CLOCKS_APART,
    LONG_OVERLAP,
    OVERLAP,
    wanted_since,
)


def test_fills_are_listed_again_from_far_back_once_in_a_period(world: World) -> None:
    """So that a trade that a list shows late is found, and seldom at the price of many pages."""
    follower = world.follower()
    world.refresh(follower.account_id)
    overlaps = []
    with tenant_scope(world.tenant.pk):
        now = timezone.now()
        for second in range(1, int(LONG_OVERLAP.total_seconds()) + 1):
            read_until = now - timedelta(seconds=second)
            AccountBooks.objects.update(since=now - timedelta(days=1), fills_read_until=read_until)
            (since,) = wanted_since(world.tenant.pk, [follower.account_id]).values()
            overlaps.append(read_until - since.fills)
    assert set(overlaps) == {OVERLAP, LONG_OVERLAP}
    # Read in this period: the short one; in the one before: the long one.
    assert overlaps == sorted(overlaps)


def test_an_account_that_was_compared_since_is_not_read_again(world: World) -> None:
    """Workers that are behind find several messages for one account."""
    follower = world.follower()
    world.refresh(follower.account_id)
    asked_at = timezone.now()
    hand = Hand(world, follower)
    hand.order("buy", "2")
    compare = {"account_ids": [follower.account_id], "tenant_id": world.tenant.pk}

    with tenant_scope(world.tenant.pk):
        AccountBooks.objects.update(fills_read_until=asked_at + CLOCKS_APART * 2)
    tasks.accounts_compare(**compare, since=asked_at.isoformat())
    with tenant_scope(world.tenant.pk):
        assert not Fill.objects.exists()
        # By another clock it may have been before.
        AccountBooks.objects.update(fills_read_until=asked_at + CLOCKS_APART / 2)
    tasks.accounts_compare(**compare, since=asked_at.isoformat())
    assert found(world) == [("manual_open", "")]

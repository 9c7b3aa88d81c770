"""From when on lists are read again, and which readings are not worth asking for."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from customers.tenancy import tenant_scope
from tests.factories import LeaseFactory, StreamStateFactory
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
from trading.services.streams import kind
from trading.services.streams.kind import FAILED_READS
from venues.streams.registry import Subject


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
    assert found(world) == [("manual_open", "adopted")]


def test_who_does_not_answer_is_left_to_its_own_turns(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each attempt may hold up a worker, and healthy accounts behind it."""
    healthy, failed_once, sick, heard = (world.follower().account for _ in range(4))
    for account, failed in ((failed_once, 1), (sick, FAILED_READS), (heard, FAILED_READS)):
        with tenant_scope(world.tenant.pk):
            type(account).objects.filter(pk=account.pk).update(failed_reads=failed)
    StreamStateFactory(
        tenant=world.tenant, subject_id=heard.pk, lease=LeaseFactory(holder="somebody").name
    )
    asked: list[str] = []
    monkeypatch.setattr(
        kind, "wake_swept", lambda _, *, account_ids, **__: asked.extend(account_ids)
    )
    accounts = (healthy, failed_once, sick, heard)
    subjects = [
        Subject(account.pk, world.tenant.pk, account.venue, priority=1, key_mark="k")
        for account in accounts
    ]
    with tenant_scope(world.tenant.pk):
        kind.AccountStreams().reconcile(world.tenant.pk, subjects)
        kind.AccountStreams().reconcile(world.tenant.pk, [subjects[2]])
    assert asked == [healthy.pk, failed_once.pk, heard.pk]

"""From when on lists are read again, and which readings are not worth asking for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

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
    LONG_PERIOD,
    OVERLAP,
    overlap,
    wanted_since,
)
from trading.services.streams import kind
from trading.services.streams.kind import FAILED_READS
from venues.streams.registry import Subject

AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def test_lists_are_read_again_from_far_back_once_in_a_period(world: World) -> None:
    """Seldom, for it may take many pages."""
    follower = world.follower()
    world.refresh(follower.account_id)
    fills, bills = [], []
    with tenant_scope(world.tenant.pk):
        now = timezone.now()
        for second in range(int(LONG_PERIOD.total_seconds()) + 1):
            read_until = now - timedelta(seconds=second)
            AccountBooks.objects.update(
                since=now - timedelta(days=1),
                fills_read_until=read_until,
                bills_read_until=read_until,
            )
            (since,) = wanted_since(world.tenant.pk, [follower.account_id]).values()
            fills.append(read_until - since.fills)
            bills.append(read_until - since.bills)
    # Read in this period: the short one; in the one before: the long one.
    assert fills == bills == sorted(fills)
    assert fills[-1] == LONG_OVERLAP
    assert set(fills) <= {OVERLAP, LONG_OVERLAP}


@pytest.mark.parametrize("interval", [10, 60])
def test_what_is_listed_two_minutes_late_is_found(interval: int) -> None:
    readings = [AT + timedelta(seconds=interval * number) for number in range(2000 // interval)]
    looks = [(at, before - overlap("account", before, at)) for before, at in pairwise(readings)]
    for second in range(600, 1200):
        happened = AT + timedelta(seconds=second)
        listed = happened + timedelta(minutes=2)
        assert any(at >= listed and since <= happened for at, since in looks), second
    short = [at for at, since in looks if at - since < timedelta(minutes=2)]
    assert len(short) >= len(looks) / 3 if interval == 60 else len(short) > len(looks) * 0.8


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


def test_who_does_not_answer_is_read_once_a_minute(
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
        for poll in range(12):
            now = AT + timedelta(seconds=kind.POLL_SECONDS * poll)
            monkeypatch.setattr(timezone, "now", lambda now=now: now)
            kind.AccountStreams().reconcile(world.tenant.pk, subjects)
            kind.AccountStreams().reconcile(world.tenant.pk, [subjects[2]])
    assert {pk: asked.count(pk) for pk in asked} == {
        healthy.pk: 12,
        failed_once.pk: 12,
        heard.pk: 12,
        sick.pk: 4,  # in each of two minutes, asked for twice
    }

"""What can wait stands back while a signal is planned, and not for ever."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from customers.tenancy import tenant_scope
from tests.factories import SignalShardFactory
from trading.models import SignalShard
from trading.services import giving_way
from trading.services.giving_way import Courtesy, fanout_is_running

pytestmark = pytest.mark.django_db


def shard(status: str, claimed_for_seconds: int | None) -> SignalShard:
    until = None
    if claimed_for_seconds is not None:
        until = timezone.now() + timedelta(seconds=claimed_for_seconds)
    row: SignalShard = SignalShardFactory(status=status, claimed_until=until)
    return row


@pytest.mark.parametrize(
    ("status", "claimed_for_seconds", "runs"),
    [
        ("pending", None, True),
        ("pending", 4, True),
        ("claimed", 30, True),
        ("claimed", -1, False),  # its worker is dead
        ("planned", None, False),
    ],
)
def test_a_signal_is_being_planned(
    status: str, claimed_for_seconds: int | None, runs: bool
) -> None:
    shard(status, claimed_for_seconds)
    assert fanout_is_running() is runs


def test_nobody_waits_without_one() -> None:
    courtesy = Courtesy()
    courtesy.give_way()
    assert courtesy.seconds_left == 2


def test_it_goes_on_when_the_signal_is_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    row = shard("claimed", 30)
    looks = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            with tenant_scope(row.tenant_id):
                SignalShard.objects.update(status="planned", claimed_until=None)

    monkeypatch.setattr(giving_way.time, "sleep", sleep)
    Courtesy(60).give_way()
    assert len(looks) == 3


def test_its_patience_is_for_all_that_it_does() -> None:
    shard("claimed", 30)
    courtesy = Courtesy(0.1)
    courtesy.give_way()
    assert courtesy.seconds_left <= 0
    courtesy.give_way()  # at once

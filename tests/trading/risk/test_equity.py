"""Where an account's day began, and its peak: neither is moved by money that comes or goes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from django.utils import timezone

from customers.tenancy import tenant_scope
from strategies.models import Subscription
from tests.trading.world import World
from trading.domain.equity import EquityRecord, after_reading, on_day
from trading.models import Balance, EquityDay
from trading.services.equity import total_value
from trading.services.portfolio.valuing import accounts_valued

MON, TUE, FRI = date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 9)


def record(day: date, start: object, last: object, peak: object, moved: object = 0) -> EquityRecord:
    return EquityRecord(day, *(D(str(value)) for value in (start, last, peak, moved)))


@pytest.mark.parametrize(
    ("before", "day", "equity", "moved", "after"),
    [
        pytest.param(None, MON, 100, 0, record(MON, 100, 100, 100), id="the first"),
        pytest.param(None, MON, 100, 40, record(MON, 100, 100, 100), id="what came before it"),
        pytest.param(
            record(MON, 100, 100, 100), MON, 120, 0, record(MON, 100, 120, 120), id="a gain"
        ),
        pytest.param(
            record(MON, 100, 120, 120), MON, 90, 0, record(MON, 100, 90, 120), id="a loss"
        ),
        pytest.param(
            record(MON, 100, 90, 120), TUE, 95, 0, record(TUE, 90, 95, 120), id="the next day"
        ),
        pytest.param(
            record(MON, 100, 90, 120), FRI, 95, 0, record(FRI, 90, 95, 120), id="days later"
        ),
        # 50 came in: still 10 below the start, 30 below the peak.
        pytest.param(
            record(MON, 100, 90, 120), MON, 140, 50, record(MON, 150, 140, 170, 50), id="deposit"
        ),
        pytest.param(
            record(MON, 100, 90, 120), MON, 60, -30, record(MON, 70, 60, 90, -30), id="withdrawal"
        ),
        pytest.param(
            record(MON, 100, 90, 120, 5),
            TUE,
            80,
            -10,
            record(TUE, 80, 80, 110, -10),
            id="over night",
        ),
        pytest.param(
            record(MON, 100, 100, 100),
            MON,
            0,
            -150,
            record(MON, -50, 0, 0, -150),
            id="more than all",
        ),
        pytest.param(record(TUE, 9, 9, 9), MON, 5, 0, record(MON, 5, 5, 5), id="a clock put back"),
    ],
)
def test_after_a_reading(
    before: EquityRecord | None, day: date, equity: int, moved: int, after: EquityRecord
) -> None:
    assert after_reading(before, day, D(equity), D(moved)) == after


def test_a_day_that_was_not_read_yet_begins_with_the_last_value() -> None:
    assert on_day(record(MON, 100, 90, 120), TUE) == record(TUE, 90, 90, 120)
    assert on_day(record(MON, 100, 90, 120), MON) == record(MON, 100, 90, 120)


def test_a_value_that_is_not_told_makes_the_sum_unknown() -> None:
    assert total_value([(D(1), D(50_000)), (D(100), D(100))]) == 50_100
    assert total_value([(D(1), None), (D(100), D(100))]) is None
    assert total_value([(D(0), None), (D(100), D(100))]) == 100


# --- as the exchange tells -----------------------------------------------------------------------


def stored(world: World, follower: Subscription) -> EquityDay:
    with tenant_scope(world.tenant.pk):
        return EquityDay.objects.get(account_id=follower.account_id)


def read(world: World, follower: Subscription) -> EquityDay:
    world.refresh(follower.account_id)
    return stored(world, follower)


@pytest.mark.usefixtures("the_price_comes_back")
def test_a_loss_is_a_loss_and_a_transfer_is_none(world: World) -> None:
    world.paper.control.set_price("BTC-USDT-SWAP", "50000")
    follower = world.follower(usdt="10000")
    first = stored(world, follower)
    assert (first.start, first.last, first.peak, first.moved) == (10_000, 10_000, 10_000, 0)

    world.run(world.entry(size="0.2"))
    world.paper.control.set_price("BTC-USDT-SWAP", "45000")  # 0.2 × 5,000 lost, and fees
    fallen = read(world, follower)
    assert 8_900 < fallen.last <= 9_000
    assert (fallen.start, fallen.peak) == (10_000, 10_000)

    key = world.keys[follower.account_id].api_key
    world.paper.control.call("POST", "deposits", {"apiKey": key, "ccy": "USDT", "amt": "500"})
    with_more = read(world, follower)
    assert with_more.last == fallen.last + 500
    assert (with_more.start, with_more.peak, with_more.moved) == (10_500, 10_500, 500)
    again = read(world, follower)
    assert (again.start, again.peak, again.moved) == (10_500, 10_500, 500)


@pytest.fixture
def the_price_comes_back(world: World) -> Iterator[None]:
    yield
    world.paper.control.set_price("BTC-USDT-SWAP", "60000")


def moves(world: World, follower: Subscription, currency: str, amount: str) -> None:
    key = world.keys[follower.account_id].api_key
    order = {"apiKey": key, "ccy": currency, "amt": amount}
    world.paper.control.call("POST", "deposits", order)


def test_a_coin_that_is_all_gone_was_worth_something(world: World) -> None:
    """None of it is left by whose value it could be told."""
    follower = world.follower(usdt="10000")
    moves(world, follower, "BTC", "0.1")
    with_coins = read(world, follower)
    worth = with_coins.moved
    assert 4_000 < worth < 8_000
    moves(world, follower, "BTC", "-0.1")
    without = read(world, follower)
    assert without.last == 10_000
    assert abs(without.start - 10_000) < worth / 100
    assert abs(without.moved) < worth / 100


def test_a_coin_that_is_all_gone_is_no_loss_before_its_bill(world: World) -> None:
    follower = world.follower(usdt="10000")
    moves(world, follower, "BTC", "0.1")
    read(world, follower)
    with tenant_scope(world.tenant.pk):
        Balance.objects.filter(account=follower.account_id, currency="BTC").delete()
    figures = accounts_valued([follower.account_id])[follower.account_id].figures
    assert figures.equity == 10_000
    assert figures.earned_equity is not None
    assert figures.earned_equity > 14_000


def test_a_transfer_whose_bill_comes_late_counts_once(world: World) -> None:
    """The books were not read when it happened: the next reading tells of it."""
    follower = world.follower(usdt="10000")
    first = stored(world, follower)
    key = world.keys[follower.account_id].api_key
    world.paper.control.call("POST", "deposits", {"apiKey": key, "ccy": "USDT", "amt": "700"})
    with tenant_scope(world.tenant.pk):  # as if it had been read after the transfer already
        later = first.read_at + timedelta(minutes=1)
        EquityDay.objects.filter(pk=first.pk).update(last=D(10_700), read_at=later)
        world.refresh(follower.account_id)
        row = EquityDay.objects.get(pk=first.pk)
        assert row.moved == 0, "read before what is known: not taken"
        EquityDay.objects.filter(pk=first.pk).update(read_at=timezone.now() - timedelta(hours=1))
    assert read(world, follower).moved == 700
    assert read(world, follower).moved == 700


def test_the_day_is_the_firms(world: World, settings: Any) -> None:
    """Midnight is passed at another moment twelve hours to the west than twelve to the east."""
    for zone in ("Etc/GMT+12", "Etc/GMT-14"):
        world.tenant.time_zone = zone
        world.tenant.save()
        world.follower()
    with tenant_scope(world.tenant.pk):
        west, east = EquityDay.objects.order_by("day").values_list("day", flat=True)
    assert 1 <= (east - west).days <= 2

"""The order book, the next funding fee and everybody's demand, read once for a signal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from django.utils import timezone

from customers.tenancy import tenant_scope
from signals_app.models import Signal
from strategies.models import Subscription
from tests.factories import StrategyFactory
from tests.trading.world import SYMBOL, World
from trading import tasks
from trading.models import SignalMarket, SignalShard
from trading.selectors.signal_preview import signal_preview
from trading.services.control_state import forget_controls
from venues import markets
from venues.domain.types import UnreadableError
from venues.okx.public import book_snapshot, funding_snapshot


@pytest.fixture(autouse=True)
def quiet_market(world: World) -> Iterator[None]:
    world.paper.control.set_price("BTC-USDT-SWAP", "50000")
    yield


def stating(world: World, **values: Any) -> Subscription:
    return world.follower(settings={"values": values})


def depth_to_buy() -> D:
    """Contracts that can be bought up to half a percent above 50,000."""
    book = markets.order_book("paper", SYMBOL)
    assert book is not None
    return sum((size for price, size in book.asks if price <= D("50250")), D(0))


def share_that_is_worth(contracts: D) -> str:
    return format((contracts / depth_to_buy() * 100).quantize(D("0.000000000001")), "f")


def test_all_followers_together_take_only_their_share_each_by_its_size(world: World) -> None:
    """40 contracts are wanted, a little more than 20 may be taken: everybody gets the half."""
    share = share_that_is_worth(D("20.2"))
    small = [stating(world, max_depth_percent=share) for _ in range(2)]
    large = stating(world, max_depth_percent=share, ratio="2")
    large.ratio = D(2)
    with tenant_scope(world.tenant.pk):
        large.save()
    signal = world.entry(size="0.1", price=D(50_000))
    world.fan_out(signal)
    quantities = [world.intent(signal, each).quantity for each in (*small, large)]
    whole_lots = [quantity.quantize(D("0.1")) for quantity in quantities if quantity is not None]
    assert whole_lots == [D("5.0"), D("5.0"), D("10.1")]
    assert sum(whole_lots) <= D("20.2")
    with tenant_scope(world.tenant.pk):
        told = SignalMarket.objects.get(signal=signal)
    assert told.demand == 40
    assert told.bids
    assert told.asks


def test_followers_without_the_rule_and_of_other_strategies_count_as_demand(world: World) -> None:
    share = share_that_is_worth(D("10.1"))
    careful, careless = stating(world, max_depth_percent=share), stating(world)
    first = world.strategy
    world.strategy = StrategyFactory(tenant=world.tenant, source=world.source)
    elsewhere = stating(world)
    world.strategy = first
    signal = world.entry(size="0.1", price=D(50_000))
    world.fan_out(signal)
    # A third of what 30 want.
    quantity = world.intent(signal, careful).quantity
    assert quantity is not None
    assert D("3.3") <= quantity < D("3.4")
    assert world.intent(signal, careless).quantity == 10
    assert world.intent(signal, elsewhere).quantity == 10


def test_shards_go_by_one_reading(world: World, settings: Any) -> None:
    followers = [stating(world, max_depth_percent="50") for _ in range(3)]
    signal = world.entry(size="0.1", price=D(50_000))
    forget_controls()
    world.fan_out(signal)
    with tenant_scope(world.tenant.pk):
        assert SignalMarket.objects.filter(signal=signal).count() == 1
    nobody_asks = world.signal("close")
    world.fan_out(nobody_asks)
    with tenant_scope(world.tenant.pk):
        assert not SignalMarket.objects.filter(signal=nobody_asks).exists()
    assert len(followers) == 3


def test_what_is_planned_late_goes_by_a_new_reading(world: World) -> None:
    """A worker died and another one took over: the market has gone on meanwhile."""
    early = stating(world, max_spread_percent="5")
    signal = world.entry(size="0.1", price=D(50_000))
    world.fan_out(signal)
    late = stating(world, max_spread_percent="5")
    with tenant_scope(world.tenant.pk):
        SignalMarket.objects.update(
            read_at=timezone.now() - timedelta(seconds=60),
            bids=[["1", "1"]],
            asks=[["49000", "100"]],
        )
        SignalShard.objects.update(
            status="pending", last_subscription_id=late.pk, claimed_until=None
        )
        Signal.objects.update(status="received")
    markets.forget_markets()
    world.fan_out(signal)
    assert world.intent(signal, early).reason_code == ""
    assert world.intent(signal, late).reason_code == ""
    with tenant_scope(world.tenant.pk):
        assert SignalMarket.objects.get(signal=signal).read_at > timezone.now() - timedelta(
            seconds=50
        )


def test_those_who_turn_what_they_hold_are_demand_too(world: World) -> None:
    """A flip that says no size: everybody goes short by what he is long."""
    careful, careless = stating(world), stating(world)
    world.run(world.entry(size="0.1"))
    share = share_that_is_worth(D("10"))
    with tenant_scope(world.tenant.pk):
        careful.settings = {"values": {"max_depth_percent": share}}
        careful.save()
    flip = world.signal("flip", side="short", price=D(50_000))
    world.fan_out(flip)
    with tenant_scope(world.tenant.pk):
        assert SignalMarket.objects.get(signal=flip).demand == 20
    quantity = world.intent(flip, careful).quantity
    assert quantity is not None
    assert quantity < 10
    assert world.intent(flip, careless).quantity == 10


def test_what_was_read_for_a_signal_is_kept_for_two_days(world: World) -> None:
    stating(world, max_spread_percent="5")
    old, young = world.entry(size="0.1"), world.entry(size="0.1")
    for signal in (old, young):
        world.fan_out(signal)
    with tenant_scope(world.tenant.pk):
        past = timezone.now() - timedelta(days=2, minutes=1)
        SignalMarket.objects.filter(signal=old).update(read_at=past)
    tasks.signal_markets_purge()
    with tenant_scope(world.tenant.pk):
        assert SignalMarket.objects.get().signal_id == young.pk


def test_a_spread_and_a_funding_fee_that_is_due(world: World) -> None:
    wide = stating(world, max_spread_percent="0.0000000001")
    fine = stating(world, max_spread_percent="5")
    guarded = stating(world, funding_guard_minutes=480)
    world.paper.control.call(
        "POST", "funding-rate", {"instId": "BTC-USDT-SWAP", "fundingRate": "0.0005"}
    )
    signal = world.entry(size="0.1")
    world.fan_out(signal)
    assert world.intent(signal, wide).reason_code == "spread_too_wide"
    assert world.intent(signal, fine).reason_code == ""
    paying = world.intent(signal, guarded)
    assert (paying.reason_code, paying.reason_params["rate"]) == ("funding_due", "0.05")
    shorts = world.entry(size="0.01", side="short")
    world.fan_out(shorts)
    assert world.intent(shorts, guarded).reason_code == ""


def test_a_book_that_cannot_be_had_is_said_to_those_who_asked_for_it(world: World) -> None:
    asks, does_not = stating(world, max_depth_percent="50"), stating(world)
    markets.forget_markets()
    world.paper.control.add_fault("http_status", endpoint="market/books", status=503)
    try:
        signal = world.entry(size="0.1")
        world.fan_out(signal)
    finally:
        world.paper.control.clear_faults()
    assert world.intent(signal, asks).reason_code == "order_book_unknown"
    assert world.intent(signal, does_not).reason_code == ""


def test_an_entry_at_the_market_needs_the_venues_own_price(world: World) -> None:
    """The leader's is what the venue's is compared with; it does not stand in for it."""
    follower = world.follower()
    world.run(world.entry(size="0.1"))
    markets.forget_markets()
    world.paper.control.add_fault("http_status", endpoint="market/ticker*", status=503)
    try:
        entry = world.entry(size="0.1", price=D(50_000))
        world.run(entry)
        markets.forget_markets()
        resting = world.entry(size="0.1", price=D(40_000), order_type="limit")
        world.fan_out(resting)
        markets.forget_markets()
        world.run(world.signal("close", price=D(50_000)))
    finally:
        world.paper.control.clear_faults()
    assert world.intent(entry, follower).reason_code == "price_unknown"
    assert world.intent(resting, follower).reason_code != "price_unknown"
    assert world.held(follower).filled == 0


def test_a_preview_says_the_same_and_writes_nothing(world: World) -> None:
    share = share_that_is_worth(D("5.1"))
    stating(world, max_depth_percent=share)
    signal = world.entry(size="0.1", price=D(50_000))
    with tenant_scope(world.tenant.pk):
        preview = signal_preview(signal, timezone.now())
        (planned,) = preview.followers
        assert D("5.0") <= (planned.legs[0].quantity or 0) < D("5.2")
        assert not SignalMarket.objects.exists()


BOOK = {"bids": [["99", "1", "0", "1"], ["98", "2"]], "asks": [["100", "3"], ["101", "4"]]}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"bids": None}, "bids"),
        ({"asks": "many"}, "asks"),
        ({"bids": [["99"]]}, "bids"),
        ({"bids": [["98", "1"], ["99", "1"]]}, "bids"),
        ({"asks": [["100", "1"], ["100", "1"]]}, "asks"),
        ({"bids": [["100", "1"]]}, "asks"),
        ({"asks": [["-1", "1"]]}, "asks price"),
        ({"asks": [["100", "nan"]]}, "asks size"),
        ({"asks": [[100.5, "1"]]}, "asks price"),
    ],
)
def test_a_book_of_nonsense_is_no_book(changes: dict[str, Any], field: str) -> None:
    assert book_snapshot([BOOK]).asks == ((D(100), D(3)), (D(101), D(4)))
    with pytest.raises(UnreadableError) as caught:
        book_snapshot([BOOK | changes])
    assert caught.value.field == field


FUNDING = {"instId": "X-Y-SWAP", "fundingRate": "-0.0001", "fundingTime": "1767254400000"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"instId": "Z-Y-SWAP"}, "instId"),
        ({"fundingRate": ""}, "fundingRate"),
        ({"fundingRate": "7"}, "fundingRate"),
        ({"fundingTime": "soon"}, "fundingTime"),
    ],
)
def test_a_funding_rate_of_nonsense_is_none(changes: dict[str, Any], field: str) -> None:
    told = funding_snapshot([FUNDING], "X-Y-SWAP")
    assert (told.rate, told.due_at_ms) == (D("-0.0001"), 1_767_254_400_000)
    with pytest.raises(UnreadableError) as caught:
        funding_snapshot([FUNDING | changes], "X-Y-SWAP")
    assert caught.value.field == field

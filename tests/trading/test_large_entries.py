"""Entries above the venue's largest order leave as several, and are no doubled fan-out."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal as D

import pytest

from customers.tenancy import tenant_scope
from tests.trading.world import SYMBOL, World
from trading.models import Breaker
from trading.services.breaker.departures import Departures
from trading.services.outgoing import outgoing_of
from venues import markets


@pytest.fixture
def small_orders(world: World) -> D:
    """The venue lists two contracts as its largest market order."""
    listed = markets.instrument("paper", SYMBOL)
    assert listed is not None
    markets.instruments("paper")[SYMBOL] = replace(listed, max_market_size=D(2))
    return D(2)


def test_an_entry_leaves_in_parts_that_the_venue_takes(world: World, small_orders: D) -> None:
    large = world.follower(usdt="1000000")
    ordinary = world.follower(ratio=D("0.1"))
    world.run(signal := world.entry(size="0.05"))  # five contracts

    sizes = sorted(D(row["sz"]) for row in world.ledger_orders(large))
    assert sizes == [D("1.66"), D("1.67"), D("1.67")]
    assert world.held(large).filled == world.held(large).target == 5
    assert world.held(ordinary).filled == D("0.5")
    assert {intent.status for intent in world.intents(signal)} == {"filled"}
    assert not Breaker.objects.exists()


def test_a_flip_opens_in_parts_after_all_parts_of_the_close(world: World, small_orders: D) -> None:
    follower = world.follower(usdt="1000000")
    world.run(world.entry(size="0.05"))
    world.run(signal := world.entry("flip", size="0.05", side="short"))

    assert world.held(follower).filled == world.held(follower).target == -5
    assert {intent.status for intent in world.intents(signal)} == {"filled"}
    assert not Breaker.objects.exists()


def test_parts_without_end_are_held_back(world: World, small_orders: D) -> None:
    """A plan makes twenty parts of an entry at most; whatever makes more is stopped."""
    world.follower(usdt="1000000")
    world.fan_out(world.entry(size="0.02"))
    (order,) = world.orders()
    with tenant_scope(world.tenant.pk):
        one = outgoing_of(order)
    copies = [replace(one, id=f"copy{n}", intent_id=f"intent{n}") for n in range(21)]
    leaving, refused = Departures(world.tenant.pk).sift(copies[:20])
    assert (len(leaving), len(refused)) == (20, 0)
    leaving, refused = Departures(world.tenant.pk).sift(copies)
    assert (len(leaving), len(refused)) == (0, 21)
    assert Breaker.objects.exists()

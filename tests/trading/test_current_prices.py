"""Prices for what watches positions."""

from __future__ import annotations

import time

from tests.trading.world import SYMBOL, World
from trading.services import prices
from trading.services.prices import current_prices
from venues import markets


def test_what_cannot_be_had_is_left_out(world: World) -> None:
    found = current_prices([("paper", SYMBOL), ("nowhere", SYMBOL), ("paper", "NO/SUCH:SUCH")])
    assert set(found) == {("paper", SYMBOL)}


def test_a_silent_venue_is_waited_for_once(world: World) -> None:
    """Whoever watches would otherwise hold up the look-ups of orders for as long."""
    markets.instruments("paper")
    world.paper.control.add_fault("freeze", endpoint="market/*", ms=20_000)
    try:
        began = time.monotonic()
        symbols = [SYMBOL, "ETH/USDT:USDT", "SOL/USDT:USDT", "DOGE/USDT:USDT"]
        assert current_prices([("paper", symbol) for symbol in symbols]) == {}
        assert prices.PATIENCE_SECONDS < time.monotonic() - began < 2 * 5 + 3
    finally:
        world.paper.control.clear_faults()

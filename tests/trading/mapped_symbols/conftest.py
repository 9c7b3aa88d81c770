"""Prices come back after each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.trading.mapped_symbols.mapped import IN_BTC, IN_ETH
from tests.trading.world import World


@pytest.fixture(autouse=True)
def prices(world: World) -> Iterator[None]:
    yield
    world.paper.control.set_price(IN_BTC, "60000")
    world.paper.control.set_price(IN_ETH, "3000")

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.trading.world import World


@pytest.fixture
def crashing(world: World) -> Iterator[World]:
    """The price is where it was for whoever comes next."""
    yield world
    world.paper.control.set_price("BTC-USDT-SWAP", "60000")

from collections.abc import Iterator

import pytest

from tests.trading.conftest import world
from tests.trading.stops.guarded import GuardedWorld
from tests.trading.world import World

__all__ = ["world"]


@pytest.fixture
def guarded(world: World) -> Iterator[GuardedWorld]:
    """The trading world, with the steps that keep stops."""
    set_price = world.paper.control
    set_price.set_price("BTC-USDT-SWAP", "60000")
    yield GuardedWorld(world)
    set_price.set_price("BTC-USDT-SWAP", "60000")

from collections.abc import Iterator
from typing import Any

import pytest

from tests.trading.world import World, make_world, wait_for_stragglers
from trading.services.control_state import controls_unwatch
from trading.services.instruments import forget_noted
from venues import runtime


@pytest.fixture
def world(transactional_db: Any, paper_exchange: Any) -> Iterator[World]:
    """Transactional: the flow commits between its steps and uses several connections."""
    runtime.close_gateways()
    forget_noted()  # the rows that it notes are gone
    # Each test loads the markets and reads the clock anew, from one address: on a quiet machine
    # that is more than the exchange allows an address in two seconds.
    paper_exchange.control.call("POST", "limits", {"enabled": False})
    yield make_world(paper_exchange)
    paper_exchange.control.call("POST", "limits", {"enabled": True})
    wait_for_stragglers()  # they write to the database that is about to go
    controls_unwatch()  # and this reads it
    runtime.close_gateways()

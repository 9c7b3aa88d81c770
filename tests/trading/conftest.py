from collections.abc import Callable, Iterator
from typing import Any

import pytest

from customers.tenancy import tenant_scope
from tests import factories as make
from tests.signals_app.leaders.conftest import LeaderWorld
from tests.trading.world import World, make_world, wait_for_stragglers
from trading.services.control_state import controls_unwatch
from trading.services.instruments import forget_noted
from venues import runtime

LEADER_ADDS = Callable[..., LeaderWorld]


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


@pytest.fixture
def leader_of(world: World) -> LEADER_ADDS:
    """A leader account on the exchange whose source the world's strategy copies."""

    def made(**account: Any) -> LeaderWorld:
        keys = world.paper.account(**account)
        with tenant_scope(world.tenant.pk):
            world.source.kind = "leader"
            world.source.save()
            leader = make.LeaderFactory(tenant=world.tenant, source=world.source)
        make.LeaderCredentialFactory(
            leader=leader,
            api_key=keys.api_key,
            api_secret=keys.secret_key,
            passphrase=keys.passphrase,
        )
        followed = LeaderWorld(world.paper, keys, leader)
        assert followed.reconcile() == []
        return followed

    return made

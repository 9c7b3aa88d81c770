"""Spot has no short side: what a short entry would sell are the client's own coins."""

from __future__ import annotations

from decimal import Decimal

from tests.trading.world import World

SPOT = "BTC/USDT"


def test_a_short_entry_in_spot_sells_nothing(world: World) -> None:
    follower = world.follower()
    world.run(signal := world.entry(symbol=SPOT, side="short", size="0.05"))
    assert world.intent(signal, follower).reason_code == "spot_short"
    assert world.ledger_orders(follower) == []


def test_a_flip_to_short_in_spot_only_closes(world: World) -> None:
    follower = world.follower()
    world.run(world.entry(symbol=SPOT, size="0.1"))
    world.run(
        signal := world.signal(
            "flip", symbol=SPOT, side="short", size=Decimal("0.1"), size_basis="base"
        )
    )
    assert world.intent(signal, follower, leg=1).status == "filled"
    assert world.intent(signal, follower).reason_code == "spot_short"
    position = world.held(follower, SPOT)
    assert (position.filled, position.target) == (0, 0)
    assert [row["side"] for row in world.ledger_orders(follower)] == ["buy", "sell"]

"""Exits that meet a position from which the client took by hand what our books still have."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.paper.client import PaperClient, order
from tests.trading.test_lost_exits import _look
from tests.trading.test_unclear_outcomes import PLACE, _age
from tests.trading.world import World


def by_hand(world: World, follower: Any, size: str, **fields: str) -> None:
    client = PaperClient(world.paper.url, world.keys[follower.account_id])
    answer = client.post("trade/order", order(side="sell", sz=size, **fields))
    client.close()
    assert answer.code == "0", answer.text


def at_venue(world: World, follower: Any) -> Decimal:
    client = PaperClient(world.paper.url, world.keys[follower.account_id])
    rows = client.get("account/positions").data
    client.close()
    return sum((Decimal(row["pos"] or 0) for row in rows), Decimal(0))


def look_until(world: World, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, [
            (row.state, row.reason_code, row.quantity, row.filled_quantity)
            for row in world.orders()
        ]
        _look(world, rounds=1)


def half() -> dict[str, Any]:
    return {"size": Decimal("0.5"), "size_basis": "position_fraction"}


@pytest.mark.parametrize(("action", "fields", "left"), [("close", {}, 0), ("reduce", half(), 2)])
def test_an_exit_of_more_than_is_left_closes_its_part_of_that(
    world: World, action: str, fields: dict[str, Any], left: int
) -> None:
    """A hedged position refuses what is more than it; the copy's ten are four there."""
    follower = world.follower(position_mode="long_short")
    world.run(world.entry())
    by_hand(world, follower, "6", posSide="long")
    world.fan_out(signal := world.signal(action, side="", **fields))
    assert {row.reason_code for row in world.orders(state="rejected")} == {"less_is_held"}

    look_until(world, lambda: world.intent(signal, follower).status == "filled")
    assert at_venue(world, follower) == left
    world.refresh(follower.account_id)
    world.refresh(follower.account_id)
    copy = world.held(follower)
    assert (copy.filled, copy.target) == (left, left)


@pytest.mark.parametrize("position_mode", ["net", "long_short"])
def test_a_lost_exit_is_proven_lost_though_the_client_took_a_part(
    world: World, position_mode: str
) -> None:
    follower = world.follower(position_mode=position_mode)
    world.refresh(follower.account_id)  # its books begin
    world.run(world.entry())
    world.paper.control.add_fault("drop", booked=False, **PLACE)
    world.fan_out(world.signal("close", side=""))
    world.paper.control.clear_faults()
    side = {} if position_mode == "net" else {"posSide": "long"}
    by_hand(world, follower, "6", **side)
    world.refresh(follower.account_id)  # what was traded by hand is known
    _age(world, 60)
    _look(world)
    look_until(world, lambda: at_venue(world, follower) == 0)


def test_what_the_client_holds_himself_does_not_disprove_an_exit(world: World) -> None:
    """The venue holds more than the copy has, and less than the books do."""
    follower = world.follower()
    world.refresh(follower.account_id)
    world.run(world.entry())
    client = PaperClient(world.paper.url, world.keys[follower.account_id])
    assert client.post("trade/order", order(sz="20")).code == "0"
    client.close()
    world.refresh(follower.account_id)
    world.paper.control.add_fault("hide_order", ms=60_000, **PLACE)
    world.paper.control.add_fault("drop", booked=True, **PLACE)
    world.fan_out(world.signal("close", side=""))
    _age(world, 60)
    _look(world)
    assert at_venue(world, follower) == 20
    assert [row["side"] for row in world.ledger_orders(follower) if row["clOrdId"]] == [
        "buy",
        "sell",
    ]

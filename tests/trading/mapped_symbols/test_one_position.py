"""One position lives in the copy's own symbol, from its entry to its end."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from tests.trading.mapped_symbols.mapped import (
    ETH,
    IN_BTC,
    IN_ETH,
    INVERSE,
    SPOT,
    agrees_with_the_exchange,
    mapped,
    reason,
    reduction,
    sent,
)
from tests.trading.world import SYMBOL as BTC
from tests.trading.world import World


@pytest.mark.parametrize("position_mode", ["net", "long_short"])
def test_a_position_lives_in_the_copys_own_symbol(world: World, position_mode: str) -> None:
    """A coin is a twentieth of the leader's, a contract ten times as many coins."""
    copy = mapped(world, position_mode=position_mode)
    other = world.follower()

    world.run(world.entry(price=D(60_000)))
    world.run(reduction(world, "0.25"))
    world.run(world.entry("increase", "0.05"))
    world.run(world.signal("close", side=""))

    assert sent(world, copy) == [
        (IN_ETH, "buy", 20),
        (IN_ETH, "sell", 5),
        (IN_ETH, "buy", 10),
        (IN_ETH, "sell", 25),
    ]
    assert {inst for inst, _side, _size in sent(world, other)} == {IN_BTC}
    held = world.held(copy, ETH)
    assert (held.filled, held.target, held.leader_symbol) == (0, 0, BTC)
    assert world.held(other).leader_symbol == ""
    agrees_with_the_exchange(world, copy)


def test_who_maps_another_symbol_is_planned_as_ever(world: World) -> None:
    copy = world.follower(settings={"values": {"symbol_map": {"SOL/USDT:USDT": ETH}}})
    world.run(world.entry())
    assert sent(world, copy) == [(IN_BTC, "buy", 10)]


def test_a_linear_leader_is_copied_coin_for_coin_in_an_inverse_market(world: World) -> None:
    keys = world.paper.account(balances={"BTC": "5", "USDT": "0"})
    copy = mapped(world, INVERSE, keys=keys)
    world.run(world.entry(price=D(60_000)))
    assert sent(world, copy) == [("BTC-USD-SWAP", "buy", 60)]  # 0.1 BTC of 100 dollars each
    world.paper.control.set_price("BTC-USD-SWAP", "66000")
    try:
        # As an amount it would be 33 contracts; it is half of what the leader holds.
        half = {"leader_position_before": D(10), "leader_position_after": D(5)}
        world.run(world.signal("reduce", size=D("0.05"), size_basis="base", **half))
    finally:
        world.paper.control.set_price("BTC-USD-SWAP", "60000")
    assert sent(world, copy)[1:] == [("BTC-USD-SWAP", "sell", 30)]
    assert world.held(copy, INVERSE).filled == 30
    agrees_with_the_exchange(world, copy)


def test_contracts_and_the_leaders_price_are_of_the_leaders_market(world: World) -> None:
    """10 contracts of 0.01 BTC at 30,000 are a value of 3,000: one ETH."""
    copy = mapped(world, values={"max_entry_slippage_percent": "100"})
    signal = world.signal("open", size=D(10), size_basis="contracts", price=D(30_000))
    world.run(signal)
    assert world.held(copy, ETH).filled == 10
    assert world.intent(signal, copy).reference_price == 1500


@pytest.mark.parametrize("position_mode", ["net", "long_short"])
def test_a_turn_is_one_in_the_copys_own_symbol(world: World, position_mode: str) -> None:
    copy = mapped(world, position_mode=position_mode)
    world.run(world.entry())
    world.run(world.entry("flip", "0.05", side="short"))
    assert sent(world, copy) == [(IN_ETH, "buy", 20), (IN_ETH, "sell", 20), (IN_ETH, "sell", 10)]
    world.run(world.entry("set_target", "0.1", side="short"))
    assert world.held(copy, ETH).filled == -20
    agrees_with_the_exchange(world, copy)


def test_coins_are_not_sold_short(world: World) -> None:
    copy = mapped(world, SPOT)
    short = world.entry(side="short")
    world.run(short)
    assert reason(world, short, copy) == "spot_short"
    world.run(world.entry(leverage=None))
    assert world.held(copy, SPOT).filled > D("0.09")
    world.run(world.signal("close", side="long"))
    assert [side for _inst, side, _size in sent(world, copy)] == ["buy", "sell"]
    assert {inst for inst, _side, _size in sent(world, copy)} == {"BTC-USDT"}

"""One book follows the signals of one symbol."""

from __future__ import annotations

from decimal import Decimal as D
from random import Random

import pytest

from tests.trading.mapped_symbols.mapped import (
    ETH,
    SOL,
    agrees_with_the_exchange,
    held_for,
    mapped,
    reason,
    reduction,
    sent,
    state,
)
from tests.trading.world import SYMBOL as BTC
from tests.trading.world import World, other_copy


def test_the_traded_symbols_own_signals_open_nothing_and_close_nothing(world: World) -> None:
    copy = mapped(world)
    world.run(world.entry())
    opened = world.entry(symbol=ETH, size="1")
    closed = world.signal("close", side="", symbol=ETH)
    flipped = world.entry("flip", symbol=ETH, side="short")
    for signal in (opened, closed, flipped):
        world.run(signal)
    assert [reason(world, signal, copy) for signal in (opened, closed, flipped)] == [
        "symbol_taken",
        "nothing_to_reduce",
        "symbol_taken",
    ]
    assert world.intent(opened, copy).reason_params == {"symbol": ETH, "leader_symbol": BTC}
    held = world.held(copy, ETH)
    assert (held.filled, held.target) == (20, 20)


def test_the_traded_symbol_is_kept_for_the_other_ones_signals(world: World) -> None:
    """Also while nothing is held in it: whichever came first would be a matter of luck."""
    copy = mapped(world)
    opened = world.entry(symbol=ETH, size="1")
    world.run(opened)
    assert reason(world, opened, copy) == "symbol_taken"
    assert world.intent(opened, copy).reason_params == {"symbol": ETH, "leader_symbol": BTC}
    assert sent(world, copy) == []


def test_what_its_own_signals_opened_is_not_closed_by_the_other_symbols(world: World) -> None:
    copy = world.follower()
    world.run(world.entry(symbol=ETH, size="1"))
    state(world, copy, symbol_map={BTC: ETH})
    opened, closed = world.entry(), world.signal("close", side="")
    world.run(opened)
    world.run(closed)
    assert [reason(world, signal, copy) for signal in (opened, closed)] == [
        "symbol_taken",
        "nothing_to_reduce",
    ]
    assert world.held(copy, ETH).filled == 10
    world.run(world.signal("close", side="", symbol=ETH))  # of its own: always
    assert world.held(copy, ETH).filled == 0
    world.run(world.entry())
    assert world.held(copy, ETH).filled == 20


def test_a_map_is_one_step(world: World) -> None:
    copy = mapped(world, values={"symbol_map": {BTC: ETH, ETH: BTC}})
    world.run(world.entry())
    world.run(world.entry(symbol=ETH, size="1"))
    assert (world.held(copy, ETH).filled, world.held(copy).filled) == (20, 5)
    world.run(world.signal("close", side=""))
    assert (world.held(copy, ETH).filled, world.held(copy).filled) == (0, 5)


def test_what_one_symbols_signals_carried_is_nothing_of_anothers(world: World) -> None:
    copy = world.follower()
    world.run(world.entry(symbol=ETH, size="0.0009"))  # 0.009 of a contract: below the lot
    assert world.held(copy, ETH).target == D("0.009")
    state(world, copy, symbol_map={BTC: ETH})
    world.run(world.entry(size="0.00001", price=D(60_000)))  # 0.002
    held = world.held(copy, ETH)
    assert (held.filled, held.target, held.leader_symbol) == (0, D("0.002"), BTC)


def test_a_book_that_holds_nothing_is_free_for_its_own_signals_again(world: World) -> None:
    copy = mapped(world)
    world.run(world.entry())
    world.run(world.signal("close", side=""))
    state(world, copy)
    world.run(world.entry(symbol=ETH, size="1"))
    held = world.held(copy, ETH)
    assert (held.filled, held.leader_symbol, held.price_ratio) == (10, "", None)
    world.run(world.signal("close", side=""))  # of the symbol that it followed before
    assert world.held(copy, ETH).filled == 10


@pytest.mark.parametrize("position_mode", ["net", "long_short"])
def test_copies_of_one_account_share_the_traded_symbol(world: World, position_mode: str) -> None:
    copy = mapped(world, position_mode=position_mode)
    direct, other = other_copy(world, copy)
    direct.run(direct.entry(symbol=ETH, size="1"))
    world.run(world.entry())
    world.run(reduction(world, "0.5"))
    assert (world.held(copy, ETH).filled, world.held(other, ETH).filled) == (10, 10)
    agrees_with_the_exchange(world, copy)
    world.run(world.signal("close", side=""))
    assert (world.held(copy, ETH).filled, world.held(other, ETH).filled) == (0, 10)
    agrees_with_the_exchange(world, copy)


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_the_map_does_entries_go_by_it_and_exits_end_everything(
    world: World, seed: int
) -> None:
    """Both symbols' signals, while the map is set, changed and taken away."""
    random = Random(seed)
    copy = world.follower()
    maps: list[dict[str, str]] = [{}, {BTC: ETH}, {ETH: BTC}, {BTC: ETH, ETH: BTC}, {BTC: SOL}]
    chosen: dict[str, str] = {}
    for _ in range(16):
        if random.random() < 0.4:
            chosen = random.choice(maps)
            state(world, copy, **({"symbol_map": chosen} if chosen else {}))
        symbol = random.choice([BTC, ETH])
        size = {BTC: "0.05", ETH: "1"}[symbol]
        action = random.choice(["open", "increase", "reduce", "flip", "set_target", "close"])
        if action == "reduce":
            signal = reduction(world, "0.5", symbol=symbol, side="")
        elif action == "close":
            signal = world.signal("close", symbol=symbol, side="")
        else:
            side = random.choice(["long", "short"])
            signal = world.entry(action, size, symbol=symbol, side=side)
        world.run(signal)
        entered = {order.symbol for order in world.orders(signal_id=signal.pk, is_entry=True)}
        assert entered <= {chosen.get(symbol, symbol)}
        if action == "close":
            assert not held_for(world, copy, symbol)
    for symbol in (BTC, ETH):
        world.run(world.signal("close", symbol=symbol, side=""))
    assert not held_for(world, copy, BTC) + held_for(world, copy, ETH)
    agrees_with_the_exchange(world, copy)

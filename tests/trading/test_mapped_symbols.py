"""Copies that trade another symbol than the leader's: their books, orders and exits are in it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal as D
from random import Random
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from customers.tenancy import tenant_scope
from signals_app.models import Signal, SignalSource
from strategies.models import Subscription
from strategies.signals import subscription_started
from tests.trading.test_amended_orders import LOW, follow, resting
from tests.trading.test_changed_entries import amend, refused
from tests.trading.test_copy_starts import start
from tests.trading.world import SYMBOL as BTC
from tests.trading.world import World, other_copy
from trading.models import CopiedPosition, Intent, Position
from trading.selectors.signal_preview import signal_preview
from trading.services.fanout.context import shard_context
from trading.services.fanout.shards import shard_claim, shard_plan

ETH, SOL = "ETH/USDT:USDT", "SOL/USDT:USDT"
"""ETH at 3,000, contracts of 0.1; BTC is at 60,000, with contracts of 0.01."""
INVERSE, SPOT = "BTC/USD:BTC", "BTC/USDT"
IN_BTC, IN_ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"


@pytest.fixture(autouse=True)
def prices(world: World) -> Iterator[None]:
    yield
    world.paper.control.set_price(IN_BTC, "60000")
    world.paper.control.set_price(IN_ETH, "3000")


def state(world: World, copy: Subscription, **values: Any) -> None:
    with tenant_scope(world.tenant.pk):
        rows = Subscription.objects.filter(pk=copy.pk)
        rows.update(settings={"values": values, "symbols": {}} if values else {})


def mapped(world: World, there: str = ETH, **terms: Any) -> Subscription:
    values = {"symbol_map": {BTC: there}, **terms.pop("values", {})}
    return world.follower(settings={"values": values, "symbols": {}}, **terms)


def sent(world: World, copy: Subscription) -> list[tuple[str, str, D]]:
    """What the exchange took of the copy's orders."""
    rows = sorted(world.ledger_orders(copy), key=lambda row: int(row["ordId"]))
    return [(row["instId"], row["side"], D(row["sz"])) for row in rows]


def reason(world: World, signal: Signal, copy: Subscription) -> str:
    return world.intent(signal, copy).reason_code


def reduction(world: World, fraction: str, **fields: Any) -> Signal:
    return world.signal("reduce", size=D(fraction), size_basis="position_fraction", **fields)


def agrees_with_the_exchange(world: World, copy: Subscription) -> None:
    """Each symbol's position is what the copies hold in it."""
    world.refresh(copy.account_id)
    with tenant_scope(world.tenant.pk):
        shown = Position.objects.filter(account_id=copy.account_id)
        at_venue = {row.symbol: row.quantity for row in shown if row.quantity}
        books: dict[str, D] = {}
        for row in CopiedPosition.objects.filter(account_id=copy.account_id):
            books[row.symbol] = books.get(row.symbol, D(0)) + row.filled
    assert at_venue == {symbol: held for symbol, held in books.items() if held}


# --- one position's life -------------------------------------------------------------------------


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


# --- by which symbol the rules go ----------------------------------------------------------------


def test_exceptions_are_those_of_the_traded_symbol(world: World) -> None:
    symbols = {BTC: {"ratio": "5"}, ETH: {"ratio": "0.5"}}
    copy = world.follower(
        ratio=None, settings={"values": {"symbol_map": {BTC: ETH}}, "symbols": symbols}
    )
    world.run(world.entry())
    assert sent(world, copy) == [(IN_ETH, "buy", 10)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"denied_symbols": [BTC]}, BTC),
        ({"denied_symbols": [ETH]}, ETH),
        ({"allowed_symbols": [BTC]}, ETH),
        ({"allowed_symbols": [ETH]}, BTC),
        ({"allowed_symbols": [ETH, BTC]}, ""),
    ],
)
def test_lists_of_symbols_go_by_both(world: World, values: Any, expected: str) -> None:
    copy = mapped(world, values=values)
    signal = world.entry()
    world.run(signal)
    intent = world.intent(signal, copy)
    assert intent.reason_code == ("symbol_not_allowed" if expected else "")
    assert intent.reason_params.get("symbol", "") == expected


def test_what_the_venue_does_not_list_is_a_reason(world: World) -> None:
    copy = mapped(world, "NEVER/USDT:USDT")
    signal = world.entry()
    world.run(signal)
    assert reason(world, signal, copy) == "symbol_not_listed"
    assert sent(world, copy) == []


def test_the_leaders_price_is_compared_with_the_leaders_market(world: World) -> None:
    """3,000 is nowhere near 60,000, and that says nothing; that the leader bought 2 % cheaper
    does."""
    copy = mapped(world, values={"max_entry_slippage_percent": "1"})
    near, far = world.entry(price=D(59_800)), world.entry(price=D(58_800))
    world.run(near)
    world.run(far)
    assert reason(world, near, copy) == ""
    assert reason(world, far, copy) == "price_deviation"
    assert world.held(copy, ETH).filled == D("19.93")  # a value of 5,980


@pytest.mark.parametrize("venue", ["paper", "nowhere"])
def test_entries_need_the_price_of_the_leaders_market(
    world: World, monkeypatch: Any, venue: str
) -> None:
    from venues import markets

    copy = mapped(world, sizing_mode="fixed_amount", fixed_amount=D(600), ratio=None)
    world.run(world.entry())
    real = markets.last_price
    monkeypatch.setattr(
        "trading.services.fanout.context.markets.last_price",
        lambda venue, symbol: None if symbol == BTC else real(venue, symbol),
    )
    signal = world.entry(price=D(60_000))
    world.run(signal)
    assert reason(world, signal, copy) == "price_unknown"
    world.run(world.signal("close", side=""))
    assert world.held(copy, ETH).filled == 0


@pytest.mark.parametrize(
    ("takes", "leaders", "held", "code"),
    [
        ("all", 59_000, 20, ""),
        ("no_worse", 61_200, 20, ""),
        ("no_worse", 58_800, 0, "start_price_worse"),
    ],
)
def test_what_the_leader_held_at_the_start(
    world: World, takes: str, leaders: int, held: int, code: str
) -> None:
    """By value it is the leader's size at the leader's price."""
    world.run(world.entry(price=D(leaders), size=str(D(6_000) / leaders)[:20]))
    values = {"existing_positions": takes, "symbol_map": {BTC: ETH}}
    copy = world.follower(settings={"values": values, "symbols": {}})
    with tenant_scope(world.tenant.pk), transaction.atomic():
        subscription_started.send(sender=Subscription, subscription=copy)
    [signal] = start(world, copy)
    assert reason(world, signal, copy) == code
    with tenant_scope(world.tenant.pk):
        found = CopiedPosition.objects.filter(subscription=copy).values_list("symbol", "filled")
        assert [(symbol, round(filled)) for symbol, filled in found if filled] == (
            [(ETH, held)] if held else []
        )


def test_own_styles_rest_at_the_leaders_price_as_it_is_in_the_other_market(world: World) -> None:
    copy = mapped(world, values={"execution": "limit_follow", "limit_follow_percent": "1"})
    world.fan_out(world.entry(price=D(60_600)))  # 1 % above its market
    ((inst, side, _size),) = sent(world, copy)
    assert (inst, side) == (IN_ETH, "buy")
    (order,) = world.orders(subscription_id=copy.pk)
    assert order.price == D("2999.7")  # 3,030 less 1 %


def test_a_price_changed_by_hand_is_judged_by_the_traded_market(world: World) -> None:
    values = {"execution": "limit_follow", "limit_follow_percent": "1"}
    copy = mapped(world, values=values)
    world.fan_out(world.entry(price=D(60_000)))
    world.check()
    assert refused(world, "3100", 20) == "price_beyond_market"
    amend(world, "2980", 20)
    world.check_until(lambda: len(world.orders()) == 2, "it is replaced")
    old, new = world.orders(subscription_id=copy.pk)
    assert (old.price, new.price, new.symbol) == (2970, 2980, ETH)


# --- the map changes -----------------------------------------------------------------------------


def test_exits_reach_what_was_opened_when_the_map_is_gone(world: World) -> None:
    copy = mapped(world)
    world.run(world.entry())
    state(world, copy)

    world.run(reduction(world, "0.5"))
    assert world.held(copy, ETH).filled == 10
    close = world.signal("close", side="")
    world.run(close)
    assert world.held(copy, ETH).filled == 0
    assert world.intent(close, copy).symbol == ETH
    world.run(world.entry())
    assert world.held(copy).filled == 10
    agrees_with_the_exchange(world, copy)


def test_entries_go_by_the_new_map_and_exits_reach_both(world: World) -> None:
    copy = world.follower()
    world.run(world.entry())
    state(world, copy, symbol_map={BTC: ETH})
    world.run(world.entry("increase", "0.05"))
    assert (world.held(copy).filled, world.held(copy, ETH).filled) == (10, 10)

    world.run(reduction(world, "0.5"))
    assert (world.held(copy).filled, world.held(copy, ETH).filled) == (5, 5)
    close = world.signal("close", side="long")
    world.run(close)
    assert (world.held(copy).filled, world.held(copy, ETH).filled) == (0, 0)
    assert {intent.symbol for intent in world.intents(close)} == {BTC, ETH}
    assert sent(world, copy) == [
        (IN_BTC, "buy", 10),
        (IN_ETH, "buy", 10),
        (IN_ETH, "sell", 5),
        (IN_BTC, "sell", 5),
        (IN_ETH, "sell", 5),
        (IN_BTC, "sell", 5),
    ]


@pytest.mark.parametrize("action", ["flip", "set_target"])
def test_a_turn_leaves_the_old_symbol_and_enters_the_new_one(world: World, action: str) -> None:
    copy = world.follower()
    world.run(world.entry())
    state(world, copy, symbol_map={BTC: ETH})
    turn = world.entry(action, "0.05", side="short")
    world.run(turn)
    assert (world.held(copy).filled, world.held(copy, ETH).filled) == (0, -10)
    again = world.signal("close", side="short")
    world.run(again)
    assert world.held(copy, ETH).filled == 0


def test_a_turn_in_the_new_symbol_does_not_wait_for_the_end_of_the_old_one(world: World) -> None:
    copy = world.follower()
    world.run(world.entry())
    state(world, copy, symbol_map={BTC: ETH})
    world.run(world.entry("increase", "0.05"))
    key = world.keys[copy.account_id].api_key
    world.paper.control.add_fault("drop", account=key, instId=IN_BTC, endpoint="trade/*order*")
    try:
        world.run(world.entry("flip", "0.05", side="short"))
    finally:
        world.paper.control.clear_faults()
    assert (world.held(copy).filled, world.held(copy, ETH).filled) == (10, -10)


def test_a_resting_entry_in_the_old_symbol_ends_with_the_leaders_exit(world: World) -> None:
    values = {"execution": "limit_follow", "limit_follow_percent": "5"}
    copy = world.follower(settings={"values": values, "symbols": {}})
    world.fan_out(world.entry(price=D(60_000)))
    state(world, copy, symbol_map={BTC: ETH}, **values)
    world.fan_out(world.signal("close", side=""))
    world.check_until(lambda: world.check() == 0, "it is cancelled")
    (order,) = world.orders(subscription_id=copy.pk)
    assert (order.symbol, order.state) == (BTC, "cancelled")


def test_planning_again_plans_nobody_twice(world: World) -> None:
    """A planner that died left the shard when the map changed in between."""
    copy = world.follower()
    world.run(world.entry())
    state(world, copy, symbol_map={BTC: ETH})
    close = world.entry("set_target", "0.05", side="short")
    (shard_id,) = world.dispatch(close)
    tenant_id = world.tenant.pk
    with tenant_scope(tenant_id):
        for values in ({"symbol_map": {BTC: ETH}}, {}, {"symbol_map": {BTC: INVERSE}}):
            close.shards.update(status="pending", claimed_until=None)
            state(world, copy, **values)
            shard = shard_claim(shard_id=shard_id, tenant_id=tenant_id, claimed_by="x")
            assert shard is not None
            list(shard_plan(shard_context(shard, "x")))
    assert sorted((intent.symbol, intent.leg) for intent in world.intents(close)) == [
        (BTC, 1000),
        (ETH, 0),
    ]


@pytest.mark.parametrize("action", ["close", "flip"])
def test_a_planner_that_dies_between_two_symbols_loses_no_exit(world: World, action: str) -> None:
    """The map changes before another one plans the rest."""
    copy = world.follower()
    world.run(world.entry())
    state(world, copy, symbol_map={BTC: ETH})
    world.run(world.entry("increase", "0.05"))
    leaves = world.entry(action, "0.05", side="short" if action == "flip" else "long")
    (shard_id,) = world.dispatch(leaves)
    tenant_id = world.tenant.pk
    with tenant_scope(tenant_id):
        shard = shard_claim(shard_id=shard_id, tenant_id=tenant_id, claimed_by="x")
        assert shard is not None
        next(shard_plan(shard_context(shard, "x")))
        leaves.shards.update(status="pending", claimed_until=None)
    assert {order.symbol for order in world.orders(signal_id=leaves.pk)} == {ETH}
    state(world, copy)
    with tenant_scope(tenant_id):
        shard = shard_claim(shard_id=shard_id, tenant_id=tenant_id, claimed_by="y")
        assert shard is not None
        list(shard_plan(shard_context(shard, "y")))
    exits = world.orders(signal_id=leaves.pk, is_entry=False)
    assert sorted((order.symbol, order.quantity) for order in exits) == [(BTC, 10), (ETH, 10)]
    entries = {order.symbol for order in world.orders(signal_id=leaves.pk, is_entry=True)}
    assert entries <= {ETH}


# --- one book follows one symbol -----------------------------------------------------------------


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


def held_for(world: World, copy: Subscription, symbol: str) -> list[CopiedPosition]:
    """What the copy holds because of signals in this symbol."""
    with tenant_scope(world.tenant.pk):
        rows = CopiedPosition.objects.filter(subscription=copy).exclude(filled=D(0))
        return [row for row in rows if row.followed_symbol == symbol]


# --- the leader's limit orders -------------------------------------------------------------------


def test_a_leaders_limit_order_is_followed_when_it_is_filled(world: World) -> None:
    with tenant_scope(world.tenant.pk):
        SignalSource.objects.filter(pk=world.source.pk).update(kind=SignalSource.Kind.LEADER)
    copy = mapped(world)
    placed = resting(world, "0.1", LOW)
    world.fan_out(placed)
    assert reason(world, placed, copy) == "limit_not_mapped"
    filled = world.entry(amends=placed, price=placed.price, worst_price=D(60_600))
    follow(world, filled)
    world.check_until(lambda: world.check() == 0, "every order has ended")
    (order,) = world.orders(subscription_id=copy.pk)
    assert (order.symbol, order.order_type, order.price) == (ETH, "ioc", 3030)
    assert world.held(copy, ETH).filled > 0


def test_a_limit_that_nobody_tells_the_end_of_rests_at_the_price_as_it_is_in_the_other_market(
    world: World,
) -> None:
    """A source without an account says no fills: 58,000 of 60,000 are 2,900 of 3,000."""
    copy = mapped(world)
    placed = resting(world, "0.1", LOW)
    world.fan_out(placed)
    (order,) = world.orders(subscription_id=copy.pk)
    assert (order.symbol, order.order_type, order.price, order.quantity) == (ETH, "limit", 2900, 20)
    assert world.intent(placed, copy).reference_price == 2900
    world.paper.control.set_price(IN_ETH, "2890")
    world.check_until(lambda: world.check() == 0, "it is filled")
    held = world.held(copy, ETH)
    assert (held.filled, held.average_entry_price, held.leader_symbol) == (20, 2900, BTC)
    agrees_with_the_exchange(world, copy)


def test_a_limit_that_rests_in_the_other_market_ends_with_the_sources_exit(world: World) -> None:
    copy = mapped(world)
    world.fan_out(resting(world, "0.1", LOW))
    state(world, copy)
    world.fan_out(world.signal("close", side=""))
    world.check_until(lambda: world.check() == 0, "it is cancelled")
    (order,) = world.orders(subscription_id=copy.pk)
    assert (order.symbol, order.state) == (ETH, "cancelled")


def test_a_limit_without_the_price_of_one_market_is_not_placed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from venues import markets

    copy = mapped(world)
    monkeypatch.setattr(
        "trading.services.fanout.context.markets.last_price", lambda venue, symbol: None
    )
    placed = resting(world, "0.1", LOW)
    world.fan_out(placed)
    assert reason(world, placed, copy) == "price_unknown"
    markets.forget_markets()


def test_who_had_an_order_in_the_leaders_symbol_does_not_go_on_in_another(world: World) -> None:
    copy = world.follower()
    placed = resting(world, "0.1", LOW)
    world.fan_out(placed)
    state(world, copy, symbol_map={BTC: ETH})
    filled = world.entry(amends=placed, price=placed.price)
    follow(world, filled)
    world.check_until(lambda: world.check() == 0, "every order has ended")
    assert reason(world, filled, copy) == "map_changed"
    assert sent(world, copy) == [(IN_BTC, "buy", 10)]
    assert world.held(copy).filled == 0


# --- shown ---------------------------------------------------------------------------------------


def test_the_preview_says_what_the_signal_then_does(world: World) -> None:
    copy, plain = mapped(world), world.follower()
    draft = Signal(
        tenant=world.tenant,
        source=world.source,
        action="open",
        symbol=BTC,
        side="long",
        size=D("0.1"),
        size_basis="base",
        emitted_at=timezone.now(),
        received_at=timezone.now(),
        expires_at=timezone.now() + timezone.timedelta(minutes=1),
    )
    with tenant_scope(world.tenant.pk):
        preview = signal_preview(draft, timezone.now())
    found = {row.subscription_id: (row.symbol, row.legs[0].quantity) for row in preview.followers}
    assert found == {copy.pk: (ETH, D(20)), plain.pk: ("", D(10))}
    with tenant_scope(world.tenant.pk):
        assert not Intent.objects.exists()
        assert not Subscription.objects.filter(is_mapped=True).exists()

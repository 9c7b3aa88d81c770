"""Levels of copy settings become one, and each value knows where it came from."""

from decimal import Decimal as D

import pytest

from strategies.domain.settings import (
    SPECS,
    CopySettings,
    Layer,
    Level,
    Merge,
    TradeDirection,
    effective_settings,
    merged,
)

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"


def effective(*layers, symbol=BTC):
    return effective_settings(merged(layers, symbol))


def test_without_any_level_the_defaults_hold():
    found = effective()
    assert found.settings == CopySettings()
    assert found.origin("ratio")[0].level is Level.DEFAULT


def test_a_cap_is_the_smallest_of_all_levels_wherever_it_stands():
    found = effective(
        Layer(Level.PLATFORM, {"max_leverage": D(20)}),
        Layer(Level.STRATEGY, {"max_leverage": D(5)}),
        Layer(Level.SUBSCRIPTION, {"max_leverage": D(10)}),
    )
    assert found.settings.max_leverage == 5
    assert [origin.level for origin in found.origin("max_leverage")] == [Level.STRATEGY]


def test_a_reserve_is_the_largest_of_all_levels():
    found = effective(
        Layer(Level.TENANT, {"free_margin_reserve_percent": D(30)}),
        Layer(Level.SUBSCRIPTION, {"free_margin_reserve_percent": D(10)}),
    )
    assert found.settings.free_margin_reserve_percent == 30


def test_everything_else_takes_the_nearest_level():
    found = effective(
        Layer(Level.TENANT, {"ratio": D(2), "direction": TradeDirection.LONG_ONLY}),
        Layer(Level.CUSTOMER, {"ratio": D(3)}),
    )
    assert found.settings.ratio == 3
    assert found.settings.direction is TradeDirection.LONG_ONLY
    assert found.origin("ratio")[0].level is Level.CUSTOMER
    assert found.origin("direction")[0].level is Level.TENANT


def test_lists_of_allowed_symbols_intersect_and_of_denied_ones_unite():
    found = effective(
        Layer(Level.STRATEGY, {"allowed_symbols": frozenset({BTC, ETH})}),
        Layer(
            Level.SUBSCRIPTION,
            {"allowed_symbols": frozenset({ETH}), "denied_symbols": frozenset({BTC})},
        ),
        Layer(Level.SUBSCRIPTION, {"denied_symbols": frozenset({ETH})}),
    )
    assert found.settings.allowed_symbols == {ETH}
    assert found.settings.denied_symbols == {BTC, ETH}
    assert [o.level for o in found.origin("allowed_symbols")] == [
        Level.STRATEGY,
        Level.SUBSCRIPTION,
    ]


def test_an_exception_for_a_symbol_holds_for_it_alone():
    layer = Layer(Level.SUBSCRIPTION, {"ratio": D(1)}, {BTC: {"ratio": D("0.5")}})
    assert effective(layer, symbol=BTC).settings.ratio == D("0.5")
    assert effective(layer, symbol=ETH).settings.ratio == 1
    [origin] = effective(layer, symbol=BTC).origin("ratio")
    assert (origin.level, origin.symbol) == (Level.SUBSCRIPTION, BTC)


def test_a_flag_is_on_when_any_level_says_so():
    above = Layer(Level.TENANT, {"monitor_only": True})
    below = Layer(Level.SUBSCRIPTION, {"monitor_only": False})
    assert effective(above, below).settings.monitor_only
    assert effective(below).settings.monitor_only is False


def test_a_binding_term_is_not_changed_below():
    found = effective(
        Layer(
            Level.STRATEGY,
            {"direction": TradeDirection.AS_LEADER},
            binding=frozenset({"direction"}),
        ),
        Layer(Level.SUBSCRIPTION, {"direction": TradeDirection.REVERSED}),
    )
    assert found.settings.direction is TradeDirection.AS_LEADER


def test_the_nearest_map_of_symbols_counts_as_a_whole():
    above = Layer(Level.TENANT, {"symbol_map": {BTC: ETH}})
    own = Layer(Level.SUBSCRIPTION, {"symbol_map": {ETH: ETH}})
    assert effective(above).settings.symbol_map == {BTC: ETH}
    assert effective(above, own).settings.symbol_map == {ETH: ETH}
    fixed = Layer(Level.STRATEGY, {"symbol_map": {BTC: ETH}}, binding=frozenset({"symbol_map"}))
    assert effective(fixed, own).settings.symbol_map == {BTC: ETH}


def test_a_binding_cap_may_still_be_tightened():
    found = effective(
        Layer(Level.STRATEGY, {"max_leverage": D(5)}, binding=frozenset({"max_leverage"})),
        Layer(Level.SUBSCRIPTION, {"max_leverage": D(3)}),
    )
    assert found.settings.max_leverage == 3


def test_the_level_that_binds_sets_its_own_exceptions():
    strategy = Layer(
        Level.STRATEGY, {"ratio": D(1)}, {BTC: {"ratio": D(2)}}, binding=frozenset({"ratio"})
    )
    below = Layer(Level.SUBSCRIPTION, {"ratio": D(9)}, {BTC: {"ratio": D(9)}})
    assert effective(strategy, below).settings.ratio == 2


def test_every_cap_and_reserve_is_unlimited_unless_stated():
    for spec in SPECS.values():
        if spec.merge in (Merge.MINIMUM, Merge.MAXIMUM):
            assert spec.default is None, spec.name


def test_a_binding_term_that_nobody_states_is_the_default():
    strategy = Layer(Level.STRATEGY, binding=frozenset({"direction"}))
    below = Layer(Level.SUBSCRIPTION, {"direction": TradeDirection.REVERSED})
    found = effective(strategy, below)
    assert found.settings.direction is TradeDirection.AS_LEADER
    assert found.origin("direction")[0].level is Level.DEFAULT


@pytest.mark.parametrize(
    ("firms", "clients", "common"),
    [
        (["mon-fri 09:00-17:00"], ["mon-sun 00:00-24:00"], ["mon-fri 09:00-17:00"]),
        (["mon-fri 09:00-17:00"], ["wed 16:00-23:00"], ["wed 16:00-17:00"]),
        (["sat-mon 00:00-24:00"], ["sun-tue 10:00-12:00"], ["mon 10:00-12:00", "sun 10:00-12:00"]),
        (
            ["mon 08:00-12:00", "mon 12:00-14:00"],
            ["mon-tue 09:00-10:00", "mon 11:00-13:00"],
            ["mon 09:00-10:00", "mon 11:00-13:00"],
        ),
        (["mon 08:00-12:00"], ["mon 12:00-14:00", "tue 08:00-12:00"], []),
    ],
)
def test_trading_hours_are_those_that_all_levels_have_in_common(firms, clients, common):
    found = effective(
        Layer(Level.TENANT, {"trading_hours": tuple(firms)}),
        Layer(Level.SUBSCRIPTION, {"trading_hours": tuple(clients)}),
    )
    assert found.settings.trading_hours == tuple(common)
    assert [o.level for o in found.origin("trading_hours")] == [Level.TENANT, Level.SUBSCRIPTION]

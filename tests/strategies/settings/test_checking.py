"""What a form and the API refuse, with the setting named."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.domain.settings import (
    SPECS,
    CopySettings,
    Kind,
    Layer,
    LeaderEvent,
    Level,
    LeverageMode,
    contradictions,
    effective_settings,
    layer_from_json,
    layer_problems,
    merged,
    value_to_json,
    without_effect,
)
from strategies.setting_texts import GROUPS, choice_label, setting_help, setting_label, value_text

BTC, ETH, SOL = "BTC/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT"


def problems(**values):
    return [(problem.name, str(problem.code)) for problem in layer_problems({"values": values})]


@pytest.mark.parametrize(
    ("values", "name", "code"),
    [
        ({"ratio": "0"}, "ratio", "not_above"),
        ({"ratio": "100.01"}, "ratio", "too_high"),
        ({"ratio": 1}, "ratio", "not_a_number"),
        ({"ratio": "1e3"}, "ratio", "not_a_number"),
        ({"ratio": "NaN"}, "ratio", "not_a_number"),
        ({"fixed_amount": "-5"}, "fixed_amount", "not_above"),
        ({"leverage": "0.5"}, "leverage", "too_low"),
        ({"leverage": "126"}, "leverage", "too_high"),
        ({"stop_loss_percent": "100"}, "stop_loss_percent", "too_high"),
        ({"take_profit_percent": "151"}, "take_profit_percent", "too_high"),
        ({"max_open_positions": "3"}, "max_open_positions", "not_a_whole_number"),
        ({"max_open_positions": True}, "max_open_positions", "not_a_whole_number"),
        ({"max_open_positions": 0}, "max_open_positions", "too_low"),
        ({"close_only": "yes"}, "close_only", "not_a_flag"),
        ({"direction": "up"}, "direction", "not_a_choice"),
        ({"allowed_symbols": "BTC"}, "allowed_symbols", "not_a_list"),
        ({"allowed_symbols": ["BTCUSDT"]}, "allowed_symbols", "not_a_symbol"),
        ({"symbol_map": {BTC: "BTC"}}, "symbol_map", "not_a_symbol"),
        ({"symbol_map": {BTC: ETH, SOL: ETH}}, "symbol_map", "mapped_twice"),
        ({"symbol_map": {BTC: ETH, ETH: ETH}}, "symbol_map", "mapped_twice"),
        ({"symbol_map": [[BTC, ETH], [BTC, SOL]]}, "symbol_map", "mapped_twice"),
        ({"symbol_map": [[BTC, ETH]]}, "symbol_map", "not_a_list"),
        ({"symbol_map": [BTC]}, "symbol_map", "not_a_list"),
        (
            {"take_profit_targets": [["2", "0.6"], ["1", "0.4"]]},
            "take_profit_targets",
            "bad_targets",
        ),
        (
            {"take_profit_targets": [["1", "0.6"], ["2", "0.6"]]},
            "take_profit_targets",
            "bad_targets",
        ),
        ({"take_profit_targets": [["1"]]}, "take_profit_targets", "not_a_list"),
        ({"trading_hours": ["mon 17:00-09:00"]}, "trading_hours", "not_a_window"),
        ({"trading_hours": ["all day"]}, "trading_hours", "not_a_window"),
        ({"lucky_number": "7"}, "lucky_number", "unknown"),
    ],
)
def test_what_is_no_value(values, name, code):
    assert problems(**values) == [(name, code)]


def test_an_exception_for_what_is_no_symbol_or_not_per_symbol():
    found = layer_problems({"symbols": {"BTC": {}, BTC: {"total_cap": "5"}}})
    assert [(p.name, str(p.code), p.symbol) for p in found] == [
        ("symbols", "not_a_symbol", "BTC"),
        ("total_cap", "unknown", BTC),
    ]


def contradict(**values):
    layer = layer_from_json(Level.SUBSCRIPTION, {"values": values})
    found = contradictions(effective_settings(merged([layer], BTC)).settings)
    return [(problem.name, str(problem.code)) for problem in found]


@pytest.mark.parametrize(
    ("values", "name", "code"),
    [
        ({"sizing_mode": "fixed_amount"}, "fixed_amount", "needed"),
        ({"leverage_mode": "fixed"}, "leverage", "needed"),
        ({"dynamic_sizing": "volatility"}, "target_volatility_percent", "needed"),
        ({"dynamic_sizing": "drawdown"}, "drawdown_zero_percent", "needed"),
        ({"stops_mode": "own"}, "stop_loss_percent", "needed"),
        ({"cooldown_after_stops": 3}, "cooldown_minutes", "needed"),
        (
            {"min_order_amount": "100", "symbol_exposure_cap": "50"},
            "min_order_amount",
            "above_other",
        ),
        (
            {"min_order_amount": "100", "account_exposure_cap": "50"},
            "min_order_amount",
            "above_other",
        ),
        ({"per_order_cap": "100", "total_cap": "50"}, "per_order_cap", "above_other"),
        ({"leverage": "20", "max_leverage": "10"}, "leverage", "above_other"),
        (
            {"leverage_mode": "fixed", "leverage": "10", "stop_loss_percent": "10"},
            "stop_loss_percent",
            "leverage_and_stop",
        ),
        (
            {"leverage_mode": "fixed", "leverage": "20", "trailing_percent": "5"},
            "trailing_percent",
            "leverage_and_stop",
        ),
        (
            {"min_order_amount": "501", "per_order_cap": "50", "max_leverage": "10"},
            "min_order_amount",
            "above_cap",
        ),
        (
            {
                "min_order_amount": "151",
                "total_cap": "50",
                "max_leverage": "10",
                "leverage_mode": "fixed",
                "leverage": "3",
            },
            "min_order_amount",
            "above_cap",
        ),
        (
            {
                "stops_mode": "own",
                "take_profit_percent": "2",
                "take_profit_targets": [["1", "0.5"], ["2", "0.2"]],
            },
            "take_profit_percent",
            "targets_first",
        ),
        (
            {
                "stops_mode": "own",
                "take_profit_percent": "3",
                "take_profit_targets": [["1", "0.5"], ["2", "0.5"]],
            },
            "take_profit_percent",
            "targets_first",
        ),
    ],
)
def test_what_contradicts_itself(values, name, code):
    assert contradict(**values) == [(name, code)]


@pytest.mark.parametrize(
    "values",
    [
        {"min_order_amount": "500", "per_order_cap": "50", "max_leverage": "10"},
        {"min_order_amount": "501", "per_order_cap": "50"},
        {
            "stops_mode": "own",
            "take_profit_percent": "3",
            "take_profit_targets": [["1", "0.5"], ["2", "0.4"]],
        },
        {
            "leverage_mode": "fixed",
            "leverage": "20",
            "stop_loss_percent": "2",
            "trailing_percent": "9",
        },
        {
            "leverage_mode": "fixed",
            "leverage": "5",
            "max_leverage": "5",
            "stop_loss_percent": "19",
        },
    ],
)
def test_what_does_not_contradict_itself(values):
    assert contradict(**values) == []


@pytest.mark.parametrize(
    ("values", "idle"),
    [
        ({}, {}),
        ({"fixed_amount": "5"}, {"fixed_amount": "sizing_mode"}),
        (
            {"sizing_mode": "fixed_amount", "fixed_amount": "5", "ratio": "2"},
            {"ratio": "sizing_mode"},
        ),
        ({"leverage": "3"}, {"leverage": "leverage_mode"}),
        ({"stop_loss_percent": "5"}, {"stop_loss_percent": "stops_mode"}),
        ({"stop_loss_percent": "5", "sizing_mode": "fixed_risk", "risk_percent": "1"}, {}),
        ({"stop_loss_percent": "5", "stops_mode": "own"}, {}),
        ({"trailing_percent": "5"}, {}),
        ({"trailing_percent": "5", "stops_mode": "none"}, {"trailing_percent": "stops_mode"}),
        ({"limit_follow_percent": "2"}, {"limit_follow_percent": "execution"}),
        ({"limit_timeout_seconds": 60, "execution": "limit_then_market"}, {}),
        ({"slice_count": 5}, {"slice_count": "execution"}),
        ({"slice_count": 5, "execution": "sliced"}, {}),
        ({"cooldown_minutes": 30}, {"cooldown_minutes": "cooldown_after_stops"}),
        ({"cooldown_minutes": 30, "cooldown_after_stops": 2}, {}),
    ],
)
def test_what_has_no_effect_says_by_which_other_setting(values, idle):
    layer = layer_from_json(Level.SUBSCRIPTION, {"values": values})
    assert without_effect(effective_settings(merged([layer], BTC)).settings) == idle


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("allowed_symbols", None, "all"),
        ("allowed_symbols", frozenset(), "none at all"),
        ("trading_hours", None, "at any time"),
        ("trading_hours", (), "never"),
        ("total_cap", None, "not limited"),
        ("max_entry_slippage_percent", None, "0.5 for BTC and ETH, 1.5 for others"),
        ("denied_symbols", frozenset(), "–"),
        ("free_margin_reserve_percent", None, "–"),
    ],
)
def test_no_value_and_an_empty_list_are_not_the_same(name, value, text):
    assert value_text(name, value) == text


def test_a_refusal_repeats_little_of_what_was_sent():
    [exception] = layer_problems({"symbols": {"A" * 100_000: {}}})
    [name] = layer_problems({"values": {"b" * 100_000: 1}})
    assert (len(exception.symbol), len(name.name)) == (48, 48)


def test_money_that_a_leader_takes_out_is_not_followed_but_may_pause():
    assert problems(on_transfer_out="pause") == []
    assert problems(on_transfer_out="follow") == [("on_transfer_out", "not_a_choice")]
    assert problems(on_leverage_change="pause") == [("on_leverage_change", "not_a_choice")]


def test_a_fixed_leverage_leaves_the_leaders_changes_without_effect():
    fixed = {"leverage_mode": LeverageMode.FIXED, "leverage": Decimal(5)}
    settings = CopySettings(on_leverage_change=LeaderEvent.FOLLOW, **fixed)
    assert without_effect(settings) == {"on_leverage_change": "leverage_mode"}


def test_the_defaults_do_not_contradict_themselves():
    assert contradictions(CopySettings()) == []


def test_every_setting_and_choice_has_its_words_and_its_group():
    assert sorted(name for _title, names in GROUPS for name in names) == sorted(SPECS)
    for name, spec in SPECS.items():
        assert setting_label(name)
        assert isinstance(setting_help(name), str)
        for choice in spec.choices:
            assert choice_label(spec, choice)
        assert value_text(name, spec.default)


RAW = {
    Kind.AMOUNT: "12.5",
    Kind.NUMBER: "1.5",
    Kind.PERCENT: "2.5",
    Kind.COUNT: 5,
    Kind.SECONDS: 60,
    Kind.MINUTES: 30,
    Kind.FLAG: True,
    Kind.SYMBOLS: [BTC],
    Kind.SYMBOL_MAP: {BTC: "BTC/USD:BTC"},
    Kind.TARGETS: [["1", "0.5"], ["2.5", "0.5"]],
    Kind.HOURS: ["mon-fri 09:00-17:30", "sun 00:00-24:00"],
}


@pytest.mark.parametrize("name", SPECS)
def test_what_is_stored_is_read_back(name):
    spec = SPECS[name]
    raw = str(spec.choices[-1]) if spec.kind is Kind.CHOICE else RAW[spec.kind]
    layer = layer_from_json(Level.TENANT, {"values": {name: raw}})
    assert value_to_json(spec, layer.values[name]) == raw
    assert value_text(name, layer.values[name]) not in ("", "–")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
        max_leaves=5,
    ),
    st.sampled_from(sorted(SPECS)),
)
def test_nonsense_is_refused_and_never_an_error_of_ours(raw, name):
    for problem in layer_problems({"values": {name: raw}}):
        assert problem.name == name
    assert isinstance(Layer(Level.TENANT), Layer)

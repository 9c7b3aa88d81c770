"""JSON of anybody's, read by a mapping that staff made."""

from __future__ import annotations

import json
from typing import Any

import pytest

from signals_app.domain.parsers.base import ConfigError
from signals_app.domain.parsers.problems import ParseProblem
from signals_app.domain.parsers.registry import parser_named
from tests.signals_app.parsers.conftest import BTC, parse, parsed_fields

MAPPING: dict[str, Any] = {
    "fields": {
        "id": "$.event.id",
        "symbol": "$.event.pair",
        "action": "$.event.kind",
        "side": "$.event.dir",
        "size": "$.event.amount",
        "price": "$.event.px",
        "emitted_at": "$.event.at",
        "sequence": "$.event.n",
        "targets": "$.event.tps[*].p",
    },
    "values": {
        "action": {"IN": "open", "OUT": "close", "CUT": "reduce"},
        "side": {"1": "long", "-1": "short"},
    },
}
SIZED_MAPPING = {**MAPPING, "constants": {"size_basis": "quote"}}


def event(**fields: Any) -> str:
    return json.dumps({"event": {"pair": "BTC_USDT", "kind": "IN", "dir": 1, **fields}})


def test_mapped_fields_words_and_constants() -> None:
    body = event(id="a-17", amount="1,000.50", px=64000.5, at=1896091195, n=7,
                 tps=[{"p": 66000}, {"p": "68000"}])  # fmt: skip
    parsed = parse("mapped", body, SIZED_MAPPING)
    assert parsed.alert_id == "a-17"
    assert parsed_fields(parsed) == {
        "action": "open", "symbol": BTC, "side": "long", "size": "1000.5", "size_basis": "quote",
        "price": "64000.5", "sequence": 7, "emitted_at": "2030-01-31T11:59:55Z",
        "targets": [{"price": "66000", "fraction": "0.5"},
                    {"price": "68000", "fraction": "0.5"}],
    }  # fmt: skip


def test_mapped_items_give_several_signals() -> None:
    settings = {
        "fields": {"symbol": "$.s", "action": "$.a", "side": "$.d"},
        "items": "$.orders[?@.live == true]",
    }
    body = json.dumps({"orders": [
        {"s": "BTCUSDT", "a": "open", "d": "LONG", "live": True},
        {"s": "ETHUSDT", "a": "close", "live": True},
        {"s": "XRPUSDT", "a": "close", "live": False},
    ]})  # fmt: skip
    signals = parse("mapped", body, settings).signals
    assert [(signal.action, signal.symbol) for signal in signals] == [
        ("open", BTC), ("close", "ETH/USDT:USDT"),
    ]  # fmt: skip


SIDES = {"BUY": "long", "SELL": "short", "LONG": "long", "SHORT": "short"}
IN_AND_OUT = {"ENTRY": "open", "EXIT": "close", "open": "open", "close": "close"}
SHAPES: dict[str, tuple[dict[str, Any], Any, dict[str, Any]]] = {
    "a bot with the market in words": (
        {"fields": {"symbol": "$.pair", "action": "$.type", "side": "$.direction",
                    "leverage": "$.leverage", "price": "$.entry[0]", "stop_loss": "$.sl",
                    "targets": "$.targets"},
         "values": {"action": {"new": "open"}}},
        {"type": "new", "pair": "BTC/USDT", "direction": "LONG", "leverage": 10,
         "entry": ["64000", "63000"], "targets": ["66000", "68000"], "sl": "62000"},
        {"action": "open", "side": "long", "leverage": "10", "price": "64000",
         "stop_loss": "62000", "targets": [{"price": "66000", "fraction": "0.5"},
                                           {"price": "68000", "fraction": "0.5"}]},
    ),
    "an order of an exchange's own stream": (
        {"fields": {"id": "$.o.i", "symbol": "$.o.s", "side": "$.o.S", "size": "$.o.q",
                    "price": "$.o.ap", "emitted_at": "$.E"},
         "values": {"side": SIDES}, "constants": {"action": "open", "size_basis": "base"}},
        {"e": "ORDER_TRADE_UPDATE", "E": 1896091198123,
         "o": {"s": "BTCUSDT", "S": "SELL", "q": "0.250", "ap": "64010.1", "i": 8886774}},
        {"action": "open", "side": "short", "size": "0.25", "size_basis": "base",
         "price": "64010.1", "emitted_at": "2030-01-31T11:59:58.123000Z"},
    ),
    "a position bot's exit": (
        {"fields": {"symbol": "$['symbol']", "action": "$['signal']", "side": "$['position']"},
         "values": {"action": IN_AND_OUT}},
        {"signal": "EXIT", "symbol": "BTC-USDT-SWAP", "position": "Short"},
        {"action": "close", "side": "short"},
    ),
    "a part in percent as a fraction": (
        {"fields": {"symbol": "$.coin", "size": "$.part"},
         "constants": {"action": "reduce", "size_basis": "position_fraction"}},
        {"coin": "BTC", "part": "0.25"},
        {"action": "reduce", "size": "0.25", "size_basis": "position_fraction"},
    ),
    "a grid's words and a wildcard": (
        {"fields": {"symbol": "$.data.market", "action": "$.data.event", "side": "$.data.event"},
         "values": {"action": {"*": "open", "tp": "close"},
                    "side": {"filled_buy": "long", "filled_sell": "short"}}},
        {"ts": "2030-01-31 11:59", "data": {"market": "BINANCE:BTCUSDT.P", "event": "filled_sell"}},
        {"action": "open", "side": "short"},
    ),
    "a list with one order": (
        {"items": "$[*]", "fields": {"symbol": "$.instId", "side": "$.posSide", "size": "$.sz",
                                     "price": "$.px", "leverage": "$.lever"},
         "constants": {"action": "increase", "size_basis": "contracts"}},
        [{"instId": "BTC-USDT-SWAP", "posSide": "long", "sz": "3", "px": "", "lever": "5"}],
        {"action": "increase", "side": "long", "size": "3", "size_basis": "contracts",
         "leverage": "5"},
    ),
    "a flag and a number for the side": (
        {"fields": {"symbol": "$.s", "action": "$.isOpen", "side": "$.side"},
         "values": {"action": {"true": "open", "false": "close"},
                    "side": {"1": "long", "2": "short"}}},
        {"s": "XBTUSDTM", "isOpen": False, "side": 2},
        {"action": "close", "side": "short"},
    ),
    "Chinese keys and words": (
        {"fields": {"symbol": "$['币种']", "action": "$['动作']", "side": "$['方向']",
                    "stop_loss": "$['止损']"},
         "values": {"action": {"开仓": "open", "平仓": "close"},
                    "side": {"做多": "long", "做空": "short"}}},
        {"币种": "BTC", "动作": "开仓", "方向": "做多", "止损": "６２０００"},
        {"action": "open", "side": "long", "stop_loss": "62000"},
    ),
    "the whole position as a target": (
        {"fields": {"symbol": "$.ticker", "size": "$.target", "side": "$.side"},
         "constants": {"action": "set_target", "size_basis": "quote"}},
        {"ticker": "BTCUSDT", "target": "1,000", "side": "long"},
        {"action": "set_target", "side": "long", "size": "1000", "size_basis": "quote"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_what_other_programs_send(name: str) -> None:
    settings, payload, expected = SHAPES[name]
    parsed = parse("mapped", json.dumps(payload, ensure_ascii=False), settings)
    assert parsed_fields(parsed) == {"symbol": BTC, **expected}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (event(kind="SIDEWAYS"), "bad_value"),
        (json.dumps({"event": {"kind": "IN", "dir": 1}}), "missing_field"),
        (event(at="yesterday"), "bad_time"),
        (event(px="a lot"), "not_a_number"),
        (event(n="x"), "not_a_number"),
        (event(pair="??"), "symbol_unknown"),
        (event(amount="5"), "missing_field"),
        (event(tps=[{"p": 66000}, {"p": 60000}]), "bad_targets"),
        (event(dir=None), "missing_field"),
        ("{}", "missing_field"),
        ("[" * 5000 + "]" * 5000, "invalid_json"),
    ],
)
def test_mapped_says_what_is_wrong(body: str, code: str) -> None:
    with pytest.raises(ParseProblem) as problem:
        parse("mapped", body, MAPPING)
    assert problem.value.code == code


def test_a_path_that_finds_two_values_is_not_guessed_between() -> None:
    settings = {"fields": {"symbol": "$..s", "action": "$.a"}, "constants": {"side": "long"}}
    body = json.dumps({"a": "open", "s": "BTCUSDT", "x": {"s": "ETHUSDT"}})
    with pytest.raises(ParseProblem) as problem:
        parse("mapped", body, settings)
    assert problem.value.code == "several_values"


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ([], "not_an_object"),
        ({"colour": "red"}, "unknown_setting"),
        ({"market": "moon"}, "bad_choice"),
        ({"default_quote": 5}, "wrong_type"),
        ({"symbols": {"GOLD": "gold"}}, "bad_symbol"),
        ({"fields": {"symbol": "pair", "action": "$.a"}}, "bad_path"),
        ({"fields": {"symbol": "$.a[", "action": "$.a"}}, "bad_path"),
        ({"fields": {"symbol": "$[?match(@.a, '(a+)+')]", "action": "$.a"}}, "bad_path"),
        ({"fields": {"nonsense": "$.a"}}, "unknown_field"),
        ({"fields": {"symbol": "$.a"}}, "mapping_incomplete"),
    ],
)
def test_settings_are_checked_when_they_are_made(settings: Any, code: str) -> None:
    with pytest.raises(ConfigError) as error:
        parser_named("mapped").config(settings)
    assert error.value.code == code

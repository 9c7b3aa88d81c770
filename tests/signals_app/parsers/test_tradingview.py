"""What TradingView alerts really say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from signals_app.domain.parsers.problems import Ignored, ParseProblem
from tests.signals_app.parsers.conftest import BTC, parse, parsed_fields


def strategy(before: str, after: str, action: str = "buy", **more: Any) -> dict[str, Any]:
    return {
        "ticker": "BTCUSDT.P",
        "action": action,
        "market_position": after,
        "prev_market_position": before,
        **more,
    }


NESTED = {
    "passphrase": "***",
    "time": "2030-01-31T08:00:00Z",
    "exchange": "BINANCE",
    "ticker": "BTCUSDT",
    "bar": {"open": 63900, "close": 64000.5, "time": "2030-01-31T08:00:00Z"},
    "strategy": {
        "position_size": 0.25,
        "order_action": "buy",
        "order_contracts": 0.25,
        "order_price": 64010.1,
        "order_id": "Long",
        "market_position": "long",
        "market_position_size": 0.25,
        "prev_market_position": "flat",
        "prev_market_position_size": 0,
    },
}
DEFAULT = "MACD Strategy (12, 26, 9): order {} @ {} filled on {}. New strategy position is {}"

TRADINGVIEW = {
    "opens from flat": (
        strategy("flat", "long", contracts="0.25", price="64000.5"),
        {"action": "open", "side": "long", "size": "0.25", "size_basis": "base",
         "price": "64000.5"},
    ),
    "opens short": (
        strategy("flat", "short", "sell", contracts=1),
        {"action": "open", "side": "short", "size": "1", "size_basis": "base"},
    ),
    "closes to flat": (
        strategy("long", "flat", "sell", contracts="0.25"), {"action": "close", "side": "long"}
    ),
    "covers to flat": (strategy("short", "flat"), {"action": "close", "side": "short"}),
    "flips": (
        strategy("long", "short", "sell", contracts="0.5", market_position_size="0.25"),
        {"action": "flip", "side": "short", "size": "0.25", "size_basis": "base"},
    ),
    "adds to a long": (
        strategy("long", "long", contracts="0.1", market_position_size="0.3"),
        {"action": "increase", "side": "long", "size": "0.1", "size_basis": "base"},
    ),
    "reduces by a third of what was there": (
        strategy("long", "long", "sell", contracts="1", market_position_size="2"),
        {"action": "reduce", "side": "long", "size": "0.3333333333333333",
         "size_basis": "position_fraction"},
    ),
    "reduces a short, sizes with signs": (
        strategy("short", "short", "buy", contracts="0.5", market_position_size="-1.5",
                 prev_market_position_size="-2"),
        {"action": "reduce", "side": "short", "size": "0.25",
         "size_basis": "position_fraction"},
    ),
    "reduces without sizes before": (
        strategy("long", "long", "sell", contracts="0.1"),
        {"action": "reduce", "side": "long", "size": "0.1", "size_basis": "base"},
    ),
    "the nested template of many tutorials": (
        NESTED,
        {"action": "open", "side": "long", "size": "0.25", "size_basis": "base",
         "price": "64010.1"},
    ),
    "keys as placeholders are written": (
        {"{{ticker}}": "x", "symbol": "BINANCE:BTCUSDT.P", "strategy.order.action": "sell",
         "strategy.order.contracts": "2", "strategy.market_position": "short",
         "strategy.prev_market_position": "flat"},
        None,
    ),
    "keys as placeholders, filled in": (
        {"symbol": "BINANCE:BTCUSDT.P", "strategy.order.action": "sell",
         "strategy.order.contracts": "2", "strategy.market_position": "short",
         "strategy.prev_market_position": "flat"},
        {"action": "open", "side": "short", "size": "2", "size_basis": "base"},
    ),
    "camel case": (
        {"symbol": "BTC-USDT-SWAP", "orderAction": "buy", "marketPosition": "long",
         "prevMarketPosition": "flat", "quantity": "1,250.5"},
        {"action": "open", "side": "long", "size": "1250.5", "size_basis": "base"},
    ),
    "name=value text": (
        "ticker=BTCUSDT action=buy contracts=0.1 price=64000 market_position=long "
        "prev_market_position=flat",
        {"action": "open", "side": "long", "size": "0.1", "size_basis": "base", "price": "64000"},
    ),
    "name: value lines": (
        "symbol: BTCUSDT.P\nside: sell\nqty: 0.1\nmarket_position: flat\n"
        "prev_market_position: long\n",
        {"action": "close", "side": "long"},
    ),
    "the default message opens": (
        DEFAULT.format("buy", "0.25", "BTCUSDT.P", "0.25"),
        {"action": "open", "side": "long", "size": "0.25", "size_basis": "base"},
    ),
    "the default message flips": (
        DEFAULT.format("sell", "0.5", "BTCUSDT", "-0.25"),
        {"action": "flip", "side": "short", "size": "0.25", "size_basis": "base"},
    ),
    "the default message closes": (
        DEFAULT.format("sell", "0.25", "BTCUSDT", "0"), {"action": "close", "side": "long"}
    ),
    "the default message reduces": (
        DEFAULT.format("sell", "0.25", "BTCUSDT", "0.75"),
        {"action": "reduce", "side": "long", "size": "0.25",
         "size_basis": "position_fraction"},
    ),
    "an indicator's own words": (
        {"action": "enter_long", "ticker": "BTCUSDT.P", "price": "64000", "sl": "62000",
         "tp": "66000", "leverage": "5"},
        {"action": "open", "side": "long", "price": "64000", "stop_loss": "62000",
         "take_profit": "66000", "leverage": "5"},
    ),
    "several targets": (
        {"action": "long", "ticker": "BTCUSDT.P", "tp1": "66000", "tp2": "68000"},
        {"action": "open", "side": "long",
         "targets": [{"price": "66000", "fraction": "0.5"},
                     {"price": "68000", "fraction": "0.5"}]},
    ),
    "close in two words": ("close long BTCUSDT.P", {"action": "close", "side": "long"}),
    "exit everything": ({"action": "EXIT", "ticker": "BTCUSDT.P"}, {"action": "close"}),
    "a limit order": (
        {"action": "short", "ticker": "BTCUSDT.P", "order_type": "limit", "price": "65000"},
        {"action": "open", "side": "short", "order_type": "limit", "price": "65000"},
    ),
    "NaN is no price": (
        strategy("flat", "long", contracts="1", price="NaN"),
        {"action": "open", "side": "long", "size": "1", "size_basis": "base"},
    ),
    "the time it fired": (
        strategy("flat", "long", timenow="2030-01-31T11:59:58Z"),
        {"action": "open", "side": "long", "emitted_at": "2030-01-31T11:59:58Z"},
    ),
    "the time its bar began is not its age": (
        strategy("flat", "long", time="2030-01-30T04:00:00Z"), {"action": "open", "side": "long"}
    ),
    "unix milliseconds": (
        strategy("flat", "long", timestamp=1896091195000),
        {"action": "open", "side": "long", "emitted_at": "2030-01-31T11:59:55Z"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name, (_, want) in TRADINGVIEW.items() if want])
def test_tradingview(name: str) -> None:
    payload, expected = TRADINGVIEW[name]
    body = payload if isinstance(payload, str) else json.dumps(payload)
    assert parsed_fields(parse("tradingview", body)) == {"symbol": BTC, **(expected or {})}


BAD_TRADINGVIEW = {
    "a placeholder of an alert that is no strategy's": (
        {"ticker": "BTCUSDT", "action": "{{strategy.order.action}}"},
        "placeholder_not_filled",
    ),
    "only buy": ({"ticker": "BTCUSDT", "action": "buy", "contracts": 1}, "direction_unclear"),
    "no symbol": ({"action": "long"}, "symbol_missing"),
    "an unknown symbol": ({"action": "long", "ticker": "NOPEUSDT"}, "symbol_unknown"),
    "a share": ({"action": "long", "ticker": "NASDAQ:AAPL"}, "symbol_unknown"),
    "a thousand of the coin": ({"action": "long", "ticker": "1000PEPEUSDT.P"}, "symbol_multiplier"),
    "the coin of a thousand": ({"action": "long", "ticker": "SATSUSDT"}, "symbol_multiplier"),
    "an unknown action": ({"action": "moon", "ticker": "BTCUSDT"}, "action_unknown"),
    "nothing to do": (strategy("flat", "flat"), "nothing_changes"),
    "an order against the position": (strategy("flat", "long", "sell"), "position_contradicts"),
    "words": ("something crossed something", "template_unknown"),
    "broken JSON": ('{"action": "long", "ticker": ', "invalid_json"),
    "a list": ("[1, 2]", "not_an_object"),
    "a key twice": ('{"action": "long", "action": "short", "ticker": "BTCUSDT"}', "invalid_json"),
    "from the future": (strategy("flat", "long", timenow="2030-01-31T12:00:30Z"), "in_the_future"),
    "from the day before": (strategy("flat", "long", timenow="2030-01-30T11:00:00Z"), "too_old"),
    "a time without a zone": (strategy("flat", "long", timenow="2030-01-31T12:00:00"), "bad_time"),
    "a stop on the wrong side": (
        {"action": "long", "ticker": "BTCUSDT", "price": "64000", "sl": "65000"},
        "wrong_side_of_price",
    ),
    "a size that is none": (strategy("flat", "long", contracts="many"), "not_a_number"),
    "bytes": (b"\xff\xfe\x00\x01", "not_text"),
    "nothing": (b"  \n", "empty"),
}


@pytest.mark.parametrize("name", BAD_TRADINGVIEW)
def test_tradingview_says_what_is_wrong(name: str) -> None:
    payload, code = BAD_TRADINGVIEW[name]
    body = payload if isinstance(payload, (str, bytes)) else json.dumps(payload)
    with pytest.raises(ParseProblem) as problem:
        parse("tradingview", body)
    assert problem.value.code == code
    assert isinstance(problem.value, Ignored) == (code == "nothing_changes")


@pytest.mark.parametrize(
    ("choice", "buy", "sell"),
    [
        ("entries", ("open", "long"), ("open", "short")),
        ("long_only", ("open", "long"), ("close", "long")),
        ("flip", ("flip", "long"), ("flip", "short")),
    ],
)
def test_what_a_bare_buy_and_sell_mean_is_a_setting(
    choice: str, buy: tuple[str, str], sell: tuple[str, str]
) -> None:
    for word, expected in (("BUY", buy), ("SELL", sell)):
        (signal,) = parse("tradingview", f"{word} BTCUSDT", {"plain_orders": choice}).signals
        assert (signal.action, signal.side) == expected


def test_equal_alerts_at_different_times_are_different_alerts() -> None:
    ids = {
        parse("tradingview", json.dumps(strategy("flat", "long", **at))).alert_time
        for at in ({}, {"time": "2030-01-31T11:00:00Z"}, {"timenow": "2030-01-31T11:59:59Z"})
    }
    assert len(ids) == 3
    assert "" in ids

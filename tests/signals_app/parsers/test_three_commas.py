"""What 3Commas bots really send."""

from __future__ import annotations

import json
from typing import Any

import pytest

from signals_app.domain.parsers.problems import ParseProblem
from tests.signals_app.parsers.conftest import BTC, parse, parsed_fields


def bot(action: str, **more: Any) -> dict[str, Any]:
    return {
        "secret": "***",
        "max_lag": "300",
        "timestamp": "2030-01-31T11:59:58Z",
        "trigger_price": "64000",
        "tv_exchange": "BINANCE",
        "tv_instrument": "BTCUSDT.P",
        "action": action,
        "bot_uuid": "b0a3c8d2-aaaa-4bbb-8ccc-111122223333",
        **more,
    }


def info(before: str, after: str, size: str = "0.25", previous: str = "0") -> dict[str, str]:
    return {
        "market_position": after,
        "market_position_size": size,
        "prev_market_position": before,
        "prev_market_position_size": previous,
    }


ORDER = {"amount": "0.25", "currency_type": "base"}
SENT = {"emitted_at": "2030-01-31T11:59:58Z", "price": "64000"}
LASTS = {"expires_at": "2030-01-31T12:04:58Z"}
SIZED = {"size": "0.25", "size_basis": "base"}
THREE_COMMAS = {
    "strategy opens": (
        bot("buy", strategy_info=info("flat", "long"), order=ORDER),
        {"action": "open", "side": "long", **SIZED, **SENT, **LASTS},
    ),
    "strategy closes": (
        bot("sell", strategy_info=info("long", "flat", "0", "0.25"), order=ORDER),
        {"action": "close", "side": "long", **SENT},
    ),
    "strategy flips": (
        bot("sell", strategy_info=info("long", "short", "0.25", "0.25"), order=ORDER),
        {"action": "flip", "side": "short", **SIZED, **SENT, **LASTS},
    ),
    "strategy reduces": (
        bot("sell", strategy_info=info("long", "long", "0.75", "1"), order=ORDER),
        {"action": "reduce", "side": "long", "size": "0.25",
         "size_basis": "position_fraction", **SENT},
    ),
    "custom enters": (
        bot("enter_long"), {"action": "open", "side": "long", **SENT, **LASTS}
    ),
    "custom enters short for quote currency": (
        bot("enter_short", order={"amount": "500", "currency_type": "quote"}),
        {"action": "open", "side": "short", "size": "500", "size_basis": "quote", **SENT, **LASTS},
    ),
    "custom enters with a share of the margin": (
        bot("enter_long", order={"amount": "5", "currency_type": "margin_percent"}),
        {"action": "open", "side": "long", "size": "0.05", "size_basis": "equity_fraction",
         **SENT, **LASTS},
    ),
    "custom exits": (bot("exit_long"), {"action": "close", "side": "long", **SENT}),
    "custom exits half": (
        bot("exit_short", order={"amount": "50", "currency_type": "position_percent"}),
        {"action": "reduce", "side": "short", "size": "0.5", "size_basis": "position_fraction",
         **SENT},
    ),
    "a DCA bot starts a deal": (
        {"message_type": "bot", "bot_id": 1234, "email_token": "***", "delay_seconds": 0,
         "pair": "USDT_BTC"},
        {"action": "open", "side": "long"},
    ),
    "a DCA bot closes": (
        {"message_type": "bot", "bot_id": 1234, "email_token": "***", "delay_seconds": 0,
         "pair": "USDT_BTC", "action": "close_at_market_price"},
        {"action": "close", "side": "long"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", THREE_COMMAS)
def test_three_commas(name: str) -> None:
    payload, expected = THREE_COMMAS[name]
    assert parsed_fields(parse("three_commas", json.dumps(payload))) == {"symbol": BTC, **expected}


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (bot("buy"), "direction_unclear"),
        (bot("enter_long", timestamp="2030-01-31T11:50:00Z"), "lagged"),
        (bot("enter_long", timestamp="2030-01-31T12:01:00Z"), "in_the_future"),
        (bot("enter_long", tv_instrument="XYZUSDT"), "symbol_unknown"),
        (bot("enter_long", tv_instrument=None), "symbol_missing"),
        (bot("dance"), "action_unknown"),
        (bot("disable"), "bot_command"),
        (bot("enter_long", order={"amount": "1", "currency_type": "apples"}), "bad_value"),
        (bot("enter_long", timestamp="{{timenow}}"), "placeholder_not_filled"),
        ([], "not_an_object"),
    ],
)
def test_three_commas_says_what_is_wrong(payload: Any, code: str) -> None:
    with pytest.raises(ParseProblem) as problem:
        parse("three_commas", json.dumps(payload))
    assert problem.value.code == code


def test_a_late_exit_of_three_commas_is_still_an_exit() -> None:
    late = json.dumps(bot("exit_long", timestamp="2030-01-31T11:00:00Z"))
    assert parse("three_commas", late).signals[0].action == "close"

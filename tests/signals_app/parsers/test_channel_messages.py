"""Messages as channels write them, English and Chinese."""

from __future__ import annotations

import json
from typing import Any

import pytest

from signals_app.domain.parsers.problems import Ignored, ParseProblem
from tests.signals_app.parsers.conftest import parse, parsed_fields

BTC, ETH, SOL = "BTC/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT"
RANGE = {"order_type": "limit", "price": "64500", "entry_low": "64000", "entry_high": "64500"}


def targets(*prices: str, parts: tuple[str, ...] = ()) -> dict[str, Any]:
    if not parts:
        step = {2: "0.5", 4: "0.25"}.get(len(prices), "0.333333")
        parts = (step,) * len(prices) if len(prices) != 3 else (step, step, "0.333334")
    pairs = zip(prices, parts, strict=True)
    return {"targets": [{"price": price, "fraction": part} for price, part in pairs]}


LONG = {"action": "open", "symbol": BTC, "side": "long"}
SHORT_ETH = {"action": "open", "symbol": ETH, "side": "short"}

MESSAGES: dict[str, dict[str, Any]] = {
    "LONG BTC 64000–64500 SL 62000 TP1 66000 TP2 68000 10x": {
        **LONG, **RANGE, "stop_loss": "62000", "leverage": "10", **targets("66000", "68000"),
    },
    "🚀🚀 #BTC/USDT LONG 🚀🚀\n\nEntry: 64,000 - 64,500\n\nTargets:\n1️⃣ 66,000\n2️⃣ 68,000\n"
    "3️⃣ 70,000\n\n⛔ Stop Loss: 62,000\nLeverage: Cross 10x\n\n@vip_signals": {
        **LONG, **RANGE, "stop_loss": "62000", "leverage": "10",
        **targets("66000", "68000", "70000"),
    },
    "long btc 64k-64.5k, sl 62k, tp 66k 68k": {
        **LONG, **RANGE, "stop_loss": "62000", **targets("66000", "68000"),
    },
    "Long $BTC 64-64.5k SL 62k": {**LONG, **RANGE, "stop_loss": "62000"},
    "BUY BTCUSDT @ 64000 tp 66000 sl 62000": {
        **LONG, "order_type": "limit", "price": "64000", "stop_loss": "62000",
        "take_profit": "66000",
    },
    "BINANCE:BTCUSDT.P long now, stop 62000, target 66000, leverage 5-10x": {
        **LONG, "stop_loss": "62000", "take_profit": "66000", "leverage": "5",
    },
    "Signal #1234\nBTC/USDT (LONG)\nEntry zone 64000 ~ 64500\nTargets 1) 66000 2) 68000\n"
    "Stop: 62000\nR:R 1:3  Risk: 2%": {
        **LONG, **RANGE, "stop_loss": "62000", **targets("66000", "68000"),
    },
    "Buy BTC: 64000-64500\nSell: 66000 - 68000\nStop: 62000": {
        **LONG, **RANGE, "stop_loss": "62000", **targets("66000", "68000"),
    },
    "LONG $SOL\nEntry 1: 150\nEntry 2: 145\nTP1: 160 (50%)\nTP2: 170 (30%)\nTP3: 180 (20%)\n"
    "SL: 140\nLev 5x - 10x": {
        "action": "open", "symbol": SOL, "side": "long", "order_type": "limit", "price": "150",
        "entry_low": "145", "entry_high": "150", "stop_loss": "140", "leverage": "5",
        **targets("160", "170", "180", parts=("0.5", "0.3", "0.2")),
    },
    "TP1 - 66000 (+3.1%)\nTP2 - 68000 (+6.2%)\nBTC long entry 64000\nSL - 62000 (-3.1%)": {
        **LONG, "order_type": "limit", "price": "64000", "stop_loss": "62000",
        **targets("66000", "68000"),
    },
    "2030-01-31 11:58 UTC | 4H | SHORT ETHUSDT.P | entry 3400-3450 | TP 3300/3200 | SL 3500": {
        **SHORT_ETH, "order_type": "limit", "price": "3400", "entry_low": "3400",
        "entry_high": "3450", "stop_loss": "3500", **targets("3300", "3200"),
    },
    "short eth market sl 3500 x20": {**SHORT_ETH, "stop_loss": "3500", "leverage": "20"},
    "LONG OP 1.5 SL 1.4 TP 1.6 1.7": {
        "action": "open", "symbol": "OP/USDT:USDT", "side": "long", "order_type": "limit",
        "price": "1.5", "stop_loss": "1.4", **targets("1.6", "1.7"),
    },
    "BTC long near 64000 SL 62000": {
        **LONG, "order_type": "limit", "price": "64000", "stop_loss": "62000",
    },
    "LONG 1INCH/USDT entry 0.35 tp 0.40": {
        "action": "open", "symbol": "1INCH/USDT:USDT", "side": "long", "order_type": "limit",
        "price": "0.35", "take_profit": "0.4",
    },
    "Short-term LONG BTC 64000": {**LONG, "order_type": "limit", "price": "64000"},
    "做多 BTC 入场 64000-64500 止损 62000 止盈 66000、68000、70000 杠杆10倍": {
        **LONG, **RANGE, "stop_loss": "62000", "leverage": "10",
        **targets("66000", "68000", "70000"),
    },
    "ＢＴＣ/ＵＳＤＴ 多　入场：６４０００～６４５００，止损：６２０００，"
    "目标一：６６０００，目标二：６８０００": {
        **LONG, **RANGE, "stop_loss": "62000", **targets("66000", "68000"),
    },
    "开空ETH，现价进，止损3600，止盈3200，20倍": {
        **SHORT_ETH, "stop_loss": "3600", "take_profit": "3200", "leverage": "20",
    },
    "大饼6.4万附近做多，止损6.2万，止盈6.6万—6.8万": {
        **LONG, "order_type": "limit", "price": "64000", "stop_loss": "62000",
        **targets("66000", "68000"),
    },
    "以太坊 开空 3400-3450 止损：3500 第一目标：3300 第二目标：3200 杠杆：20倍": {
        **SHORT_ETH, "order_type": "limit", "price": "3400", "entry_low": "3400",
        "entry_high": "3450", "stop_loss": "3500", "leverage": "20", **targets("3300", "3200"),
    },
    "【策略提醒】\n币种：SOL\n方向：做空\n进场点位：150至152\n"
    "止损位：156\n止盈位：145/140\n仓位：5%": {
        "action": "open", "symbol": SOL, "side": "short", "order_type": "limit", "price": "150",
        "entry_low": "150", "entry_high": "152", "stop_loss": "156", **targets("145", "140"),
    },
    "加仓 BTC 多单 63000 止损 62000": {
        "action": "increase", "symbol": BTC, "side": "long", "order_type": "limit",
        "price": "63000", "stop_loss": "62000",
    },
    "反手做空 BTC 64000 止损 65000": {
        "action": "flip", "symbol": BTC, "side": "short", "order_type": "limit", "price": "64000",
        "stop_loss": "65000",
    },
    "#signals #vip LONG #BTC 64000": {**LONG, "order_type": "limit", "price": "64000"},
    "LONG BTC #crypto 64000": {**LONG, "order_type": "limit", "price": "64000"},
    "LONG BTC 64000, do not risk more than 2%": {
        **LONG, "order_type": "limit", "price": "64000",
    },
    "LONG BTC 64000 止损 62000 不要追高": {
        **LONG, "order_type": "limit", "price": "64000", "stop_loss": "62000",
    },
    "LONG BTC 1000x": {**LONG, "leverage": "1000"},
    "平多 BTC": {"action": "close", "symbol": BTC, "side": "long"},
    "BTC 全平": {"action": "close", "symbol": BTC},
    "Close BTC long now": {"action": "close", "symbol": BTC, "side": "long"},
    "平仓50% BTC": {
        "action": "reduce", "symbol": BTC, "size": "0.5", "size_basis": "position_fraction",
    },
    "ETH 空单减仓三分之一": {
        "action": "reduce", "symbol": ETH, "side": "short", "size": "0.3333333333333333",
        "size_basis": "position_fraction",
    },
    "close half BTC long": {
        "action": "reduce", "symbol": BTC, "side": "long", "size": "0.5",
        "size_basis": "position_fraction",
    },
    "BTC long: TP1 66000 hit, close half, SL 64000": {
        "action": "reduce", "symbol": BTC, "side": "long", "size": "0.5",
        "size_basis": "position_fraction",
    },
    "Closed BTC long at 66000, entry was 64000": {
        "action": "close", "symbol": BTC, "side": "long",
    },
    '{"text": "LONG BTC 64000"}': {**LONG, "order_type": "limit", "price": "64000"},
}  # fmt: skip


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_becomes_the_signal_that_it_says(message: str) -> None:
    assert parsed_fields(parse("channel_text", message)) == MESSAGES[message]


PROBLEMS = {
    "LONG 64000 SL 62000": "symbol_missing",
    "做多 64000 止损 62000": "symbol_missing",
    "LONG BTC and ETH": "symbol_several",
    "LONG BTCUSDT, then ETHUSDT": "symbol_several",
    "做多 大饼 以太坊": "symbol_several",
    "LONG NOPEUSDT 5": "symbol_unknown",
    "LONG #NOPE 5": "symbol_unknown",
    "LONG 1000PEPE 0.012 SL 0.011": "symbol_multiplier",
    "LONG BTC and OP": "symbol_several",
    "LONG SATSUSDT 0.0003": "symbol_multiplier",
    "LONG $NOPE entry 5, BTC looks strong": "symbol_several",
    "SHORT #NOPE entry 5 SL 6. BTC weak": "symbol_several",
    "#NOPE SHORT entry 5, BTC weak": "symbol_several",
    "SHORT #NOPE and #BTC 5": "symbol_several",
    "LONG BTC/ETH 0.05": "symbol_several",
    "don't long BTC here": "not_now",
    "Never short BTC": "not_now",
    "do not close BTC yet": "not_now",
    "no long BTC": "not_now",
    "if BTC breaks 65000 go long": "not_now",
    "wait for BTC 60000 to long": "not_now",
    "BUY BTCUSDT @ 64000, exit if 4H closes below 62000": "not_now",
    "LONG BTC 64000-64500 SL 62000 TP1 66000 TP2 68000, close 50% at TP1": "not_now",
    "做多 BTC 入场 64000 止损 62000 止盈 66000，到 66000 减仓一半": "not_now",
    "不要做多 BTC 64000": "not_now",
    "暂不平仓 BTC": "not_now",
    "如果突破 65000 再做多 BTC": "not_now",
    "LONG or SHORT BTC 64000": "direction_conflict",
    "BTC entry 64000 SL 62000 TP 66000": "direction_missing",
    "LONG BTC entry 64000 TP 63000 SL 62000": "wrong_side_of_price",
    "SHORT BTC entry 64000 TP 66000 SL 65000": "wrong_side_of_price",
    "做多 BTC 入场 64000 止盈 63000": "wrong_side_of_price",
    "LONG BTC entry 64000 SL 65000": "wrong_side_of_price",
    "LONG BTC 64000 SL 6200": "prices_far_apart",
    "LONG BTC entry 64000 SL 3%": "target_not_a_price",
    "LONG BTC 64000 TP 5%": "target_not_a_price",
    "LONG BTC 63000 entry 64000": "price_unexplained",
    "LONG BTC 64000 SL 62000 stop 61000": "several_values",
    "BTC move SL to entry": "action_unknown",
    "BTC 止损移动到64000": "action_unknown",
    "cancel BTC long": "action_unknown",
    "减仓 BTC": "missing_field",
    '{"event": 5}': "missing_field",
}


@pytest.mark.parametrize("message", PROBLEMS)
def test_what_is_unclear_is_named_and_never_guessed(message: str) -> None:
    with pytest.raises(ParseProblem) as problem:
        parse("channel_text", message)
    assert problem.value.code == PROBLEMS[message]
    assert not isinstance(problem.value, Ignored)


@pytest.mark.parametrize(
    "message",
    [
        "Good morning everyone!",
        "BTC TP1 hit ✅ +20%",
        "BTC 第一目标已到 恭喜",
        "BTC daily close above 65000 would be bullish",
        "ETH looks strong at 3400",
        "BTC closed above 65000 on the daily",
        "BTC closing in on 65000!",
        "Exit liquidity on BTC",
        "SHORT squeeze on BTC",
        "Longs liquidated on BTC at 64000",
        "BTC sell wall at 66000",
        "BTC 空头爆仓 64000",
        "大家早上好",
    ],
)
def test_chat_and_reports_are_ignored(message: str) -> None:
    with pytest.raises(Ignored) as ignored:
        parse("channel_text", message)
    assert ignored.value.code == "chat"


def test_an_entry_can_be_made_at_the_market() -> None:
    (signal,) = parse("channel_text", "LONG BTC 64000", {"entry_order": "market"}).signals
    assert (signal.order_type, signal.price) == ("market", 64000)


def test_a_share_of_the_account_counts_only_when_it_is_wanted() -> None:
    message = "做多 BTC 64000 仓位5%"
    assert parse("channel_text", message).signals[0].size is None
    (signal,) = parse("channel_text", message, {"use_size": True}).signals
    assert (str(signal.size), signal.size_basis) == ("0.05", "equity_fraction")


def test_selling_spot_is_no_short() -> None:
    with pytest.raises(ParseProblem) as problem:
        parse("channel_text", "SELL BTC 64000", {"market": "spot"})
    assert problem.value.code == "direction_unclear"


def test_an_edited_telegram_post_is_the_same_message() -> None:
    post = {"message_id": 17, "date": 1896091195, "chat": {"id": -100}, "text": "LONG BTC 64000"}
    sent = parse("channel_text", json.dumps({"update_id": 1, "channel_post": post}))
    post["text"] = "LONG BTC 65000"
    edited = parse("channel_text", json.dumps({"update_id": 2, "edited_channel_post": post}))
    assert sent.alert_id == edited.alert_id == "-100/17"
    assert sent.signals[0].emitted_at.isoformat() == "2030-01-31T11:59:55+00:00"

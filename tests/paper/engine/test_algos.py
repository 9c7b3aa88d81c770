"""Take profit, stop loss, oco, trigger and trailing orders."""

import pytest

SWAP = "BTC-USDT-SWAP"


def place_algo(desk, **more):
    params = {"instId": more.pop("instId", SWAP), "tdMode": "cross", "sz": "10"} | more
    row = desk.exchange.place_algo(desk.acc, params)
    assert row["sCode"] == "0", row
    return row["algoId"]


def algo(desk, algo_id):
    return desk.exchange.get_algo(desk.acc, {"algoId": algo_id})[0]


def pending(desk):
    kinds = "conditional,oco,trigger,move_order_stop"
    return desk.exchange.algos_pending(desk.acc, {"ordType": kinds})


def price(desk, px, inst_id=SWAP):
    desk.exchange.set_price(inst_id, str(px))


def test_a_stop_loss_closes_a_long_when_the_price_falls_to_it(desk):
    desk.placed(SWAP, "buy", "10")
    algo_id = place_algo(
        desk, side="sell", ordType="conditional", slTriggerPx="58000", slOrdPx="-1",
        reduceOnly=True,
    )  # fmt: skip
    price(desk, 58000.1)
    assert algo(desk, algo_id)["state"] == "live"
    price(desk, 58000)
    row = algo(desk, algo_id)
    assert (row["state"], row["actualSide"]) == ("effective", "sl")
    assert desk.position(SWAP)["pos"] == "0"
    order = desk.order(SWAP, row["ordIdList"][0])
    assert (order["algoId"], order["avgPx"], order["reduceOnly"]) == (algo_id, "57999.4", "true")


def test_a_take_profit_of_a_short_triggers_below_and_can_rest_as_a_limit(desk):
    desk.placed(SWAP, "sell", "10")
    algo_id = place_algo(
        desk, side="buy", ordType="conditional", tpTriggerPx="59000", tpOrdPx="58500",
        reduceOnly=True,
    )  # fmt: skip
    price(desk, 59000)
    row = algo(desk, algo_id)
    assert (row["state"], row["actualSide"]) == ("effective", "tp")
    assert desk.pending()[0]["px"] == "58500"


def test_one_side_of_an_oco_ends_the_other(desk):
    desk.placed(SWAP, "buy", "10")
    algo_id = place_algo(
        desk, side="sell", ordType="oco", tpTriggerPx="61000", tpOrdPx="-1",
        slTriggerPx="59000", slOrdPx="-1",
    )  # fmt: skip
    price(desk, 61000)
    assert algo(desk, algo_id)["actualSide"] == "tp"
    price(desk, 58000)
    assert desk.position(SWAP)["pos"] == "0"
    assert pending(desk) == []


@pytest.mark.parametrize(("trigger", "away", "hit"), [("61000", 59000, 61000),
                                                      ("59000", 61000, 59000)])  # fmt: skip
def test_a_trigger_order_waits_on_the_side_where_its_price_lies(desk, trigger, away, hit):
    algo_id = place_algo(desk, side="buy", ordType="trigger", triggerPx=trigger, orderPx="-1")
    price(desk, away)
    assert algo(desk, algo_id)["state"] == "live"
    price(desk, hit)
    assert algo(desk, algo_id)["state"] == "effective"
    assert desk.position(SWAP)["pos"] == "10"


def test_a_trailing_stop_follows_the_best_price(desk):
    desk.placed(SWAP, "buy", "10")
    algo_id = place_algo(
        desk, side="sell", ordType="move_order_stop", callbackRatio="0.01", reduceOnly=True
    )
    price(desk, 62000)
    assert algo(desk, algo_id)["moveTriggerPx"] == "61380"
    price(desk, 61500)
    assert algo(desk, algo_id)["state"] == "live"
    price(desk, 61380)
    assert algo(desk, algo_id)["state"] == "effective"
    assert desk.position(SWAP)["pos"] == "0"


def test_a_trailing_stop_waits_for_its_activation_and_may_trail_by_a_spread(desk):
    desk.placed(SWAP, "sell", "10")
    algo_id = place_algo(
        desk, side="buy", ordType="move_order_stop", callbackSpread="100", activePx="59000"
    )
    price(desk, 60500)
    assert algo(desk, algo_id)["state"] == "live"
    price(desk, 59000)
    price(desk, 58800)
    assert algo(desk, algo_id)["moveTriggerPx"] == "58900"
    price(desk, 58900)
    assert algo(desk, algo_id)["state"] == "effective"


def test_attached_tp_sl_start_when_the_order_is_filled(desk):
    attach = [{"attachAlgoClOrdId": "tpsl1", "slTriggerPx": "58000", "slOrdPx": "-1",
               "tpTriggerPx": "62000", "tpOrdPx": "-1"}]  # fmt: skip
    order = desk.placed(SWAP, "buy", "10", "59500", attachAlgoOrds=attach)
    assert order["attachAlgoOrds"][0]["slTriggerPx"] == "58000"
    assert pending(desk) == []
    price(desk, 59400)
    row = pending(desk)[0]
    assert (row["ordType"], row["side"], row["sz"], row["algoClOrdId"]) == (
        "oco", "sell", "10", "tpsl1",
    )  # fmt: skip
    price(desk, 57900)
    assert desk.position(SWAP)["pos"] == "0"


def test_attached_tp_sl_of_a_partly_filled_and_canceled_order_cover_what_was_filled(
    make_desk, exchange
):
    desk = make_desk(balances={"USDT": "10000000"})
    px, size = exchange.books({"instId": SWAP, "sz": "1"})[0]["asks"][0][:2]
    attach = [{"slTriggerPx": "58000", "slOrdPx": "-1"}]
    desk.placed(SWAP, "buy", str(float(size) + 5), px, ordType="ioc", attachAlgoOrds=attach)
    assert pending(desk)[0]["sz"] == size


def test_attached_stop_of_a_spot_buy_sells_what_is_left_after_the_fee(desk):
    attach = [{"slTriggerPx": "2900", "slOrdPx": "-1"}]
    desk.placed("ETH-USDT", "buy", "1", attachAlgoOrds=attach)
    assert pending(desk)[0]["sz"] == "0.999"
    price(desk, 2890, "ETH-USDT")
    assert desk.cash("ETH") == 0


def test_closing_the_position_cancels_its_tp_sl(desk):
    attach = [{"slTriggerPx": "58000", "slOrdPx": "-1"}]
    desk.placed(SWAP, "buy", "10", attachAlgoOrds=attach)
    algo_id = pending(desk)[0]["algoId"]
    desk.exchange.close_position(desk.acc, {"instId": SWAP, "mgnMode": "cross"})
    assert algo(desk, algo_id)["state"] == "canceled"
    history = desk.exchange.algos_history(desk.acc, {"ordType": "conditional", "state": "canceled"})
    assert [r["algoId"] for r in history] == [algo_id]


def test_a_whole_position_stop_takes_the_size_at_the_trigger(desk):
    desk.placed(SWAP, "buy", "10")
    algo_id = place_algo(
        desk, side="sell", ordType="conditional", slTriggerPx="58000", slOrdPx="-1",
        closeFraction="1", reduceOnly=True, sz="",
    )  # fmt: skip
    desk.placed(SWAP, "buy", "7")
    price(desk, 57000)
    assert desk.position(SWAP)["pos"] == "0"
    assert algo(desk, algo_id)["actualSz"] == "17"


def test_a_triggered_order_that_is_refused_ends_as_failed(make_desk):
    desk = make_desk(balances={"USDT": "100"})
    algo_id = place_algo(
        desk, side="buy", ordType="trigger", triggerPx="61000", orderPx="-1", sz="100"
    )
    price(desk, 61000)
    row = algo(desk, algo_id)
    assert (row["state"], row["failCode"]) == ("order_failed", "51008")


def test_algos_are_canceled_and_amended(desk):
    desk.placed(SWAP, "buy", "10")
    algo_id = place_algo(
        desk, side="sell", ordType="conditional", slTriggerPx="58000", slOrdPx="-1",
        algoClOrdId="mine",
    )  # fmt: skip
    row = desk.exchange.amend_algo(
        desk.acc, {"instId": SWAP, "algoClOrdId": "mine", "newSlTriggerPx": "59000", "newSz": "5"}
    )
    assert row["sCode"] == "0"
    row = algo(desk, algo_id)
    assert (row["slTriggerPx"], row["sz"]) == ("59000", "5")
    key = {"instId": SWAP, "algoId": algo_id}
    assert desk.exchange.cancel_algo(desk.acc, key)["sCode"] == "0"
    assert desk.exchange.cancel_algo(desk.acc, key)["sCode"] == "51400"
    price(desk, 50000)
    assert desk.position(SWAP)["pos"] == "10"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"slTriggerPx": "61000"}, "51278"),
        ({"slTriggerPx": "", "tpTriggerPx": "59000", "tpOrdPx": "-1"}, "51277"),
        ({"side": "buy", "slTriggerPx": "59000"}, "51280"),
        ({"slTriggerPx": "58000.05"}, "51000"),
        ({"slTriggerPx": ""}, "51000"),
        ({"ordType": "oco"}, "51000"),
        ({"ordType": "iceberg"}, "51000"),
        ({"ordType": "move_order_stop"}, "51000"),
        ({"ordType": "move_order_stop", "callbackRatio": "2"}, "51000"),
        ({"ordType": "trigger", "triggerPx": "59000"}, "51000"),
        ({"sz": "0"}, "51000"),
        ({"closeFraction": "0.5"}, "51000"),
        ({"algoClOrdId": "no-hyphen"}, "51000"),
        ({"instId": "X-USDT-SWAP"}, "51001"),
    ],
)
def test_bad_algos_are_refused(desk, change, code):
    good = {"instId": SWAP, "tdMode": "cross", "side": "sell", "ordType": "conditional",
            "sz": "1", "slTriggerPx": "58000", "slOrdPx": "-1"}  # fmt: skip
    row = desk.exchange.place_algo(desk.acc, good | change)
    assert (row["sCode"], row["algoId"]) == (code, "")


@pytest.mark.parametrize(
    ("side", "attach", "code"),
    [
        ("buy", {"tpTriggerPx": "59000"}, "51046"),
        ("buy", {"slTriggerPx": "61000"}, "51047"),
        ("sell", {"tpTriggerPx": "61000"}, "51048"),
        ("sell", {"slTriggerPx": "59000"}, "51049"),
    ],
)
def test_attached_prices_on_the_wrong_side_refuse_the_order(desk, side, attach, code):
    row = desk.place(SWAP, side, "1", attachAlgoOrds=[attach])
    assert row["sCode"] == code


def test_a_limit_take_profit_has_no_trigger_price_of_its_own(desk):
    attach = [{"tpOrdKind": "limit", "tpOrdPx": "61000"}]
    desk.placed(SWAP, "buy", "10", attachAlgoOrds=attach)
    price(desk, 60999)
    assert desk.position(SWAP)["pos"] == "10"
    price(desk, 61001)
    assert desk.position(SWAP)["pos"] == "0"
    assert desk.exchange.fills(desk.acc, {})[0]["fillPx"] >= "61000"


def test_only_what_hangs_on_the_position_goes_with_it(desk):
    desk.placed(SWAP, "buy", "10")
    stop = {"side": "sell", "ordType": "conditional", "slTriggerPx": "58000", "slOrdPx": "-1"}
    hangs = place_algo(desk, **stop, reduceOnly=True, cxlOnClosePos=True)
    stays = place_algo(desk, **stop, reduceOnly=True)
    refused = desk.exchange.place_algo(
        desk.acc, {"instId": SWAP, "tdMode": "cross", "sz": "1", **stop, "cxlOnClosePos": True}
    )
    assert refused["sCode"] == "51000"
    desk.exchange.close_position(desk.acc, {"instId": SWAP, "mgnMode": "cross"})
    assert [algo(desk, each)["state"] for each in (hangs, stays)] == ["canceled", "live"]

"""How each order type behaves, and what refuses an order."""

from decimal import Decimal as D

import pytest

from venues.paper.engine.exchange import OkxError

SWAP = "BTC-USDT-SWAP"


def test_a_post_only_order_that_would_take_is_accepted_and_then_canceled(desk):
    order = desk.placed(SWAP, "buy", "1", "60001", ordType="post_only")
    assert (order["state"], order["cancelSource"], order["accFillSz"]) == ("canceled", "31", "0")
    order = desk.placed(SWAP, "buy", "1", "60000.5", ordType="post_only")
    assert order["state"] == "live"


def test_a_fok_order_fills_wholly_or_not_at_all(make_desk, exchange):
    desk = make_desk(balances={"USDT": "10000000"})
    px, size = exchange.books({"instId": SWAP, "sz": "1"})[0]["asks"][0][:2]
    order = desk.placed(SWAP, "buy", str(D(size) + 1), px, ordType="fok")
    assert (order["state"], order["cancelSource"], order["accFillSz"]) == ("canceled", "13", "0")
    order = desk.placed(SWAP, "buy", size, px, ordType="fok")
    assert (order["state"], order["accFillSz"]) == ("filled", size)


@pytest.mark.parametrize("kind", ["ioc", "optimal_limit_ioc"])
def test_an_ioc_order_takes_what_is_there_and_cancels_the_rest(make_desk, exchange, kind):
    desk = make_desk(balances={"USDT": "100000000"})
    asks = exchange.books({"instId": SWAP, "sz": "400"})[0]["asks"]
    if kind == "ioc":
        more = {"px": asks[0][0]}
        there = D(asks[0][1])
    else:
        more = {"px": None}
        there = sum(D(a[1]) for a in asks)
    size = str(min(there + 1, D(34000)))
    order = desk.placed(SWAP, "buy", size, ordType=kind, **more)
    if there > 34000:
        assert order["state"] == "filled"
        return
    assert (order["state"], order["cancelSource"]) == ("canceled", "14")
    assert D(order["accFillSz"]) == there


def test_a_limit_order_rests_with_what_it_could_not_take(make_desk, exchange):
    desk = make_desk(balances={"USDT": "10000000"})
    px, size = exchange.books({"instId": SWAP, "sz": "1"})[0]["asks"][0][:2]
    order = desk.placed(SWAP, "buy", str(D(size) + 5), px)
    assert (order["state"], order["accFillSz"]) == ("partially_filled", size)
    bids = exchange.books({"instId": SWAP, "sz": "1"})[0]["bids"]
    assert bids[0][:2] == [px, "5"]  # it is the best bid now


def test_two_accounts_trade_with_each_other_inside_the_spread(make_desk):
    maker, taker = make_desk(), make_desk()
    resting = maker.placed(SWAP, "sell", "7", "60000.1")
    order = taker.placed(SWAP, "buy", "7")
    assert order["avgPx"] == "60000.1"
    done = maker.order(SWAP, resting["ordId"])
    assert (done["state"], done["fee"]) == ("filled", "-0.8400014")  # 4200.007 * 0.02 %
    fills = [d.exchange.fills(d.acc, {})[0] for d in (maker, taker)]
    assert fills[0]["tradeId"] == fills[1]["tradeId"]
    assert [f["execType"] for f in fills] == ["M", "T"]


def test_older_orders_at_one_price_fill_first_and_an_enlarged_one_queues_again(make_desk):
    first, second, taker = make_desk(), make_desk(), make_desk()
    one = first.placed(SWAP, "sell", "1", "60000.1")
    two = second.placed(SWAP, "sell", "1", "60000.1")
    first.exchange.amend_order(first.acc, {"instId": SWAP, "ordId": one["ordId"], "newSz": "2"})
    taker.placed(SWAP, "buy", "1")
    assert second.order(SWAP, two["ordId"])["state"] == "filled"
    assert first.order(SWAP, one["ordId"])["state"] == "live"


@pytest.mark.parametrize(
    ("mode", "maker_ends", "taker_ends"),
    [("", True, False), ("cancel_taker", False, True), ("cancel_both", True, True)],
)
def test_self_trades_are_prevented(make_desk, mode, maker_ends, taker_ends):
    one = make_desk(uid="900")
    two = make_desk(mainUid="900")  # a sub-account of the first
    resting = one.placed(SWAP, "sell", "1", "60000.1")
    order = two.placed(SWAP, "buy", "1", stpMode=mode)
    maker = one.order(SWAP, resting["ordId"])
    assert (maker["cancelSource"] == "32") is maker_ends
    assert (order["cancelSource"] == "32") is taker_ends
    assert order["avgPx"] == ("" if taker_ends else "60000.6")


def test_amending_moves_price_and_size_and_may_take(desk):
    order = desk.placed(SWAP, "buy", "10", "59000")
    key = {"instId": SWAP, "ordId": order["ordId"]}
    row = desk.exchange.amend_order(desk.acc, key | {"newSz": "4", "newPx": "59500", "reqId": "r"})
    assert (row["sCode"], row["reqId"]) == ("0", "r")
    order = desk.order(SWAP, order["ordId"])
    assert (order["sz"], order["px"], order["state"]) == ("4", "59500", "live")
    desk.exchange.amend_order(desk.acc, key | {"newPx": "60000.6"})
    assert desk.order(SWAP, order["ordId"])["state"] == "filled"
    assert desk.exchange.amend_order(desk.acc, key | {"newSz": "9"})["sCode"] == "51503"


def test_a_size_at_or_below_what_is_filled_completes_the_order(make_desk, exchange):
    desk = make_desk(balances={"USDT": "10000000"})
    px, size = exchange.books({"instId": SWAP, "sz": "1"})[0]["asks"][0][:2]
    order = desk.placed(SWAP, "buy", str(D(size) + 5), px)
    key = {"instId": SWAP, "ordId": order["ordId"]}
    desk.exchange.amend_order(desk.acc, key | {"newSz": size})
    assert desk.order(SWAP, order["ordId"])["state"] == "filled"
    assert desk.pending() == []


def test_an_amendment_that_cannot_be_paid_changes_nothing_unless_it_shall_cancel(make_desk):
    desk = make_desk(balances={"USDT": "1000"})
    order = desk.placed("BTC-USDT", "buy", "0.01", "59000")
    key = {"instId": "BTC-USDT", "ordId": order["ordId"]}
    assert desk.exchange.amend_order(desk.acc, key | {"newSz": "1"})["sCode"] == "51008"
    assert desk.order("BTC-USDT", order["ordId"])["sz"] == "0.01"
    assert desk.detail()["ordFrozen"] == "590"
    desk.exchange.amend_order(desk.acc, key | {"newSz": "1", "cxlOnFail": True})
    assert desk.order("BTC-USDT", order["ordId"])["state"] == "canceled"
    assert desk.detail()["ordFrozen"] == "0"


def test_canceling_frees_the_money_and_a_second_cancel_is_refused(desk):
    order = desk.placed("BTC-USDT", "buy", "0.1", "59000")
    assert desk.detail()["ordFrozen"] == "5900"
    key = {"instId": "BTC-USDT", "ordId": order["ordId"]}
    assert desk.exchange.cancel_order(desk.acc, key)["sCode"] == "0"
    assert desk.detail()["ordFrozen"] == "0"
    assert desk.exchange.cancel_order(desk.acc, key)["sCode"] == "51400"
    assert desk.order("BTC-USDT", order["ordId"])["cancelSource"] == "1"


def test_spot_market_orders_shrink_to_the_balance_unless_that_is_banned(make_desk):
    desk = make_desk(balances={"USDT": "300", "ETH": "0.5"})
    row = desk.place("ETH-USDT", "buy", "1", banAmend=True)
    assert row["sCode"] == "51008"
    order = desk.placed("ETH-USDT", "buy", "1")
    assert (order["state"], order["sz"]) == ("filled", order["accFillSz"])
    assert D("0") <= desk.cash() < D("0.01")
    order = desk.placed("ETH-USDT", "sell", "10")
    assert D(order["accFillSz"]) == D("0.599899").quantize(D("0.000001"))
    assert desk.place("ETH-USDT", "buy", "1", "2000")["sCode"] in ("0", "51008")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"instId": "BTC-USDC-SWAP"}, "51001"),
        ({"side": "long"}, "51000"),
        ({"ordType": "limit"}, "51000"),  # no price
        ({"ordType": "twap"}, "51000"),
        ({"tdMode": "cash"}, "51000"),
        ({"tdMode": ""}, "51000"),
        ({"sz": ""}, "51000"),
        ({"sz": "-1"}, "51000"),
        ({"sz": "NaN"}, "51000"),
        ({"sz": "1e400"}, "51000"),
        ({"sz": "0.001"}, "51020"),
        ({"sz": "1.001"}, "51121"),
        ({"sz": "35000.01"}, "51202"),
        ({"posSide": "long"}, "51000"),
        ({"clOrdId": "with-hyphen"}, "51000"),
        ({"clOrdId": "a" * 33}, "51000"),
        ({"ordType": "limit", "px": "60000.05"}, "51000"),
        ({"ordType": "limit", "px": "63000.1"}, "51137"),
        ({"ordType": "limit", "px": "56999.9", "side": "sell"}, "51138"),
        ({"reduceOnly": True}, "51169"),
        ({"sz": "34000"}, "51008"),
    ],
)
def test_bad_orders_are_refused_with_the_venues_code(desk, change, code):
    good = {"instId": SWAP, "side": "buy", "ordType": "market", "sz": "1", "tdMode": "cross"}
    row = desk.exchange.place_order(desk.acc, good | change)
    assert (row["sCode"], row["ordId"]) == (code, "")
    assert row["sMsg"]
    assert desk.exchange.ledger()["orders"] == []


def test_a_price_outside_the_band_has_its_own_code_on_spot(desk):
    assert desk.place("BTC-USDT", "buy", "0.1", "63000.1")["sCode"] == "51006"
    limits = desk.exchange.price_limit({"instId": "BTC-USDT"})[0]
    assert (limits["buyLmt"], limits["sellLmt"]) == ("63000", "57000")


def test_no_more_than_five_hundred_orders_rest_in_one_instrument(make_desk):
    desk = make_desk(balances={"USDT": "100000000"})
    for _ in range(500):
        assert desk.place(SWAP, "buy", "0.01", "50000")["sCode"] == "0"
    assert desk.place(SWAP, "buy", "0.01", "50000")["sCode"] == "51174"
    assert desk.place("ETH-USDT-SWAP", "buy", "0.01", "2000")["sCode"] == "0"
    desk.exchange.mass_cancel(desk.acc, {})
    assert desk.place(SWAP, "buy", "0.01", "50000")["sCode"] == "0"


def test_swaps_need_an_account_mode_that_has_them(make_desk):
    assert make_desk(acctLv="1").place(SWAP, "buy", "1")["sCode"] == "51010"


def test_a_suspended_instrument_takes_no_orders(desk):
    desk.exchange.set_instrument_state(SWAP, "suspend")
    assert desk.place(SWAP, "buy", "1")["sCode"] == "51022"
    rows = desk.exchange.instruments({"instType": "SWAP", "instId": SWAP})
    assert rows[0]["state"] == "suspend"


def test_a_delisted_instrument_is_on_no_list_and_its_history_stays(desk):
    resting = desk.placed(SWAP, "buy", "1", "50000", clOrdId="resting")
    desk.placed(SWAP, "buy", "1", clOrdId="filled")
    code = desk.exchange.instruments({"instType": "SWAP", "instId": SWAP})[0]["instIdCode"]
    desk.exchange.set_instrument_state(SWAP, "delisted")

    listed = desk.exchange.instruments({"instType": "SWAP"})
    assert SWAP not in {row["instId"] for row in listed}
    assert SWAP not in {row["instId"] for row in desk.exchange.tickers({"instType": "SWAP"})}
    assert desk.place(SWAP, "buy", "1")["sCode"] == "51001"
    by_code = {"instIdCode": code, "side": "buy", "ordType": "market", "sz": "1"}
    assert desk.exchange.place_order(desk.acc, {**by_code, "tdMode": "cross"})["sCode"] == "51001"
    for ask in (
        lambda: desk.order(SWAP, resting["ordId"]),
        lambda: desk.exchange.ticker({"instId": SWAP}),
        lambda: desk.exchange.instruments({"instType": "SWAP", "instId": SWAP}),
        lambda: desk.exchange.orders_history(desk.acc, {"instType": "SWAP", "instId": SWAP}),
        lambda: desk.exchange.fills(desk.acc, {"instId": SWAP}),
    ):
        with pytest.raises(OkxError) as refusal:
            ask()
        assert refusal.value.code == "51001"
    history = desk.exchange.orders_history(desk.acc, {"instType": "SWAP"})
    assert {row["clOrdId"]: row["state"] for row in history} == {
        "resting": "canceled", "filled": "filled",
    }  # fmt: skip
    assert len(desk.exchange.fills(desk.acc, {})) == 1
    assert [row["instId"] for row in desk.exchange.positions(desk.acc, {})] == [SWAP]

    desk.exchange.set_instrument_state(SWAP, "live")
    assert desk.place(SWAP, "sell", "1")["sCode"] == "0"


def test_the_instrument_code_works_in_place_of_its_name(desk):
    code = desk.exchange.instruments({"instType": "SWAP", "instId": SWAP})[0]["instIdCode"]
    row = desk.exchange.place_order(
        desk.acc,
        {"instIdCode": code, "side": "buy", "ordType": "market", "sz": "1", "tdMode": "cross"},
    )
    assert row["sCode"] == "0"
    assert desk.position(SWAP)["pos"] == "1"

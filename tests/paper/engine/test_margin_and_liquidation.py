"""Margin, liquidation prices and liquidation, against the formulas worked out by hand."""

from decimal import Decimal as D

import pytest

from venues.paper.engine.exchange import OkxError


def lever(desk, inst_id, value, mode="isolated"):
    desk.exchange.set_leverage(desk.acc, {"instId": inst_id, "lever": str(value), "mgnMode": mode})


def test_cross_initial_margin_uses_the_mark_price(desk):
    lever(desk, "BTC-USDT-SWAP", 10, "cross")
    desk.placed("BTC-USDT-SWAP", "buy", "100")  # 1 BTC
    row = desk.position("BTC-USDT-SWAP")
    assert (row["imr"], row["lever"], row["notionalUsd"]) == ("6000", "10", "60000")
    detail = desk.detail()
    assert D(detail["availEq"]) == D(detail["eq"]) - 6000


def test_isolated_margin_leaves_the_cash_and_comes_back(desk):
    lever(desk, "BTC-USDT-SWAP", 10)
    desk.placed("BTC-USDT-SWAP", "buy", "100", tdMode="isolated")
    row = desk.position("BTC-USDT-SWAP")
    assert row["margin"] == "6000.06"  # 60000.6 / 10
    assert desk.cash() == D("100000") - D("6000.06") - D("30.0003")
    desk.placed("BTC-USDT-SWAP", "sell", "50", tdMode="isolated")
    assert desk.position("BTC-USDT-SWAP")["margin"] == "3000.03"
    desk.placed("BTC-USDT-SWAP", "sell", "50", tdMode="isolated")
    assert desk.position("BTC-USDT-SWAP")["pos"] == "0"
    # Lost: two fees and the spread of 1.2 on one coin.
    assert desk.cash() == D("100000") - D("30.0003") - D("29.9997") - D("1.2")


def test_isolated_liquidation_price_of_a_long(desk):
    lever(desk, "BTC-USDT-SWAP", 10)
    desk.placed("BTC-USDT-SWAP", "buy", "100", tdMode="isolated")
    row = desk.position("BTC-USDT-SWAP")
    # (avg*q - margin) / (q * (1 - mmr - taker)), one coin, 0.4 % + 0.05 %.
    expected = (D("60000.6") - D("6000.06")) / (1 - D("0.0045"))
    assert abs(D(row["liqPx"]) - expected) < D("1E-9")


def test_isolated_liquidation_price_of_a_short(desk):
    lever(desk, "BTC-USDT-SWAP", 10)
    desk.placed("BTC-USDT-SWAP", "sell", "100", tdMode="isolated")
    expected = (D("59999.4") + D("5999.94")) / (1 + D("0.0045"))
    assert abs(D(desk.position("BTC-USDT-SWAP")["liqPx"]) - expected) < D("1E-9")


@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize("mode", ["isolated", "cross"])
@pytest.mark.parametrize("inst_id", ["BTC-USDT-SWAP", "BTC-USD-SWAP"])
def test_a_position_dies_at_its_liquidation_price_and_not_before(make_desk, side, mode, inst_id):
    desk = make_desk(balances={"USDT": "7000", "BTC": "0.12"})
    lever(desk, inst_id, 10, mode)
    desk.placed(inst_id, side, "100" if "USDT" in inst_id else "600", tdMode=mode)
    liq = D(desk.position(inst_id)["liqPx"])
    away = D("0.2") if side == "buy" else D("-0.2")
    desk.exchange.set_price(inst_id, str((liq + away).quantize(D("0.1"))))
    assert desk.position(inst_id)["pos"] != "0"
    assert D(desk.position(inst_id)["mgnRatio"]) < D("1.01")
    desk.exchange.set_price(inst_id, str((liq - away).quantize(D("0.1"))))
    assert desk.position(inst_id)["pos"] == "0"
    order = desk.exchange.orders_history(desk.acc, {"instType": "SWAP"})[0]
    assert order["category"] == "full_liquidation"
    ccy = "USDT" if "USDT" in inst_id else "BTC"
    bills = desk.exchange.bills(desk.acc, {"type": "5"})
    assert {b["ccy"] for b in bills} == {ccy}
    if mode == "cross":
        assert desk.cash(ccy) == 0
    else:
        # Only the isolated margin is gone.
        start = D("7000") if ccy == "USDT" else D("0.12")
        fee = D(desk.exchange.fills(desk.acc, {})[1]["fee"])
        margin = start + fee - desk.cash(ccy)
        assert abs(margin / start - (D("0.857") if ccy == "USDT" else D("0.833"))) < D("0.001")


def test_liquidation_cancels_the_orders_that_hold_margin_first(make_desk):
    desk = make_desk(balances={"USDT": "7000"})
    lever(desk, "BTC-USDT-SWAP", 10, "cross")
    desk.placed("BTC-USDT-SWAP", "buy", "100")
    resting = desk.placed("BTC-USDT-SWAP", "buy", "1", "20000")
    desk.exchange.set_price("BTC-USDT-SWAP", "53000")
    assert desk.position("BTC-USDT-SWAP")["pos"] == "0"
    row = desk.order("BTC-USDT-SWAP", resting["ordId"])
    assert (row["state"], row["cancelSource"]) == ("canceled", "3")


def test_a_large_position_is_first_reduced_by_two_tiers(make_desk):
    desk = make_desk(balances={"USDT": "2000000"})
    lever(desk, "BTC-USDT-SWAP", 20)
    tiers = desk.exchange.position_tiers(
        {"instType": "SWAP", "tdMode": "isolated", "instFamily": "BTC-USDT"}
    )
    third = D(tiers[2]["maxSz"])
    # Several orders: liquidity comes back with each tick.
    while D(desk.position("BTC-USDT-SWAP")["pos"] if desk.acc.open else "0") < third - 3000:
        desk.placed("BTC-USDT-SWAP", "buy", "3000", tdMode="isolated")
        desk.exchange.tick()
    liq = D(desk.position("BTC-USDT-SWAP")["liqPx"])
    desk.exchange.set_price("BTC-USDT-SWAP", str((liq - 1).quantize(D("0.1"))))
    orders = desk.exchange.orders_history(desk.acc, {"instType": "SWAP"})
    assert "partial_liquidation" in {o["category"] for o in orders}
    assert D(desk.position("BTC-USDT-SWAP")["pos"]) <= D(tiers[0]["maxSz"])


def test_orders_beyond_the_margin_are_refused(make_desk):
    desk = make_desk(balances={"USDT": "1000"})
    lever(desk, "BTC-USDT-SWAP", 10, "cross")
    # 10000 USDT of notional would need 1000 and fees.
    row = desk.place("BTC-USDT-SWAP", "buy", "16.66", "60000")
    assert (row["sCode"], row["ordId"]) == ("51008", "")
    assert desk.place("BTC-USDT-SWAP", "buy", "16.5", "60000")["sCode"] == "0"
    # The first order holds nearly all of it now.
    assert desk.place("BTC-USDT-SWAP", "buy", "1", "60000")["sCode"] == "51008"
    assert D(desk.detail()["ordFrozen"]) == D("990") + D("4.95")


def test_market_orders_need_five_percent_more(make_desk):
    desk = make_desk(balances={"USDT": "1000"})
    lever(desk, "BTC-USDT-SWAP", 10, "cross")
    assert desk.place("BTC-USDT-SWAP", "buy", "16")["sCode"] == "51008"
    assert desk.place("BTC-USDT-SWAP", "buy", "15")["sCode"] == "0"


def test_margin_can_be_added_and_taken_from_an_isolated_position(desk):
    lever(desk, "BTC-USDT-SWAP", 10)
    desk.placed("BTC-USDT-SWAP", "buy", "100", tdMode="isolated")
    params = {"instId": "BTC-USDT-SWAP", "posSide": "net", "type": "add", "amt": "500"}
    desk.exchange.position_margin(desk.acc, params)
    row = desk.position("BTC-USDT-SWAP")
    assert row["margin"] == "6500.06"
    bill = desk.exchange.bills(desk.acc, {"type": "6"})[0]
    assert (bill["subType"], bill["balChg"], bill["posBalChg"]) == ("160", "-500", "500")
    with pytest.raises(OkxError) as refused:
        desk.exchange.position_margin(desk.acc, params | {"type": "reduce", "amt": "600"})
    assert refused.value.code == "59301"
    desk.exchange.position_margin(desk.acc, params | {"type": "reduce", "amt": "400"})
    assert desk.position("BTC-USDT-SWAP")["margin"] == "6100.06"


def test_leverage_beyond_the_instrument_is_refused(desk):
    with pytest.raises(OkxError) as refused:
        lever(desk, "DOGE-USDT-SWAP", 76)
    assert refused.value.code == "59102"


def test_lower_leverage_moves_isolated_margin_in(desk):
    lever(desk, "BTC-USDT-SWAP", 10)
    desk.placed("BTC-USDT-SWAP", "buy", "100", tdMode="isolated")
    cash = desk.cash()
    lever(desk, "BTC-USDT-SWAP", 5)
    assert desk.position("BTC-USDT-SWAP")["margin"] == "12000.12"
    assert desk.cash() == cash - D("6000.06")


def test_funding_is_paid_by_longs_on_the_mark_notional(desk, clock, make_desk):
    short = make_desk()
    desk.placed("BTC-USDT-SWAP", "buy", "100")
    short.placed("BTC-USDT-SWAP", "sell", "100", tdMode="isolated")
    before, short_margin = desk.cash(), D(short.position("BTC-USDT-SWAP")["margin"])
    desk.exchange.set_funding_rate("BTC-USDT-SWAP", "0.0001")
    due = int(desk.exchange.funding_rate({"instId": "BTC-USDT-SWAP"})[0]["fundingTime"])
    clock.ms = due - 1
    desk.exchange.tick()
    assert desk.cash() == before
    clock.ms = due
    desk.exchange.tick()
    assert desk.cash() == before - 6  # 60000 * 0.0001
    bill = desk.exchange.bills(desk.acc, {"type": "8"})[0]
    assert (bill["subType"], bill["balChg"]) == ("173", "-6")
    assert desk.position("BTC-USDT-SWAP")["fundingFee"] == "-6"
    assert D(short.position("BTC-USDT-SWAP")["margin"]) == short_margin + 6
    row = desk.exchange.funding_rate({"instId": "BTC-USDT-SWAP"})[0]
    assert int(row["fundingTime"]) == due + 8 * 3_600_000
    assert int(row["nextFundingTime"]) - int(row["fundingTime"]) == 8 * 3_600_000
    history = desk.exchange.funding_rate_history({"instId": "BTC-USDT-SWAP"})
    assert [(r["fundingTime"], r["fundingRate"]) for r in history] == [(str(due), "0.0001")]


def test_high_leverage_allows_only_a_small_position(make_desk):
    desk = make_desk(balances={"USDT": "10000000"})
    tiers = desk.exchange.position_tiers(
        {"instType": "SWAP", "tdMode": "cross", "instFamily": "BTC-USDT"}
    )
    most = max(D(t["maxSz"]) for t in tiers if D(t["maxLever"]) >= 100)
    lever(desk, "BTC-USDT-SWAP", 100, "cross")
    assert desk.place("BTC-USDT-SWAP", "buy", str(most + 1), "59000")["sCode"] == "51004"
    assert desk.place("BTC-USDT-SWAP", "buy", str(most), "59000")["sCode"] == "0"
    lever(desk, "BTC-USDT-SWAP", 50, "cross")
    assert desk.place("BTC-USDT-SWAP", "buy", str(most + 1), "59000")["sCode"] == "0"


def test_margin_in_use_follows_each_fill_and_each_change_of_leverage(desk):
    lever(desk, "BTC-USDT-SWAP", 10, "cross")
    desk.placed("BTC-USDT-SWAP", "buy", "100")
    assert desk.detail()["imr"] == "6000"
    desk.placed("BTC-USDT-SWAP", "buy", "50")
    assert desk.detail()["imr"] == "9000"
    lever(desk, "BTC-USDT-SWAP", 20, "cross")
    assert desk.detail()["imr"] == "4500"
    desk.exchange.set_price("BTC-USDT-SWAP", "66000")
    assert desk.detail()["imr"] == "4950"
    desk.placed("BTC-USDT-SWAP", "sell", "150")
    assert desk.detail()["imr"] == "0"

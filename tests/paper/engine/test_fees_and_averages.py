"""Numbers worked out by hand: fees, average prices, profit, balances."""

from decimal import Decimal as D


def test_a_linear_market_buy_fills_at_the_ask_and_pays_the_taker_fee(desk):
    order = desk.placed("BTC-USDT-SWAP", "buy", "10")
    # 10 contracts of 0.01 BTC at 60000.6: 6000.06 USDT; 0.05 % of it is 3.00003.
    assert (order["state"], order["avgPx"], order["accFillSz"]) == ("filled", "60000.6", "10")
    assert (order["fee"], order["feeCcy"]) == ("-3.00003", "USDT")
    assert desk.cash() == D("100000") - D("3.00003")


def test_unrealised_and_realised_profit_of_a_linear_long(desk):
    desk.placed("BTC-USDT-SWAP", "buy", "10")
    desk.exchange.set_price("BTC-USDT-SWAP", "61000")
    assert desk.position("BTC-USDT-SWAP")["upl"] == "99.94"  # (61000 - 60000.6) * 0.1
    order = desk.placed("BTC-USDT-SWAP", "sell", "10", reduceOnly=True)
    assert order["avgPx"] == "60999.4"  # 0.61 rounds to six ticks below
    assert order["pnl"] == "99.88"  # (60999.4 - 60000.6) * 0.1
    # 100000 - 3.00003 + 99.88 - 6099.94 * 0.0005
    assert desk.cash() == D("100000") - D("3.00003") + D("99.88") - D("3.04997")
    closed = desk.exchange.positions_history(desk.acc, {})[0]
    assert (closed["pnl"], closed["fee"], closed["direction"]) == ("99.88", "-6.05", "long")
    assert closed["realizedPnl"] == "93.83"


def test_the_average_entry_of_two_buys_weighs_by_size(desk):
    desk.placed("ETH-USDT-SWAP", "buy", "10")  # at 3000.03
    desk.exchange.set_price("ETH-USDT-SWAP", "3100")
    desk.placed("ETH-USDT-SWAP", "buy", "30")  # at 3100.03
    row = desk.position("ETH-USDT-SWAP")
    assert row["avgPx"] == "3075.03"
    # A partial close keeps the average: (3099.97 - 3075.03) * 2 ETH.
    order = desk.placed("ETH-USDT-SWAP", "sell", "20")
    assert order["pnl"] == "49.88"
    assert desk.position("ETH-USDT-SWAP")["avgPx"] == "3075.03"


def test_an_inverse_contract_is_reckoned_in_coins(make_desk):
    desk = make_desk(balances={"BTC": "1"})
    order = desk.placed("BTC-USD-SWAP", "sell", "60")
    # 60 contracts of 100 USD at 59999.4.
    assert order["avgPx"] == "59999.4"
    fee = (D(6000) / D("59999.4") * D("0.0005")).quantize(D("1E-15"))
    assert D(order["fee"]) == -fee
    assert order["feeCcy"] == "BTC"
    desk.exchange.set_price("BTC-USD-SWAP", "50000")
    upl = D(-6000) / D("59999.4") + D(6000) / D(50000)
    assert abs(D(desk.position("BTC-USD-SWAP")["upl"]) - upl) < D("1E-14")
    assert upl > 0  # a short gains when the price falls


def test_an_inverse_average_is_harmonic(make_desk):
    desk = make_desk(balances={"BTC": "1"})
    desk.placed("BTC-USD-SWAP", "buy", "10")  # at 60000.6
    desk.exchange.set_price("BTC-USD-SWAP", "50000")
    desk.placed("BTC-USD-SWAP", "buy", "10")  # at 50000.5
    expected = D(20) / (D(10) / D("60000.6") + D(10) / D("50000.5"))
    assert abs(D(desk.position("BTC-USD-SWAP")["avgPx"]) - expected) < D("1E-10")


def test_a_spot_buy_pays_its_fee_in_the_coin(make_desk):
    desk = make_desk(balances={"USDT": "10000"})
    order = desk.placed("ETH-USDT", "buy", "1")
    assert (order["fee"], order["feeCcy"]) == ("-0.001", "ETH")
    assert desk.cash("ETH") == D("0.999")
    assert desk.cash() == D("10000") - D("3000.03")


def test_a_spot_sale_pays_its_fee_in_quote_money(make_desk):
    desk = make_desk(balances={"ETH": "2"})
    order = desk.placed("ETH-USDT", "sell", "1")
    assert (order["fee"], order["feeCcy"]) == ("-2.99997", "USDT")
    assert desk.cash() == D("2999.97") - D("2.99997")


def test_a_spot_market_buy_is_measured_in_quote_money_by_default(desk):
    row = desk.placed("BTC-USDT", "buy", "600.006", tgtCcy="")
    assert (row["tgtCcy"], row["sz"], row["state"]) == ("quote_ccy", "600.006", "filled")
    assert row["accFillSz"] == "0.01"
    assert desk.cash() == D("100000") - D("600.006")


def test_a_resting_order_that_fills_pays_the_maker_fee(desk):
    order = desk.placed("BTC-USDT-SWAP", "buy", "10", "59000")
    assert order["state"] == "live"
    desk.exchange.set_price("BTC-USDT-SWAP", "58900")
    order = desk.order("BTC-USDT-SWAP", order["ordId"])
    # At its own price: 5900 USDT at 0.02 %.
    assert (order["state"], order["avgPx"], order["fee"]) == ("filled", "59000", "-1.18")
    assert desk.exchange.fills(desk.acc, {})[0]["execType"] == "M"


def test_a_large_order_walks_the_book_and_slips(make_desk, exchange):
    desk = make_desk(balances={"USDT": "10000000"})
    asks = exchange.books({"instId": "BTC-USDT-SWAP", "sz": "3"})[0]["asks"]
    (p1, s1), (p2, s2) = (map(D, level[:2]) for level in asks[:2])
    order = desk.placed("BTC-USDT-SWAP", "buy", str(s1 + s2))
    assert D(order["avgPx"]) == ((p1 * s1 + p2 * s2) / (s1 + s2)).quantize(D("1E-15"))
    assert len(exchange.fills(desk.acc, {"ordId": order["ordId"]})) == 2
    # What was eaten is gone until liquidity comes back with the next tick.
    assert exchange.books({"instId": "BTC-USDT-SWAP", "sz": "1"})[0]["asks"][0][0] == asks[2][0]
    exchange.tick()
    assert exchange.books({"instId": "BTC-USDT-SWAP", "sz": "1"})[0]["asks"][0][0] == asks[0][0]


def test_special_fee_rates_of_an_account_apply(make_desk):
    desk = make_desk(fees={"swapTaker": "0.001"})
    order = desk.placed("BTC-USDT-SWAP", "buy", "10")
    assert order["fee"] == "-6.00006"
    fee = desk.exchange.trade_fee(desk.acc, {"instType": "SWAP"})[0]
    assert (fee["takerU"], fee["makerU"]) == ("-0.001", "-0.0002")

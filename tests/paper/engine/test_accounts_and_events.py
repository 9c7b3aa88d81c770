"""Accounts, transfers, deposits, events, and the short way of `matching="ack"`."""

from decimal import Decimal as D

import pytest

from venues.paper.engine.exchange import Exchange, OkxError

from .conftest import Desk, open_account

SWAP = "BTC-USDT-SWAP"


def test_a_starting_balance_is_a_bill(desk):
    bills = desk.exchange.bills(desk.acc, {})
    assert [(b["type"], b["subType"], b["balChg"], b["bal"]) for b in bills] == [
        ("1", "11", "100000", "100000")
    ]


@pytest.mark.parametrize(
    "change",
    [{"apiKey": ""}, {"secretKey": None}, {"posMode": "hedge"}, {"acctLv": "9"},
     {"balances": {"USDT": "-1"}}, {"balances": {"USDT": "lots"}}, {"permissions": ["root"]},
     {"fees": {"swapTaker": "x"}}],
)  # fmt: skip
def test_an_unusable_account_is_refused(exchange, change):
    good = {"apiKey": "a", "secretKey": "s", "passphrase": "p"}
    with pytest.raises(ValueError, match=next(iter(change))):
        exchange.add_account(good | change)
    assert exchange.accounts() == []


def test_the_configuration_shows_permissions_and_addresses(make_desk):
    desk = make_desk(permissions=["read", "withdraw"], ips=["10.0.0.1", "10.0.0.2"], label="x")
    row = desk.exchange.config(desk.acc, {})[0]
    assert (row["perm"], row["ip"], row["label"]) == (
        "read_only,withdraw",
        "10.0.0.1,10.0.0.2",
        "x",
    )
    assert row["uid"] == row["mainUid"]


def test_money_moves_between_the_wallets(make_desk):
    desk = make_desk(fundingBalances={"USDT": "100"})
    ask = {"ccy": "USDT", "amt": "60", "from": "6", "to": "18"}
    trans_id = desk.exchange.transfer(desk.acc, ask)[0]["transId"]
    assert desk.cash() == 100060
    assert desk.exchange.asset_balances(desk.acc, {})[0]["bal"] == "40"
    state = desk.exchange.transfer_state(desk.acc, {"transId": trans_id})[0]
    assert state["state"] == "success"
    with pytest.raises(OkxError) as refused:
        desk.exchange.transfer(desk.acc, ask)
    assert refused.value.code == "58350"
    desk.exchange.transfer(desk.acc, ask | {"from": "18", "to": "6", "amt": "1060"})
    assert desk.cash() == 99000
    value = desk.exchange.asset_valuation(desk.acc, {"ccy": "USDT"})[0]
    assert value["totalBal"] == "100100"


def test_money_in_use_as_margin_cannot_leave(make_desk):
    desk = make_desk(balances={"USDT": "1000"})
    desk.placed(SWAP, "buy", "4")  # 2400 USDT at three times: 800 in use
    with pytest.raises(OkxError):
        desk.exchange.transfer(desk.acc, {"ccy": "USDT", "amt": "300", "from": "18", "to": "6"})
    room = D(desk.exchange.max_withdrawal(desk.acc, {"ccy": "USDT"})[0]["maxWd"])
    assert D(190) < room < D(200)


def test_a_master_moves_money_to_its_sub_account(make_desk):
    master = make_desk(uid="700")
    sub = make_desk(mainUid="700", label="kid")
    stranger = make_desk(label="stranger")
    ask = {"ccy": "USDT", "amt": "10", "from": "18", "to": "18", "type": "1", "subAcct": "kid"}
    master.exchange.transfer(master.acc, ask)
    assert (master.cash(), sub.cash()) == (99990, 100010)
    with pytest.raises(OkxError):
        master.exchange.transfer(master.acc, ask | {"subAcct": "stranger"})
    assert stranger.cash() == 100000
    assert [r["subAcct"] for r in master.exchange.subaccount_list(master.acc, {})] == ["kid"]


def test_deposits_and_withdrawals_have_their_history(desk):
    desk.exchange.deposit(desk.acc.api_key, "USDT", "50")
    desk.exchange.deposit(desk.acc.api_key, "USDT", "-20")
    desk.exchange.deposit(desk.acc.api_key, "BTC", "1", to="funding")
    assert desk.cash() == 100030
    amounts = [r["amt"] for r in desk.exchange.deposit_history(desk.acc, {"ccy": "USDT"})]
    assert amounts == ["50", "100000"]
    assert [r["amt"] for r in desk.exchange.withdrawal_history(desk.acc, {})] == ["20"]
    assert desk.exchange.asset_balances(desk.acc, {"ccy": "BTC"})[0]["bal"] == "1"


def test_sizes_that_can_be_opened(make_desk):
    desk = make_desk(balances={"USDT": "1000"})
    row = desk.exchange.max_size(desk.acc, {"instId": SWAP, "tdMode": "cross", "px": "60000"})[0]
    assert desk.place(SWAP, "buy", row["maxBuy"], "60000")["sCode"] == "0"
    desk.exchange.mass_cancel(desk.acc, {})
    more = str(D(row["maxBuy"]) + D("0.01"))
    assert desk.place(SWAP, "buy", more, "60000")["sCode"] == "51008"
    avail = desk.exchange.max_avail_size(desk.acc, {"instId": "BTC-USDT", "tdMode": "cash"})[0]
    assert (avail["availBuy"], avail["availSell"]) == ("1000", "0")


def test_events_tell_an_order_its_fill_the_position_and_the_account(desk, events):
    desk.placed(SWAP, "buy", "10", clOrdId="e1")
    kinds = [k for k, _, _ in events]
    assert kinds[:3] == ["order", "order", "fill"]
    assert sorted(kinds[3:]) == ["account", "balance", "position"]
    live, filled = (row for k, _, row in events if k == "order")
    assert (live["state"], live["fillSz"], live["tradeId"]) == ("live", "0", "")
    assert (filled["state"], filled["fillSz"], filled["execType"]) == ("filled", "10", "T")
    assert (filled["fillFee"], filled["notionalUsd"]) == ("-3.00003", "6000")
    position = next(row for k, _, row in events if k == "position")
    assert position["pos"] == "10"


def test_fill_keys_of_a_push_describe_that_fill_only(make_desk, events, exchange):
    desk = make_desk(balances={"USDT": "10000000"})
    sizes = [a[1] for a in exchange.books({"instId": SWAP, "sz": "2"})[0]["asks"]]
    desk.placed(SWAP, "buy", str(sum(map(D, sizes))))
    pushes = [row for k, _, row in events if k == "order"]
    assert [p["fillSz"] for p in pushes] == ["0", *sizes]
    assert [p["accFillSz"] for p in pushes] == ["0", sizes[0], str(sum(map(D, sizes)))]
    assert [p["state"] for p in pushes] == ["live", "partially_filled", "filled"]
    assert len({p["tradeId"] for p in pushes}) == 3


def test_nobody_asked_means_nothing_is_made(desk, exchange):
    seen = []
    exchange.on_event = seen.append
    exchange.wants = lambda kind, account, inst_id: kind == "order" and account is desk.acc
    desk.placed(SWAP, "buy", "1")
    exchange.set_price(SWAP, "61000")
    assert {e.kind for e in seen} == {"order"}


def test_market_events_follow_the_price(exchange):
    seen = set()
    exchange.on_event = lambda event: seen.add((event.kind, event.inst_id, bool(event.row())))
    exchange.set_price("SOL-USDT", "151")
    kinds = {k for k, inst_id, filled in seen if inst_id == "SOL-USDT" and filled}
    assert {"ticker", "book", "candle", "mark", "price_limit"} <= kinds


@pytest.fixture
def ack_desk(clock):
    exchange = Exchange(clock, feed="static", matching="ack")
    return Desk(exchange, clock, open_account(exchange))


def test_ack_fills_at_once_at_the_last_price_and_books_the_same_way(ack_desk):
    row = ack_desk.place(SWAP, "buy", "10", clOrdId="a1")
    assert (row["sCode"], row["clOrdId"]) == ("0", "a1")
    order = ack_desk.order(SWAP, row["ordId"])
    assert (order["state"], order["avgPx"], order["fee"]) == ("filled", "60000", "-3")
    assert ack_desk.position(SWAP)["pos"] == "10"
    ack_desk.place(SWAP, "sell", "4", "61000")
    assert ack_desk.position(SWAP)["pos"] == "6"
    assert ack_desk.cash() == D(100000) - 3 + 40 - D("1.22")
    ledger = ack_desk.exchange.ledger()
    assert [len(ledger[k]) for k in ("orders", "fills", "cash")] == [2, 2, 3]


def test_ack_spot_orders_change_both_balances(ack_desk):
    ack_desk.place("ETH-USDT", "buy", "2")
    ack_desk.place("ETH-USDT", "buy", "300", tgtCcy="quote_ccy")
    assert ack_desk.cash("ETH") == D("2.1") - D("0.0021")
    assert ack_desk.cash() == 100000 - 6300


@pytest.mark.parametrize(
    ("change", "code"),
    [({"instId": "NOPE"}, "51001"), ({"sz": "0"}, "51000"), ({"sz": "x"}, "51000"),
     ({"sz": "NaN"}, "51000"), ({"side": "up"}, "51000")],
)  # fmt: skip
def test_ack_refuses_nonsense(ack_desk, change, code):
    good = {"instId": SWAP, "side": "buy", "ordType": "market", "sz": "1", "tdMode": "cross"}
    row = ack_desk.exchange.place_order(ack_desk.acc, good | change)
    assert (row["sCode"], row["ordId"]) == (code, "")
    assert ack_desk.exchange.ledger()["orders"] == []


def test_ack_orders_are_journalled(tmp_path, clock):
    path = str(tmp_path / "state")
    exchange = Exchange(clock, feed="static", matching="ack")
    exchange.open_state(path)
    desk = Desk(exchange, clock, open_account(exchange))
    desk.place(SWAP, "buy", "10")
    exchange.flush()
    again = Exchange(clock, feed="static", matching="ack")
    again.open_state(path)
    assert again.positions(again.account_by_key(desk.acc.api_key), {})[0]["pos"] == "10"

"""The state file: what a restart must bring back."""

import os
import signal
import subprocess
import sys
import time
from decimal import Decimal as D
from pathlib import Path

import pytest

from venues.paper.engine.exchange import Exchange, OkxError, OrderFault

from .conftest import Desk, HandClock, open_account

SWAP = "BTC-USDT-SWAP"
QUESTIONS = [
    ("balance", {}), ("positions", {}), ("positions", {"instId": "ETH-USDT-SWAP"}),
    ("positions_history", {}), ("orders_pending", {}), ("orders_history", {"instType": "SWAP"}),
    ("orders_history", {"instType": "SPOT"}), ("fills", {}), ("bills", {}), ("config", {}),
    ("leverage_info", {"instId": SWAP, "mgnMode": "isolated"}), ("asset_balances", {}),
    ("asset_bills", {}), ("deposit_history", {}), ("transfer_state", {"clientId": "t1"}),
    ("algos_pending", {"ordType": "conditional,oco,trigger,move_order_stop"}),
    ("algos_history", {"ordType": "conditional", "state": "canceled"}),
]  # fmt: skip


def opened(path, clock):
    exchange = Exchange(clock, feed="static")
    exchange.open_state(str(path))
    return exchange


def answers(exchange, acc):
    return {f"{name}{params}": getattr(exchange, name)(acc, params) for name, params in QUESTIONS}


def busy_desk(exchange, clock):
    """An account with something of everything."""
    desk = Desk(exchange, clock, open_account(
        exchange, balances={"USDT": "100000", "BTC": "2"}, fundingBalances={"USDT": "50"},
        ips=["127.0.0.1"], label="busy"))  # fmt: skip
    exchange.set_leverage(desk.acc, {"instId": SWAP, "mgnMode": "isolated", "lever": "7"})
    attach = [{"slTriggerPx": "50000", "slOrdPx": "-1"}]
    desk.placed(SWAP, "buy", "10", attachAlgoOrds=attach, clOrdId="long1")
    desk.placed(SWAP, "sell", "3", tdMode="isolated")
    desk.placed("BTC-USD-SWAP", "sell", "9")
    desk.placed("ETH-USDT-SWAP", "buy", "2")
    desk.placed("ETH-USDT-SWAP", "sell", "2")
    desk.placed("BTC-USDT", "sell", "0.5", "62000", clOrdId="rest1")
    desk.placed(SWAP, "buy", "4", "59000", clOrdId="rest2")
    desk.place(SWAP, "buy", "10", fault=OrderFault(fill_fraction="0.5"), clOrdId="part1")
    canceled = exchange.place_algo(desk.acc, {
        "instId": SWAP, "tdMode": "cross", "side": "sell", "ordType": "conditional", "sz": "1",
        "slTriggerPx": "55000", "slOrdPx": "-1"})  # fmt: skip
    exchange.cancel_algo(desk.acc, {"instId": SWAP, "algoId": canceled["algoId"]})
    exchange.transfer(desk.acc, {"ccy": "USDT", "amt": "20", "from": "6", "to": "18",
                                 "clientId": "t1"})  # fmt: skip
    exchange.set_price("ETH-USDT-SWAP", "3300")
    exchange.set_funding_rate(SWAP, "0.0005")
    return desk


@pytest.mark.parametrize("how", ["flush", "close"])
def test_a_restart_answers_every_question_the_same(tmp_path, clock, how):
    path = tmp_path / "deep" / "state"
    exchange = opened(path, clock)
    desk = busy_desk(exchange, clock)
    before = answers(exchange, desk.acc)
    ledger = exchange.ledger()
    getattr(exchange, how)()

    for _ in range(2):  # also from the compacted file of the second start
        again = opened(path, clock)
        acc = again.account_by_key(desk.acc.api_key)
        assert (acc.secret_key, acc.ips, acc.label) == ("secret", ("127.0.0.1",), "busy")
        assert answers(again, acc) == before
        assert again.ledger() == ledger
        assert again.ticker({"instId": "ETH-USDT-SWAP"})[0]["last"] == "3300"
        assert again.funding_rate({"instId": SWAP})[0]["fundingRate"] == "0.0005"
        again.close()


def test_trading_goes_on_after_a_restart(tmp_path, clock):
    path = tmp_path / "state"
    exchange = opened(path, clock)
    desk = busy_desk(exchange, clock)
    old_ids = {o["ordId"] for o in exchange.ledger()["orders"]}
    frozen = dict(desk.acc.frozen)
    exchange.close()

    clock.advance(1000)
    again = opened(path, clock)
    acc = again.account_by_key(desk.acc.api_key)
    desk = Desk(again, clock, acc)
    assert acc.frozen == frozen
    assert desk.place("BTC-USDT", "sell", "0.1", "62000", clOrdId="rest1")["sCode"] == "51016"
    assert desk.placed(SWAP, "buy", "1")["ordId"] not in old_ids
    again.set_price(SWAP, "58900")  # the resting buy at 59000 is still in the book
    order = again.get_order(acc, {"instId": SWAP, "clOrdId": "rest2"})[0]
    assert (order["state"], order["avgPx"]) == ("filled", "59000")
    part = again.get_order(acc, {"instId": SWAP, "clOrdId": "part1"})[0]
    assert (part["state"], part["accFillSz"]) == ("partially_filled", "5")
    again.set_price(SWAP, "49900")  # and so is the stop loss
    assert again.algos_pending(acc, {"ordType": "conditional"}) == []


def test_the_same_accounts_given_again_keep_their_money(tmp_path, clock):
    path = tmp_path / "state"
    spec = {"apiKey": "k", "secretKey": "s", "passphrase": "p", "balances": {"USDT": "100"}}
    exchange = opened(path, clock)
    desk = Desk(exchange, clock, exchange.add_account(spec))
    desk.placed(SWAP, "buy", "0.1")
    cash = desk.cash()
    exchange.close()
    again = opened(path, clock)
    acc = again.add_account(spec | {"secretKey": "new"})
    assert acc.secret_key == "new"
    assert Desk(again, clock, acc).cash() == cash != D(100)


def test_ids_go_on_growing_even_if_the_clock_went_back(tmp_path, clock):
    exchange = opened(tmp_path / "state", clock)
    desk = Desk(exchange, clock, open_account(exchange))
    before = int(desk.placed(SWAP, "buy", "1")["ordId"])
    exchange.close()
    clock.advance(-60_000)
    again = opened(tmp_path / "state", clock)
    desk = Desk(again, clock, again.account_by_key(desk.acc.api_key))
    assert int(desk.placed(SWAP, "buy", "1")["ordId"]) > before


def test_no_trade_id_is_given_twice_though_more_traded_than_seconds_passed(tmp_path, clock):
    path = tmp_path / "state"
    exchange = opened(path, clock)
    desk = Desk(exchange, clock, open_account(exchange))
    for _ in range(20):
        desk.placed(SWAP, "buy", "1")
    before = {row["tradeId"] for row in exchange.fills(desk.acc, {})}
    exchange.flush()

    clock.advance(3_000)
    again = opened(path, clock)
    desk = Desk(again, clock, again.account_by_key(desk.acc.api_key))
    desk.placed(SWAP, "buy", "1")
    after = {row["tradeId"] for row in again.fills(desk.acc, {})}
    assert len(before) == 20
    assert len(after - before) == 1


def test_funding_that_fell_due_while_the_exchange_was_down_is_paid_once(tmp_path, clock):
    exchange = opened(tmp_path / "state", clock)
    desk = Desk(exchange, clock, open_account(exchange))
    exchange.set_funding_rate(SWAP, "0.001")
    desk.placed(SWAP, "buy", "10")
    exchange.close()
    clock.advance(9 * 3_600_000)
    again = opened(tmp_path / "state", clock)
    again.tick()
    again.tick()
    bills = again.bills(again.account_by_key(desk.acc.api_key), {"type": "8"})
    assert [b["balChg"] for b in bills] == ["-6"]


def test_a_line_cut_off_by_a_crash_is_left_out(tmp_path, clock):
    path = tmp_path / "state"
    exchange = opened(path, clock)
    desk = Desk(exchange, clock, open_account(exchange))
    desk.placed(SWAP, "buy", "1")
    exchange.flush()
    whole = path.read_bytes()
    desk.placed(SWAP, "buy", "2")
    exchange.close()
    longer = path.read_bytes()
    path.write_bytes(longer[: len(whole) + (len(longer) - len(whole)) // 2])
    again = opened(path, clock)
    acc = again.account_by_key(desk.acc.api_key)
    assert again.positions(acc, {})[0]["pos"] == "1"


def test_a_file_that_is_no_journal_is_refused_and_kept(tmp_path, clock):
    path = tmp_path / "state"
    path.write_text("precious notes\n")
    with pytest.raises(ValueError, match="not a journal"):
        opened(path, clock)
    assert path.read_text() == "precious notes\n"


CHILD = """
import sys, time
from venues.paper.engine.exchange import Exchange

class Clock:
    def now_ms(self): return int(time.time() * 1000)

exchange = Exchange(Clock(), feed="static", instruments=["BTC-USDT-SWAP"])
exchange.open_state(sys.argv[1])
acc = exchange.add_account({"apiKey": "k", "secretKey": "s", "passphrase": "p",
                            "balances": {"USDT": "1000000"}})
for number in range(100000):
    side = "buy" if number % 2 else "sell"
    row = exchange.place_order(acc, {"instId": "BTC-USDT-SWAP", "tdMode": "cross", "side": side,
                                     "ordType": "market", "sz": "1", "clOrdId": f"c{number}"})
    exchange.flush()
    print(row["ordId"], flush=True)
    exchange.tick()
"""


def test_what_was_flushed_before_a_kill_is_there_after_it(tmp_path):
    path = tmp_path / "state"
    root = Path(__file__).resolve().parents[3]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, cwd=root
    )
    acknowledged = []
    deadline = time.monotonic() + 30
    while len(acknowledged) < 50 and time.monotonic() < deadline:
        acknowledged.append(child.stdout.readline().decode().strip())
    os.kill(child.pid, signal.SIGKILL)
    acknowledged += child.stdout.read().decode().split("\n")[:-1]
    child.wait()
    child.stdout.close()
    assert len(acknowledged) >= 50
    exchange = Exchange(HandClock(int(time.time() * 1000)), feed="static",
                        instruments=["BTC-USDT-SWAP"])  # fmt: skip
    exchange.open_state(str(path))
    ledger = exchange.ledger()
    ids = [o["ordId"] for o in ledger["orders"]]
    assert set(acknowledged) <= set(ids)
    assert len(ids) == len(set(ids))
    acc = exchange.account_by_key("k")
    total = sum(D(b["balChg"]) for b in ledger["cash"])
    assert D(exchange.balance(acc, {})[0]["details"][0]["cashBal"]) == total
    with pytest.raises(OkxError):
        exchange.get_order(acc, {"instId": "BTC-USDT-SWAP", "clOrdId": "c100000"})

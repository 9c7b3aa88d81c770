"""python-okx places, amends, cancels, queries and streams, told nothing but the URL.

Its WebSocket factory always passes a TLS context, which `ws://` refuses: that one line is
replaced.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
import websockets
from okx import Account, Funding, MarketData, PublicData, Trade
from okx.websocket.WebSocketFactory import WebSocketFactory
from okx.websocket.WsPrivateAsync import WsPrivateAsync
from okx.websocket.WsPublicAsync import WsPublicAsync

from config.demo.paper_control import PaperAccount
from tests.conftest import PaperServer

INST = "BTC-USDT-SWAP"


@pytest.fixture
def api(paper_exchange: PaperServer, account: PaperAccount) -> Callable[[Any], Any]:
    def build(kind: Any) -> Any:
        return kind(
            account.api_key,
            account.secret_key,
            account.passphrase,
            domain=paper_exchange.url,
            debug=False,
        )

    return build


@pytest.fixture
def no_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect(self: WebSocketFactory) -> Any:
        self.websocket = await websockets.connect(self.url)
        return self.websocket

    monkeypatch.setattr(WebSocketFactory, "connect", connect)


def test_market_and_public_data(api: Callable[[Any], Any]) -> None:
    public, market = api(PublicData.PublicAPI), api(MarketData.MarketAPI)
    assert int(public.get_system_time()["data"][0]["ts"]) > 0
    instruments = public.get_instruments(instType="SWAP")["data"]
    assert INST in [row["instId"] for row in instruments]
    assert public.get_mark_price(instType="SWAP", instId=INST)["code"] == "0"
    assert public.get_funding_rate(instId=INST)["data"][0]["instId"] == INST
    assert float(market.get_ticker(instId=INST)["data"][0]["last"]) > 0
    book = market.get_orderbook(instId=INST, sz="5")["data"][0]
    assert len(book["asks"]) == 5
    assert len(market.get_candlesticks(instId=INST, bar="1m", limit="10")["data"]) == 10


def test_account_and_funding(api: Callable[[Any], Any]) -> None:
    account, funding = api(Account.AccountAPI), api(Funding.FundingAPI)
    assert account.get_account_config()["data"][0]["posMode"] == "net_mode"
    balance = account.get_account_balance()["data"][0]["details"]
    assert [(row["ccy"], float(row["eq"])) for row in balance] == [("USDT", 100_000.0)]
    assert account.get_positions()["data"] == []
    assert account.set_leverage(lever="9", mgnMode="cross", instId=INST)["code"] == "0"
    assert account.get_leverage(mgnMode="cross", instId=INST)["data"][0]["lever"] == "9"
    assert account.set_position_mode(posMode="long_short_mode")["code"] == "0"
    assert account.get_account_config()["data"][0]["posMode"] == "long_short_mode"
    assert account.get_account_bills()["code"] == "0"
    assert funding.get_currencies()["code"] == "0"
    assert funding.get_deposit_history()["code"] == "0"
    assert funding.get_withdrawal_history()["code"] == "0"


def test_an_order_from_placement_to_fill(api: Callable[[Any], Any]) -> None:
    trade = api(Trade.TradeAPI)
    # Every unused field goes out as an empty string.
    placed = trade.place_order(
        instId=INST, tdMode="cross", side="buy", ordType="market", sz="2", clOrdId="pyokx1"
    )
    assert placed["code"] == "0", placed
    row = trade.get_order(instId=INST, clOrdId="pyokx1")["data"][0]
    assert (row["state"], row["accFillSz"]) == ("filled", "2")
    assert sum(float(f["fillSz"]) for f in trade.get_fills(instType="SWAP")["data"]) == 2
    assert trade.get_fills_history(instType="SWAP")["code"] == "0"
    history = trade.get_orders_history(instType="SWAP")["data"]
    assert [r["clOrdId"] for r in history] == ["pyokx1"]
    positions = api(Account.AccountAPI).get_positions(instType="SWAP")["data"]
    assert [p["pos"] for p in positions] == ["2"]
    assert trade.close_positions(instId=INST, mgnMode="cross")["code"] == "0"


def test_resting_orders_are_amended_and_cancelled(api: Callable[[Any], Any]) -> None:
    trade, market = api(Trade.TradeAPI), api(MarketData.MarketAPI)
    last = float(market.get_ticker(instId=INST)["data"][0]["last"])
    limit = {
        "instId": INST,
        "tdMode": "cross",
        "side": "buy",
        "ordType": "limit",
        "sz": "1",
        "px": str(int(last * 0.97)),
    }
    ord_id = trade.place_order(**limit)["data"][0]["ordId"]
    assert trade.amend_order(instId=INST, ordId=ord_id, newSz="4")["code"] == "0"
    pending = trade.get_order_list(instType="SWAP")["data"]
    assert [(r["ordId"], r["sz"]) for r in pending] == [(ord_id, "4")]
    assert trade.cancel_order(instId=INST, ordId=ord_id)["code"] == "0"
    batch = trade.place_multiple_orders([limit, {**limit, "sz": "0"}])
    assert batch["code"] == "2"
    assert [row["sCode"] == "0" for row in batch["data"]] == [True, False]
    good = batch["data"][0]["ordId"]
    canceled = trade.cancel_multiple_orders([{"instId": INST, "ordId": good}])
    assert canceled["code"] == "0"
    assert trade.get_order_list()["data"] == []
    gone = trade.cancel_order(instId=INST, ordId=good)
    assert (gone["code"], gone["data"][0]["sCode"]) == ("1", "51400")


def test_algo_orders(api: Callable[[Any], Any]) -> None:
    trade, market = api(Trade.TradeAPI), api(MarketData.MarketAPI)
    last = float(market.get_ticker(instId=INST)["data"][0]["last"])
    placed = trade.place_algo_order(
        instId=INST,
        tdMode="cross",
        side="buy",
        ordType="trigger",
        sz="1",
        triggerPx=str(int(last * 0.9)),
        orderPx="-1",
    )
    algo_id = placed["data"][0]["algoId"]
    waiting = trade.order_algos_list(ordType="trigger")["data"]
    assert [row["algoId"] for row in waiting] == [algo_id]
    amended = trade.amend_algo_order(instId=INST, algoId=algo_id, newSz="2")
    assert amended["code"] == "0", amended
    canceled = trade.cancel_algo_order([{"instId": INST, "algoId": algo_id}])
    assert canceled["code"] == "0"
    assert trade.order_algos_list(ordType="trigger")["data"] == []
    history = trade.order_algos_history(ordType="trigger", state="canceled")["data"]
    assert [row["algoId"] for row in history] == [algo_id]


class Inbox:
    """Collects what a python-okx socket hands to its callback."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    def __call__(self, message: str) -> None:
        self.messages.append(json.loads(message))

    async def wait_for(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(15):
            while True:
                for message in self.messages:
                    if wanted(message):
                        return message
                await asyncio.sleep(0.05)


def is_push(channel: str) -> Callable[[dict[str, Any]], bool]:
    return lambda m: m.get("arg", {}).get("channel") == channel and bool(m.get("data"))


async def test_public_streams(paper_exchange: PaperServer, no_tls: None) -> None:
    socket = WsPublicAsync(url=paper_exchange.url.replace("http", "ws") + "/ws/v5/public")
    await socket.connect()
    reading = asyncio.create_task(socket.consume())
    inbox = Inbox()
    await socket.subscribe(
        [{"channel": "tickers", "instId": INST}, {"channel": "books5", "instId": INST}], inbox
    )
    await inbox.wait_for(is_push("tickers"))
    book = await inbox.wait_for(is_push("books5"))
    assert len(book["data"][0]["asks"]) == 5
    reading.cancel()
    await socket.factory.close()


async def test_private_streams_and_orders(
    paper_exchange: PaperServer, account: PaperAccount, no_tls: None
) -> None:
    socket = WsPrivateAsync(
        apiKey=account.api_key,
        passphrase=account.passphrase,
        secretKey=account.secret_key,
        url=paper_exchange.url.replace("http", "ws") + "/ws/v5/private",
    )
    await socket.connect()
    reading = asyncio.create_task(socket.consume())
    inbox = Inbox()
    await socket.subscribe(  # logs in, then waits for five seconds
        [
            {"channel": "orders", "instType": "ANY"},
            {"channel": "positions", "instType": "ANY"},
            {"channel": "account"},
        ],
        inbox,
    )
    await inbox.wait_for(is_push("account"))
    await socket.place_order(
        [{"instId": INST, "tdMode": "cross", "side": "buy", "ordType": "market", "sz": "3"}],
        id="order1",
    )
    reply = await inbox.wait_for(lambda m: m.get("id") == "order1")
    assert (reply["op"], reply["code"], reply["data"][0]["sCode"]) == ("order", "0", "0")
    filled = await inbox.wait_for(
        lambda m: is_push("orders")(m) and m["data"][0]["state"] == "filled"
    )
    assert filled["data"][0]["ordId"] == reply["data"][0]["ordId"]
    await inbox.wait_for(lambda m: is_push("positions")(m) and m["data"][0]["pos"] == "3")
    await socket.cancel_order([{"instId": INST, "ordId": "1"}], id="cancel1")
    refused = await inbox.wait_for(lambda m: m.get("id") == "cancel1")
    assert (refused["code"], refused["data"][0]["sCode"]) == ("1", "51400")
    reading.cancel()
    await socket.factory.close()

"""ccxt async and ccxt.pro work against the paper exchange, told nothing but the URL."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import Any

import ccxt.pro
import pytest

from config.demo.paper_control import PaperAccount
from tests.conftest import PaperServer, PaperStarter

SWAP = "BTC/USDT:USDT"
SPOT = "BTC/USDT"


@pytest.fixture(scope="module")
def venue(start_paper_exchange: PaperStarter) -> PaperServer:
    started = start_paper_exchange(feed="walk")
    # All these clients share one address; what limits do is another test's business.
    started.control.call("POST", "limits", {"enabled": False})
    return started


MakeExchange = Callable[..., ccxt.pro.okx]


@pytest.fixture
async def make(venue: PaperServer) -> AsyncIterator[MakeExchange]:
    opened: list[ccxt.pro.okx] = []

    def build(account: PaperAccount | None = None, **options: Any) -> ccxt.pro.okx:
        exchange = ccxt.pro.okx(
            {
                "apiKey": account.api_key if account else None,
                "secret": account.secret_key if account else None,
                "password": account.passphrase if account else None,
                "urls": {
                    "api": {
                        "rest": venue.url,
                        "ws": venue.url.replace("http", "ws") + "/ws/v5",
                    }
                },
                **options,
            }
        )
        opened.append(exchange)
        return exchange

    yield build
    for exchange in opened:
        await exchange.close()


_loaded: list[ccxt.pro.okx] = []


@pytest.fixture
async def okx(venue: PaperServer, make: MakeExchange) -> ccxt.pro.okx:
    """A client with an account of its own; the markets are asked for once, they do not change."""
    exchange = make(venue.account())
    if _loaded:
        exchange.set_markets(_loaded[0].markets, _loaded[0].currencies)
    else:
        await exchange.load_markets()
        _loaded.append(exchange)
    return exchange


async def last_price(exchange: ccxt.pro.okx, symbol: str = SWAP) -> float:
    return (await exchange.fetch_ticker(symbol))["last"]


async def first(call: Callable[[], Awaitable[Any]], wanted: Callable[[Any], bool]) -> Any:
    """Await a watch method until it brings what is wanted."""
    async with asyncio.timeout(15):
        while not wanted(result := await call()):
            pass
        return result


# -- REST ----------------------------------------------------------------------------------------


async def test_markets_have_the_venues_contract_sizes(okx: ccxt.pro.okx) -> None:
    assert okx.markets[SWAP]["contractSize"] == 0.01
    assert okx.markets["ETH/USDT:USDT"]["contractSize"] == 0.1
    assert okx.markets["BTC/USD:BTC"]["inverse"] is True
    assert okx.markets["BTC/USD:BTC"]["contractSize"] == 100
    assert okx.markets[SPOT]["spot"] is True
    assert okx.currencies["USDT"]["networks"], "asset/currencies is asked when keys are set"
    for coin in ("BTC", "ETH", "SOL", "DOGE"):
        assert f"{coin}/USDT" in okx.markets
        assert f"{coin}/USDT:USDT" in okx.markets


async def test_market_data(okx: ccxt.pro.okx) -> None:
    assert abs(await okx.fetch_time() - okx.milliseconds()) < 2000
    assert (await okx.fetch_status())["status"] == "ok"
    ticker = await okx.fetch_ticker(SWAP)
    assert ticker["bid"] < ticker["ask"]
    assert set(await okx.fetch_tickers([SWAP, "ETH/USDT:USDT"])) == {SWAP, "ETH/USDT:USDT"}
    book = await okx.fetch_order_book(SWAP, 20)
    assert len(book["bids"]) == len(book["asks"]) == 20
    assert book["bids"][0][0] < book["asks"][0][0]
    candles = await okx.fetch_ohlcv(SWAP, "1m", limit=100)
    assert len(candles) == 100, "history is there from the first second"
    assert all(low <= min(o, c) <= max(o, c) <= high for _, o, high, low, c, _ in candles)
    assert {b[0] - a[0] for a, b in itertools.pairwise(candles)} == {60_000}
    old = await okx.fetch_ohlcv(SWAP, "1h", since=okx.milliseconds() - 90 * 86_400_000, limit=50)
    assert len(old) == 50
    funding = await okx.fetch_funding_rate(SWAP)
    assert funding["fundingTimestamp"] > okx.milliseconds() - 1000
    assert (await okx.fetch_mark_price(SWAP))["markPrice"] > 0
    assert await okx.fetch_market_leverage_tiers(SWAP)
    assert await okx.fetch_trades(SWAP, limit=10) is not None


async def test_an_order_from_placement_to_fill(okx: ccxt.pro.okx) -> None:
    placed = await okx.create_order(
        SWAP, "market", "buy", 3, params={"clientOrderId": "ccxt1", "tdMode": "cross"}
    )
    assert placed["id"]
    assert placed["clientOrderId"] == "ccxt1"
    order = await okx.fetch_order(placed["id"], SWAP)
    assert (order["status"], order["filled"]) == ("closed", 3)
    same = await okx.fetch_order(None, SWAP, {"clientOrderId": "ccxt1"})
    assert same["id"] == placed["id"]
    trades = await okx.fetch_my_trades(SWAP)
    assert sum(trade["amount"] for trade in trades) == 3
    assert all(trade["fee"]["cost"] > 0 for trade in trades)
    closed = await okx.fetch_closed_orders(SWAP)
    assert [o["id"] for o in closed] == [placed["id"]]
    (position,) = await okx.fetch_positions([SWAP])
    assert (position["side"], position["contracts"]) == ("long", 3)
    balance = await okx.fetch_balance()
    assert 0 < balance["USDT"]["free"] < balance["USDT"]["total"]
    await okx.close_position(SWAP, params={"marginMode": "cross"})
    assert [p for p in await okx.fetch_positions() if p["contracts"]] == []


async def test_amending_and_cancelling(okx: ccxt.pro.okx) -> None:
    price = okx.price_to_precision(SWAP, await last_price(okx) * 0.97)
    placed = await okx.create_order(SWAP, "limit", "buy", 1, price)
    await okx.edit_order(placed["id"], SWAP, "limit", "buy", 2, price)
    (live,) = await okx.fetch_open_orders(SWAP)
    assert (live["id"], live["amount"]) == (placed["id"], 2)
    await okx.cancel_order(placed["id"], SWAP)
    assert await okx.fetch_open_orders(SWAP) == []
    canceled = await okx.fetch_canceled_orders(SWAP)
    assert [o["id"] for o in canceled] == [placed["id"]]
    with pytest.raises(ccxt.OrderNotFound):
        await okx.cancel_order(placed["id"], SWAP)


async def test_several_orders_at_once(okx: ccxt.pro.okx) -> None:
    price = await last_price(okx) * 0.97
    orders = [
        {"symbol": SWAP, "type": "limit", "side": "buy", "amount": amount, "price": price}
        for amount in (1, 2)
    ]
    placed = await okx.create_orders(orders)
    assert all(o["id"] for o in placed)
    canceled = await okx.cancel_orders([o["id"] for o in placed], SWAP)
    assert len(canceled) == 2


async def test_spot_buys_base_currency(okx: ccxt.pro.okx) -> None:
    placed = await okx.create_order(SPOT, "market", "buy", 0.01)
    order = await okx.fetch_order(placed["id"], SPOT)
    assert (order["status"], order["filled"]) == ("closed", 0.01)
    balance = await okx.fetch_balance()
    assert 0.0099 < balance["BTC"]["total"] < 0.01, "the fee is taken in the coin received"
    await okx.create_order(
        SPOT, "market", "sell", okx.amount_to_precision(SPOT, balance["BTC"]["free"])
    )


async def test_triggers_and_attached_stops(okx: ccxt.pro.okx) -> None:
    price = await last_price(okx)
    stop = await okx.create_order(
        SWAP, "market", "sell", 1, params={"stopLossPrice": price * 0.8, "reduceOnly": True}
    )
    assert stop["id"]
    waiting = await okx.fetch_open_orders(SWAP, params={"trigger": True, "ordType": "conditional"})
    assert [o["id"] for o in waiting] == [stop["id"]]
    await okx.cancel_order(stop["id"], SWAP, {"trigger": True})
    attached = await okx.create_order(
        SWAP,
        "limit",
        "buy",
        1,
        price * 0.97,
        {"stopLoss": {"triggerPrice": price * 0.9}, "takeProfit": {"triggerPrice": price * 1.1}},
    )
    order = await okx.fetch_order(attached["id"], SWAP)
    assert Decimal(order["info"]["attachAlgoOrds"][0]["slTriggerPx"]) > 0
    await okx.cancel_order(attached["id"], SWAP)


async def test_account_settings_and_history(okx: ccxt.pro.okx) -> None:
    await okx.set_leverage(7, SWAP, {"mgnMode": "cross"})
    leverage = await okx.fetch_leverage(SWAP, {"marginMode": "cross"})
    assert leverage["longLeverage"] == 7
    assert (await okx.fetch_position_mode(SWAP))["hedged"] is False
    await okx.set_position_mode(True)
    assert (await okx.fetch_position_mode(SWAP))["hedged"] is True
    await okx.create_order(SWAP, "market", "buy", 1, params={"positionSide": "long"})
    await okx.create_order(SWAP, "market", "sell", 1, params={"positionSide": "short"})
    sides = {(p["side"], p["contracts"]) for p in await okx.fetch_positions([SWAP])}
    assert sides == {("long", 1), ("short", 1)}
    assert (await okx.fetch_trading_fee(SWAP))["taker"] == pytest.approx(0.0005)
    bills = await okx.fetch_ledger(
        "USDT", params={"method": "privateGetAccountBills", "type": "swap"}
    )
    assert {bill["type"] for bill in bills} >= {"trade"}
    assert await okx.fetch_deposits() is not None
    assert await okx.fetch_withdrawals() is not None
    assert (await okx.fetch_accounts())[0]["id"]
    await okx.cancel_all_orders_after(0)


async def test_refusals_have_ccxts_classes(okx: ccxt.pro.okx, make: MakeExchange) -> None:
    with pytest.raises(ccxt.InsufficientFunds):
        await okx.create_order(SWAP, "market", "buy", 9000)
    with pytest.raises(ccxt.InvalidOrder):
        await okx.create_order(SWAP, "limit", "buy", 1, await last_price(okx) * 3)
    nobody = make(PaperAccount(api_key="nobody", secret_key="x", passphrase="x", balances={}))
    with pytest.raises(ccxt.AuthenticationError):
        await nobody.fetch_balance()


# -- WebSocket -----------------------------------------------------------------------------------


async def test_watching_the_market(make: MakeExchange) -> None:
    watcher = make()
    await watcher.load_markets()
    async with asyncio.timeout(30):
        ticker = await watcher.watch_ticker(SWAP)
        assert ticker["last"] > 0
        candles = await watcher.watch_ohlcv(SWAP, "1m")
        assert candles[-1][0] % 60_000 == 0
        mark = await watcher.watch_mark_price(SWAP)
        assert mark["markPrice"] > 0
        await first(lambda: watcher.watch_bids_asks([SWAP]), lambda r: SWAP in r)
        for limit in (None, 5):
            book = await watcher.watch_order_book("ETH/USDT:USDT", limit)
            assert book["bids"][0][0] < book["asks"][0][0]
            await watcher.un_watch_order_book("ETH/USDT:USDT", {"limit": limit} if limit else {})


async def test_a_watched_book_follows_the_venues_book(make: MakeExchange) -> None:
    watcher = make()
    await watcher.load_markets()
    async with asyncio.timeout(30):
        nonces = []
        for _ in range(25):
            book = await watcher.watch_order_book(SWAP)
            nonces.append(book["nonce"])
            bids = [px for px, _ in book["bids"]]
            asks = [px for px, _ in book["asks"]]
            assert bids == sorted(bids, reverse=True)
            assert asks == sorted(asks)
            assert bids[0] < asks[0]
    assert nonces == sorted(nonces)
    assert len(set(nonces)) > 10


async def test_the_tick_by_tick_book_needs_a_login_in_ccxt_only(okx: ccxt.pro.okx) -> None:
    async with asyncio.timeout(30):
        book = await okx.watch_order_book(SWAP, 50)
    assert len(book["bids"]) == len(book["asks"]) == 50


async def test_watching_an_order_from_placement_to_fill(okx: ccxt.pro.okx) -> None:
    orders = asyncio.create_task(okx.watch_orders())
    positions = asyncio.create_task(okx.watch_positions())
    trades = asyncio.create_task(okx.watch_my_trades(SWAP))
    balance = await asyncio.wait_for(okx.watch_balance(), 15)
    assert balance["USDT"]["total"] == 100_000
    await asyncio.sleep(0.5)
    placed = await okx.create_order(SWAP, "market", "buy", 2)
    seen = list(await asyncio.wait_for(orders, 15))
    while seen[-1]["status"] != "closed":
        seen += await asyncio.wait_for(okx.watch_orders(), 15)
    assert {order["id"] for order in seen} == {placed["id"]}
    assert seen[-1]["filled"] == 2
    got = await asyncio.wait_for(trades, 15)
    assert {trade["order"] for trade in got} == {placed["id"]}
    held = await asyncio.wait_for(positions, 15)
    while not held or held[-1]["contracts"] != 2:
        held = await asyncio.wait_for(okx.watch_positions(), 15)
    assert held[-1]["symbol"] == SWAP
    after = await first(okx.watch_balance, lambda b: b["USDT"]["total"] < 100_000)
    assert after["USDT"]["total"] > 99_000


async def test_ordering_over_a_websocket(okx: ccxt.pro.okx) -> None:
    price = okx.price_to_precision(SWAP, await last_price(okx) * 0.97)
    async with asyncio.timeout(30):
        placed = await okx.create_order_ws(SWAP, "limit", "buy", 1, float(price))
        assert placed["id"]
        await okx.edit_order_ws(placed["id"], SWAP, "limit", "buy", 2, float(price))
        (live,) = await okx.fetch_open_orders(SWAP)
        assert live["amount"] == 2
        await okx.cancel_order_ws(placed["id"], SWAP)
    assert await okx.fetch_open_orders(SWAP) == []


async def test_watching_trigger_orders(okx: ccxt.pro.okx) -> None:
    watching = asyncio.create_task(okx.watch_orders(params={"trigger": True}))
    await asyncio.sleep(1)
    price = await last_price(okx)
    stop = await okx.create_order(SWAP, "market", "sell", 1, params={"triggerPrice": price * 0.8})
    (order, *_) = await asyncio.wait_for(watching, 15)
    assert order["id"] == stop["id"]

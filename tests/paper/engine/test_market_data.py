"""Instruments, feeds, candles, books, tickers."""

import itertools
from datetime import UTC, datetime
from decimal import Decimal as D

import pytest

from venues.paper.engine.exchange import Exchange, OkxError

from .conftest import T0, HandClock

BARS = ["1m", "3m", "5m", "15m", "30m", "1H", "2H", "4H", "6H", "12H", "1D", "1W", "1M",
        "6Hutc", "12Hutc", "1Dutc", "2Dutc", "3Dutc", "1Wutc", "1Mutc"]  # fmt: skip
MINUTE = 60_000


@pytest.fixture
def walk(clock):
    return Exchange(clock, feed="walk", seed=7)


def test_the_catalogue_has_the_venues_contract_values():
    exchange = Exchange(HandClock(), feed="static")
    rows = {
        r["instId"]: r
        for kind in ("SPOT", "SWAP")
        for r in exchange.instruments({"instType": kind})
    }
    for coin, value in (("BTC", "0.01"), ("ETH", "0.1"), ("SOL", "1"), ("DOGE", "1000")):
        swap = rows[f"{coin}-USDT-SWAP"]
        assert (swap["ctVal"], swap["ctType"], swap["settleCcy"]) == (value, "linear", "USDT")
        assert rows[f"{coin}-USDT"]["baseCcy"] == coin
    assert (rows["BTC-USD-SWAP"]["ctVal"], rows["BTC-USD-SWAP"]["ctValCcy"]) == ("100", "USD")
    assert (rows["ETH-USD-SWAP"]["ctVal"], rows["ETH-USD-SWAP"]["settleCcy"]) == ("10", "ETH")
    assert rows["BTC-USDT-SWAP"]["lotSz"] == "0.01"
    assert len([r for r in rows if r.endswith("-USDT-SWAP")]) >= 16
    codes = [r["instIdCode"] for r in rows.values()]
    assert all(type(c) is int for c in codes)
    assert len(set(codes)) == len(codes)
    assert exchange.instruments({"instType": "FUTURES"}) == []


def test_one_seed_gives_one_path_and_another_seed_another(clock):
    def path(seed):
        exchange = Exchange(clock, feed="walk", seed=seed)
        return exchange.history_candles({"instId": "BTC-USDT", "limit": "50"})

    assert path(1) == path(1)
    assert path(1) != path(2)


def test_prices_move_and_stay_near_each_other(walk, clock):
    seen = set()
    for _ in range(60):
        clock.advance(1000)
        walk.tick()
        seen.add(D(walk.ticker({"instId": "BTC-USDT-SWAP"})[0]["last"]))
    assert len(seen) > 30
    assert max(seen) / min(seen) < D("1.02")


@pytest.mark.parametrize("bar", BARS)
def test_history_is_there_from_the_first_second(walk, clock, bar):
    rows = walk.candles({"instId": "ETH-USDT-SWAP", "bar": bar, "limit": "20"})
    assert len(rows) == 20
    assert [r[8] for r in rows] == ["0"] + ["1"] * 19
    for newer, older in itertools.pairwise(rows):
        assert int(newer[0]) > int(older[0])
        assert newer[1] == older[4]  # a bar opens where the one before closed
    for _ts, o, h, low, c, vol, *_ in rows:
        assert D(low) <= min(D(o), D(c)) <= max(D(o), D(c)) <= D(h)
        assert D(vol) > 0


@pytest.mark.parametrize(("small", "big", "count"), [("1m", "1H", 60), ("1H", "1Dutc", 24)])
def test_small_bars_add_up_to_the_big_one(walk, small, big, count):
    whole = walk.history_candles({"instId": "BTC-USDT", "bar": big, "limit": "1"})[0]
    start = int(whole[0])
    span = MINUTE * (1 if small == "1m" else 60)
    ask = {"instId": "BTC-USDT", "bar": small, "limit": str(count)}
    parts = walk.history_candles(ask | {"after": str(start + count * span)})
    assert [int(p[0]) for p in parts] == [start + i * span for i in range(count)][::-1]
    assert D(whole[2]) == max(D(p[2]) for p in parts)
    assert D(whole[3]) == min(D(p[3]) for p in parts)
    assert (whole[1], whole[4]) == (parts[-1][1], parts[0][4])


@pytest.mark.parametrize(
    ("bar", "hour"), [("1D", 16), ("1Dutc", 0), ("6H", 4), ("6Hutc", 6), ("1W", 16), ("1M", 16)]
)
def test_long_bars_open_on_hong_kong_time_unless_utc(walk, bar, hour):
    start = int(walk.candles({"instId": "BTC-USDT", "bar": bar})[0][0])
    assert datetime.fromtimestamp(start / 1000, UTC).hour == hour
    if bar == "1W":
        # Monday in Hong Kong is still Sunday in UTC.
        assert datetime.fromtimestamp(start / 1000, UTC).weekday() == 6


def test_before_and_after_choose_a_span_the_way_clients_ask(walk):
    now = T0 + MINUTE
    since = now - 500 * MINUTE
    rows = walk.candles({"instId": "BTC-USDT", "bar": "1m", "limit": "300",
                         "before": str(since - 1), "after": str(since + 300 * MINUTE)})  # fmt: skip
    assert (int(rows[-1][0]), len(rows)) == (since, 300)
    assert (
        walk.candles({"instId": "BTC-USDT", "bar": "1m", "after": str(now - 2000 * MINUTE)}) == []
    )
    deep = walk.history_candles({"instId": "BTC-USDT", "after": str(now - 2000 * MINUTE)})
    assert len(deep) == 100


def test_a_live_minute_becomes_the_same_history(walk, clock):
    seen = []
    for _ in range(240):
        clock.advance(500)
        walk.tick()
        last = D(walk.ticker({"instId": "BTC-USDT"})[0]["last"])
        candle = walk.live_candle("BTC-USDT", "1m")
        assert D(candle[3]) <= last <= D(candle[2])
        assert D(candle[4]) == last
        seen.append((clock.ms // MINUTE, last))
    minute = T0 // MINUTE + 1
    closed = walk.live_candle("BTC-USDT", "1m", back=1)
    assert closed[8] == "1"
    history = {int(r[0]): r for r in walk.history_candles({"instId": "BTC-USDT"})}
    assert history[int(closed[0])] == closed
    inside = [px for m, px in seen if m == minute]
    bar = history[minute * MINUTE]
    assert D(bar[3]) <= min(inside)
    assert max(inside) <= D(bar[2])


def test_a_price_jump_shows_in_its_minute_and_holds(exchange, clock):
    exchange.set_price("BTC-USDT", "66000")
    clock.advance(MINUTE)
    exchange.tick()
    rows = exchange.candles({"instId": "BTC-USDT", "limit": "3"})
    assert [r[1:5] for r in rows] == [
        ["66000"] * 4, ["60000", "66000", "60000", "66000"], ["60000"] * 4,
    ]  # fmt: skip
    day = exchange.candles({"instId": "BTC-USDT", "bar": "1Dutc", "limit": "1"})[0]
    assert day[1:5] == ["60000", "66000", "60000", "66000"]
    assert exchange.ticker({"instId": "BTC-USDT-SWAP"})[0]["last"] == "60000"  # only that one


@pytest.mark.parametrize("px", ["0", "-5", "NaN", "x", ""])
def test_an_unusable_price_is_refused(exchange, px):
    with pytest.raises(OkxError):
        exchange.set_price("BTC-USDT", px)
    with pytest.raises(OkxError):
        exchange.set_price("NO-SUCH", "1")


def test_the_book_is_sorted_and_deep(walk):
    row = walk.books({"instId": "SOL-USDT", "sz": "400"})[0]
    asks, bids = ([D(x[0]) for x in row[k]] for k in ("asks", "bids"))
    assert len(asks) == len(bids) == 400
    assert asks == sorted(set(asks))
    assert bids == sorted(set(bids), reverse=True)
    assert bids[0] < asks[0]
    ticker = walk.ticker({"instId": "SOL-USDT"})[0]
    assert (D(ticker["askPx"]), D(ticker["bidPx"])) == (asks[0], bids[0])
    assert walk.book_levels("SOL-USDT", 5) == (row["bids"][:5], row["asks"][:5], row["seqId"])


def test_trades_are_on_the_tape(desk):
    desk.placed("BTC-USDT-SWAP", "sell", "3")
    row = desk.exchange.trades({"instId": "BTC-USDT-SWAP"})[0]
    assert (row["px"], row["sz"], row["side"]) == ("59999.4", "3", "sell")
    assert desk.exchange.fills(desk.acc, {})[0]["tradeId"] == row["tradeId"]


def csv_file(tmp_path, text):
    path = tmp_path / "candles.csv"
    path.write_text(text)
    return str(path)


def test_a_csv_plays_its_second_half_in_real_time(tmp_path):
    rows = "\n".join(
        f"{1_700_000_040_000 + i * MINUTE},{100 + i},{102 + i},{99 + i},{101 + i},5"
        for i in range(10)
    )
    clock = HandClock(T0)
    exchange = Exchange(clock, feed=csv_file(tmp_path, "ts,open,high,low,close,volume\n" + rows))
    history = exchange.history_candles({"instId": "BTC-USDT", "limit": "5"})
    assert history[0][1:5] == ["104", "106", "103", "105"]
    assert exchange.ticker({"instId": "BTC-USDT"})[0]["last"] == "105"
    clock.advance(MINUTE)
    exchange.tick()
    assert exchange.history_candles({"instId": "BTC-USDT"})[0][1:5] == ["105", "107", "104", "106"]
    clock.advance(60 * MINUTE)
    exchange.tick()
    assert exchange.ticker({"instId": "BTC-USDT-SWAP"})[0]["last"] == "110"  # the last close
    assert exchange.ticker({"instId": "ETH-USDT"})[0]["last"] != "110"  # not in the file: walks


@pytest.mark.parametrize(
    "text", ["", "ts,open\n1,2", "1,2,3,4,x", "1700000000000,10,5,1,4", "1700000000000,nan,5,1,4"]
)
def test_an_unusable_csv_says_where(tmp_path, text):
    with pytest.raises(ValueError, match=r"candles\.csv"):
        Exchange(HandClock(), feed=csv_file(tmp_path, text))


@pytest.mark.parametrize(
    ("call", "params", "code"),
    [
        ("candles", {"instId": "BTC-USDT", "bar": "7m"}, "51000"),
        ("candles", {"instId": "BTC-USDT", "bar": "1mutc"}, "51000"),
        ("candles", {"instId": "NOPE"}, "51001"),
        ("candles", {}, "50014"),
        ("candles", {"instId": "BTC-USDT", "limit": "x"}, "51000"),
        ("books", {"instId": "BTC-USDT", "sz": "0"}, "51000"),
        ("instruments", {"instType": "STOCK"}, "51000"),
        ("instruments", {}, "50014"),
        ("funding_rate", {"instId": "BTC-USDT"}, "51001"),
        ("tickers", {}, "50014"),
        ("position_tiers", {"instType": "SWAP", "tdMode": "cross"}, "50014"),
    ],
)
def test_bad_public_requests_are_refused(exchange, call, params, code):
    with pytest.raises(OkxError) as refused:
        getattr(exchange, call)(params)
    assert refused.value.code == code


def test_before_alone_brings_the_newest_bars(walk):
    now = T0 + MINUTE
    rows = walk.candles({"instId": "BTC-USDT", "before": str(now - 500 * MINUTE), "limit": "5"})
    assert [int(r[0]) for r in rows] == [now - i * MINUTE for i in range(5)]
    rows = walk.candles({"instId": "BTC-USDT", "before": str(now - 3 * MINUTE)})
    assert [int(r[0]) for r in rows] == [now - i * MINUTE for i in range(3)]

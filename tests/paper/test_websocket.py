"""The WebSocket side: connections, acknowledgements, channels and their rhythm."""

import json
import time
from collections.abc import Callable
from decimal import Decimal

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from config.demo.paper_control import PaperAccount
from tests.conftest import PaperServer, PaperStarter
from tests.paper.client import PaperClient, PaperSocket, order

OpenSocket = Callable[..., PaperSocket]
INST = "BTC-USDT-SWAP"


# -- connection -----------------------------------------------------------------------------------


def test_text_pings_are_answered(open_socket: OpenSocket) -> None:
    socket = open_socket("public")
    socket.send("ping")
    assert socket.receive() == "pong"


def test_an_unknown_path_is_no_websocket(open_socket: OpenSocket) -> None:
    with pytest.raises(InvalidStatus) as refused:
        open_socket("other")
    assert refused.value.response.status_code == 404


@pytest.mark.slow
def test_a_socket_without_traffic_is_closed_after_thirty_seconds(
    open_socket: OpenSocket,
) -> None:
    idle, busy = open_socket("public"), open_socket("public")
    started = time.monotonic()
    while time.monotonic() - started < 27:
        time.sleep(9)
        busy.send("ping")
        assert busy.receive() == "pong"
        idle.ws.ping()  # control frames do not count
    with pytest.raises(ConnectionClosed) as closed:
        idle.receive(6)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4004
    assert 29 < time.monotonic() - started < 34
    busy.send("ping")
    assert busy.receive() == "pong"


def test_a_frame_past_64_kib_ends_the_connection(open_socket: OpenSocket) -> None:
    socket = open_socket("public")
    socket.send(json.dumps({"op": "subscribe", "args": [{"channel": "x" * 70_000}]}))
    with pytest.raises(ConnectionClosed) as closed:
        socket.receive()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


@pytest.mark.parametrize(
    "message", ["not json", "[]", "{}", '{"op": 1}', '{"op": "dance", "args": []}']
)
def test_a_message_that_means_nothing_answers_60012(open_socket: OpenSocket, message: str) -> None:
    socket = open_socket("public")
    socket.send(message)
    answer = socket.receive()
    assert (answer["event"], answer["code"]) == ("error", "60012")


# -- subscriptions --------------------------------------------------------------------------------


def test_each_argument_is_acknowledged_and_the_id_echoed(open_socket: OpenSocket) -> None:
    socket = open_socket("public")
    arguments = [{"channel": "tickers", "instId": i} for i in (INST, "ETH-USDT-SWAP")]
    socket.send({"op": "subscribe", "args": arguments, "id": "s1"})
    acks = [socket.until(lambda m: m.get("event") == "subscribe") for _ in arguments]
    assert [(ack["arg"], ack["id"]) for ack in acks] == [(a, "s1") for a in arguments]
    assert {ack["connId"] for ack in acks} == {acks[0]["connId"]}


@pytest.mark.parametrize(
    ("kind", "argument"),
    [
        ("public", {"channel": "nothing"}),
        ("public", {"channel": "tickers", "instId": "FOO-BAR"}),
        ("public", {"channel": "tickers"}),
        ("public", {"channel": "candle1m", "instId": INST}),
        ("public", {"channel": "trades-all", "instId": INST}),
        ("business", {"channel": "tickers", "instId": INST}),
        ("business", {"channel": "candle7m", "instId": INST}),
    ],
)
def test_a_wrong_argument_answers_60018(
    open_socket: OpenSocket, kind: str, argument: dict[str, str]
) -> None:
    answer = open_socket(kind).subscribe(argument, id="x")
    assert (answer["event"], answer["code"], answer["id"]) == ("error", "60018", "x")


def test_private_channels_need_a_login(open_socket: OpenSocket) -> None:
    answer = open_socket("private").subscribe({"channel": "account"})
    assert answer["code"] == "60011"


def test_private_subscriptions_tell_the_number_of_connections(
    open_socket: OpenSocket, account: PaperAccount
) -> None:
    argument = {"channel": "orders", "instType": "ANY"}
    counts = []
    for _ in range(2):
        socket = open_socket("private", account)
        socket.subscribe(argument)
        message = socket.until(lambda m: m.get("event") == "channel-conn-count")
        assert message["channel"] == "orders"
        counts.append(message["connCount"])
    assert counts == ["1", "2"]


def test_unsubscribing_stops_the_pushes(
    paper_exchange: PaperServer, open_socket: OpenSocket
) -> None:
    socket = open_socket("public")
    argument = {"channel": "trades", "instId": "DOGE-USDT-SWAP"}
    trader = PaperClient(paper_exchange.url, paper_exchange.account())
    socket.subscribe(argument)
    trader.post("trade/order", order(instId="DOGE-USDT-SWAP"))
    socket.push("trades")
    socket.send({"op": "unsubscribe", "args": [argument], "id": "u1"})
    assert socket.until(lambda m: m.get("event") == "unsubscribe")["id"] == "u1"
    trader.post("trade/order", order(instId="DOGE-USDT-SWAP"))
    with pytest.raises(TimeoutError):
        socket.push("trades", timeout=1)


# -- market channels ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "argument", "field"),
    [
        ("public", {"channel": "tickers", "instId": INST}, "last"),
        ("public", {"channel": "mark-price", "instId": INST}, "markPx"),
        ("public", {"channel": "funding-rate", "instId": INST}, "fundingRate"),
        ("public", {"channel": "index-tickers", "instId": "BTC-USDT"}, "idxPx"),
        ("public", {"channel": "price-limit", "instId": INST}, "buyLmt"),
        ("public", {"channel": "open-interest", "instId": INST}, "oi"),
        ("public", {"channel": "instruments", "instType": "SWAP"}, "ctVal"),
        ("public", {"channel": "books5", "instId": INST}, "asks"),
        ("public", {"channel": "bbo-tbt", "instId": INST}, "asks"),
    ],
)
def test_a_channel_tells_its_state_at_once(
    open_socket: OpenSocket, kind: str, argument: dict[str, str], field: str
) -> None:
    socket = open_socket(kind)
    socket.subscribe(argument)
    push = socket.push(argument["channel"])
    assert push["arg"] == argument
    assert push["data"][0][field]


def test_a_price_jump_reaches_ticker_mark_and_candle(
    paper_exchange: PaperServer, open_socket: OpenSocket
) -> None:
    public, business = open_socket("public"), open_socket("business")
    public.subscribe({"channel": "tickers", "instId": "SOL-USDT-SWAP"})
    business.subscribe({"channel": "candle1m", "instId": "SOL-USDT-SWAP"})
    last = Decimal(public.push("tickers")["data"][0]["last"])
    target = (last * Decimal("1.02")).quantize(Decimal("0.01"))
    paper_exchange.control.set_price("SOL-USDT-SWAP", str(target))
    public.until(
        lambda m: "data" in m and abs(Decimal(m["data"][0]["last"]) / target - 1) < Decimal("0.001")
    )
    candle = business.until(
        lambda m: "data" in m and Decimal(m["data"][0][2]) >= target * Decimal("0.999")
    )
    assert len(candle["data"][0]) == 9


def test_the_book_goes_on_by_sequence(start_paper_exchange: PaperStarter, source_ip: str) -> None:
    venue = start_paper_exchange(feed="walk")
    socket = PaperSocket(venue.url, "public", source_ip)
    socket.subscribe({"channel": "books", "instId": INST})
    snapshot = socket.push("books")
    assert snapshot["action"] == "snapshot"
    row = snapshot["data"][0]
    assert (row["prevSeqId"], row["checksum"]) == (-1, 0)
    sides = {name: {level[0]: level[1] for level in row[name]} for name in ("asks", "bids")}
    sequence = row["seqId"]
    for _ in range(10):
        update = socket.push("books")
        row = update["data"][0]
        assert update["action"] == "update"
        assert row["prevSeqId"] == sequence
        assert row["seqId"] > sequence
        sequence = row["seqId"]
        for name in ("asks", "bids"):
            for px, sz, *_ in row[name]:
                if sz == "0":
                    assert sides[name].pop(px, None) is not None
                else:
                    sides[name][px] = sz
    assert len(sides["asks"]) == len(sides["bids"]) == 400
    assert max(map(Decimal, sides["bids"])) < min(map(Decimal, sides["asks"]))
    # A second subscriber starts from where the first one is.
    late = PaperSocket(venue.url, "public", source_ip)
    late.subscribe({"channel": "books", "instId": INST})
    start = late.push("books")["data"][0]["seqId"]
    assert late.push("books")["data"][0]["prevSeqId"] == start
    socket.close()
    late.close()


def test_trades_are_told_in_both_channels(
    paper_exchange: PaperServer, account: PaperAccount, open_socket: OpenSocket
) -> None:
    public, business = open_socket("public"), open_socket("business")
    argument = {"instId": "ETH-USDT-SWAP"}
    public.subscribe({"channel": "trades", **argument})
    business.subscribe({"channel": "trades-all", **argument})
    client = PaperClient(paper_exchange.url, account)
    client.post("trade/order", order(instId="ETH-USDT-SWAP", sz="3"))
    for socket, channel in ((public, "trades"), (business, "trades-all")):
        rows = socket.push(channel)["data"]
        assert {row["side"] for row in rows} == {"buy"}
        assert sum(Decimal(row["sz"]) for row in rows) == 3


# -- private channels -----------------------------------------------------------------------------


def test_orders_fills_positions_and_balances_follow_a_trade(
    client: PaperClient, open_socket: OpenSocket
) -> None:
    socket = open_socket("private", client.account)
    socket.send(
        {
            "op": "subscribe",
            "args": [
                {"channel": "orders", "instType": "SWAP"},
                {"channel": "fills"},
                {"channel": "positions", "instType": "ANY"},
                {"channel": "account"},
                {"channel": "balance_and_position"},
            ],
        }
    )
    positions = socket.push("positions")
    assert (positions["eventType"], positions["data"]) == ("snapshot", [])
    account = socket.push("account")
    assert account["eventType"] == "snapshot"
    assert account["data"][0]["details"][0]["ccy"] == "USDT"
    joint = socket.push("balance_and_position")["data"][0]
    assert joint["eventType"] == "snapshot"
    placed = client.post("trade/order", order(sz="2", clOrdId="push1")).row
    messages = []
    wanted = {"orders", "fills", "positions", "account", "balance_and_position"}
    while wanted - {m["arg"]["channel"] for m in messages}:
        messages.append(socket.until(lambda m: "data" in m))
    by_channel = {m["arg"]["channel"]: m["data"][0] for m in messages}
    states = [m["data"][0]["state"] for m in messages if m["arg"]["channel"] == "orders"]
    last = by_channel["orders"]
    assert states[-1] == "filled"
    assert (last["ordId"], last["clOrdId"], last["accFillSz"]) == (placed["ordId"], "push1", "2")
    assert {"fillPx", "tradeId", "execType", "fillFee", "lastPx", "amendResult"} <= set(last)
    assert by_channel["fills"]["ordId"] == placed["ordId"]
    assert by_channel["positions"]["pos"] == "2"
    assert Decimal(by_channel["account"]["details"][0]["cashBal"]) < 100_000
    joint = by_channel["balance_and_position"]
    assert [row["pos"] for row in joint["posData"]] == ["2"]
    assert joint["trades"][0]["instId"] == INST


def test_private_pushes_reach_their_owner_only(
    paper_exchange: PaperServer, client: PaperClient, open_socket: OpenSocket
) -> None:
    stranger = open_socket("private", paper_exchange.account())
    stranger.subscribe({"channel": "orders", "instType": "ANY"})
    owner = open_socket("private", client.account)
    owner.subscribe({"channel": "orders", "instType": "ANY"})
    client.post("trade/order", order())
    owner.push("orders")
    with pytest.raises(TimeoutError):
        stranger.push("orders", timeout=0.5)


def test_a_subscription_hears_its_own_instruments_only(
    client: PaperClient, open_socket: OpenSocket
) -> None:
    socket = open_socket("private", client.account)
    socket.subscribe({"channel": "orders", "instType": "SWAP", "instId": "ETH-USDT-SWAP"})
    client.post("trade/order", order())
    client.post("trade/order", order(instId="ETH-USDT-SWAP"))
    assert socket.push("orders")["data"][0]["instId"] == "ETH-USDT-SWAP"


def test_positions_and_account_are_repeated_every_five_seconds(
    client: PaperClient, open_socket: OpenSocket
) -> None:
    client.post("trade/order", order())
    socket = open_socket("private", client.account)
    socket.subscribe({"channel": "positions", "instType": "ANY"})
    assert socket.push("positions")["eventType"] == "snapshot"
    again = socket.push("positions", timeout=7)
    assert again["data"][0]["pos"] == "1"


def test_algo_orders_are_pushed_on_business(client: PaperClient, open_socket: OpenSocket) -> None:
    socket = open_socket("business", client.account)
    socket.subscribe({"channel": "orders-algo", "instType": "ANY"})
    placed = client.post(
        "trade/order-algo",
        {
            "instId": INST,
            "tdMode": "cross",
            "side": "buy",
            "ordType": "trigger",
            "sz": "1",
            "triggerPx": "1000",
            "orderPx": "-1",
        },
    ).row
    row = socket.push("orders-algo")["data"][0]
    assert (row["algoId"], row["state"]) == (placed["algoId"], "live")


# -- order operations -----------------------------------------------------------------------------


def test_orders_are_placed_amended_and_cancelled_over_a_socket(
    client: PaperClient, open_socket: OpenSocket
) -> None:
    socket = open_socket("private", client.account)
    code = client.get(f"public/instruments?instType=SWAP&instId={INST}").row["instIdCode"]
    assert isinstance(code, int)
    last = Decimal(client.get(f"market/ticker?instId={INST}").row["last"])
    limit = order(ordType="limit", px=str(int(last * Decimal("0.97"))))
    by_code = {**limit, "instIdCode": code}
    del by_code["instId"]

    def ask(number: str, op: str, *args: dict) -> dict:
        socket.send({"id": number, "op": op, "args": list(args)})
        answer = socket.until(lambda m: m.get("id") == number)
        assert (answer["op"], answer["msg"]) == (op, "")
        return answer

    placed = ask("1", "order", by_code)
    assert placed["code"] == "0"
    assert int(placed["inTime"]) <= int(placed["outTime"])
    target = {"instIdCode": code, "ordId": placed["data"][0]["ordId"]}
    assert ask("2", "amend-order", {**target, "newSz": "3"})["code"] == "0"
    assert client.get("trade/orders-pending").row["sz"] == "3"
    assert ask("3", "cancel-order", target)["code"] == "0"
    batch = ask("4", "batch-orders", limit, {**limit, "sz": "0"})
    assert batch["code"] == "2"
    orders = [{"instId": INST, "ordId": batch["data"][0]["ordId"]}]
    assert ask("5", "batch-cancel-orders", *orders)["code"] == "0"
    failed = ask("6", "order", {**limit, "sz": "0"})
    assert failed["code"] == "1"
    assert failed["data"][0]["sCode"] != "0"


def test_a_late_order_is_discarded(client: PaperClient, open_socket: OpenSocket) -> None:
    socket = open_socket("private", client.account)
    socket.send(
        {"id": "1", "op": "order", "args": [order()], "expTime": str(int(time.time() * 1000) - 1)}
    )
    answer = socket.until(lambda m: m.get("id") == "1")
    codes = {answer["code"], *(row["sCode"] for row in answer["data"])}
    assert codes & {"50036", "50037"}
    assert client.get("trade/orders-history?instType=SWAP").data == []


def test_order_operations_need_login_and_permission(
    paper_exchange: PaperServer, open_socket: OpenSocket
) -> None:
    socket = open_socket("private")
    socket.send({"id": "1", "op": "order", "args": [order()]})
    assert socket.receive()["code"] == "60011"
    socket.login(paper_exchange.account(permissions=("read_only",)))
    socket.send({"id": "2", "op": "order", "args": [order()]})
    assert socket.until(lambda m: m.get("id") == "2")["code"] == "50120"

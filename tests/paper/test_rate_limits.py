"""The venue's limits, with its codes: per user and instrument, per address, per sub-account."""

import json
import time
from collections.abc import Callable

import pytest
from websockets.exceptions import InvalidStatus

from tests.conftest import PaperServer
from tests.paper.client import PaperClient, PaperSocket, order


def resting(**changes: str) -> dict:
    return order(
        ordType="limit", px="10000", instId="BTC-USDT", tdMode="cash", sz="0.001", **changes
    )


def test_sixty_placements_in_two_seconds_per_user_and_instrument(client: PaperClient) -> None:
    first = time.monotonic()
    codes = [client.post("trade/order", order(sz="0")).code for _ in range(61)]
    assert time.monotonic() - first < 2, "too slow to say anything about a 2 s window"
    assert "50011" not in codes[:60]
    assert codes[60] == "50011"
    other = client.post("trade/order", order(instId="ETH-USDT-SWAP", sz="0"))
    assert other.code != "50011"
    cancel = client.post("trade/cancel-order", {"instId": "BTC-USDT-SWAP", "ordId": "1"})
    assert cancel.code != "50011", "placing and cancelling are counted apart"
    time.sleep(2.1)
    assert client.post("trade/order", order(sz="0")).code != "50011"


def test_users_do_not_eat_each_others_budget(
    paper_exchange: PaperServer, client: PaperClient
) -> None:
    for _ in range(61):
        answer = client.post("trade/order", order(sz="0"))
    assert (answer.status, answer.code, answer.data) == (429, "50011", [])
    stranger = PaperClient(paper_exchange.url, paper_exchange.account(), client.source_ip)
    assert stranger.post("trade/order", order(sz="0")).code != "50011"


def test_a_batch_of_one_counts_as_a_single_order(client: PaperClient) -> None:
    codes = [client.post("trade/batch-orders", [order(sz="0")]).code for _ in range(61)]
    assert codes[60] == "50011"
    assert client.post("trade/order", order(sz="0")).code == "50011"
    assert client.post("trade/batch-orders", [order(sz="0")] * 2).code != "50011"


def test_a_batch_takes_twenty_orders_and_three_hundred_in_two_seconds(
    client: PaperClient,
) -> None:
    assert client.post("trade/batch-orders", [order(sz="0")] * 21).code == "51000"
    codes = [client.post("trade/batch-orders", [order(sz="0")] * 20).code for _ in range(16)]
    assert "50011" not in codes[:15]
    assert codes[15] == "50011"


def test_a_sub_account_places_a_thousand_derivative_orders_in_two_seconds(
    client: PaperClient,
) -> None:
    instruments = [f"{coin}-USDT-SWAP" for coin in ("BTC", "ETH", "SOL", "DOGE")]
    batches = [[order(instId=inst, sz="0")] * 20 for inst in instruments for _ in range(13)]
    started = time.monotonic()
    codes = [client.post("trade/batch-orders", batch).code for batch in batches]
    assert time.monotonic() - started < 2, "too slow to say anything about a 2 s window"
    assert codes.index("50061") == 50
    # Spot is exempt.
    assert client.post("trade/batch-orders", [resting()] * 2).code == "0"


def test_private_queries_have_their_own_limits(client: PaperClient) -> None:
    codes = [client.get("account/balance").code for _ in range(11)]
    assert codes == ["0"] * 10 + ["50011"]
    assert client.get("account/positions").code == "0"


def test_public_limits_are_counted_per_source_address(
    paper_exchange: PaperServer, source_ip: str
) -> None:
    here = PaperClient(paper_exchange.url, source_ip=source_ip)
    codes = [here.get("public/time").code for _ in range(11)]
    assert codes == ["0"] * 10 + ["50011"]
    there = PaperClient(paper_exchange.url, source_ip="127.200.7.9")
    assert there.get("public/time").code == "0"


def test_moving_the_clock_refills_nothing(paper_exchange: PaperServer, source_ip: str) -> None:
    client = PaperClient(paper_exchange.url, source_ip=source_ip)
    for _ in range(10):
        client.get("public/time")
    paper_exchange.control.call("POST", "clock", {"advanceMs": 60_000})
    assert client.get("public/time").code == "50011"


def test_three_websocket_connections_a_second_per_address(
    open_socket: Callable[..., PaperSocket],
) -> None:
    for _ in range(3):
        open_socket("public")
    with pytest.raises(InvalidStatus) as refused:
        open_socket("public")
    assert refused.value.response.status_code == 429
    assert json.loads(refused.value.response.body)["code"] == "50011"


def test_480_operations_per_connection_and_hour(
    open_socket: Callable[..., PaperSocket],
) -> None:
    socket = open_socket("public")
    argument = {"channel": "mark-price", "instId": "BTC-USDT-SWAP"}
    for number in range(480):
        socket.send({"op": "unsubscribe" if number % 2 else "subscribe", "args": [argument]})
    socket.send({"op": "subscribe", "args": [argument], "id": "last"})
    answer = socket.until(lambda m: m.get("id") == "last")
    assert (answer["event"], answer["code"]) == ("error", "60014")


def test_orders_over_rest_and_websocket_share_one_budget(
    client: PaperClient, open_socket: Callable[..., PaperSocket]
) -> None:
    for _ in range(60):
        client.post("trade/order", order(sz="0"))
    socket = open_socket("private", client.account)
    socket.send({"id": "1", "op": "order", "args": [order(sz="0")]})
    answer = socket.until(lambda m: m.get("id") == "1")
    assert (answer["code"], answer["data"]) == ("50011", [])

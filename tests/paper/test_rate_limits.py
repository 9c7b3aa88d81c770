"""The venue's limits, with its codes: per user and instrument, per address, per sub-account."""

import itertools
import json
import time
from collections.abc import Callable
from typing import TypeVar

import pytest
from websockets.exceptions import InvalidStatus

from tests.conftest import PaperServer
from tests.paper.client import PaperClient, PaperSocket, order

T = TypeVar("T")
NewClient = Callable[[], PaperClient]
PLACE = "trade/order"
BATCH = "trade/batch-orders"


def in_one_window(attempt: Callable[[], T], seconds: float = 1.9) -> T:
    """The result of an attempt that was fast enough to fall into one window.

    Each attempt takes a fresh account or address, so that a busy machine only costs time.
    """
    for _ in range(8):
        started = time.monotonic()
        result = attempt()
        if time.monotonic() - started < seconds:
            return result
    pytest.fail(f"this machine cannot do it in {seconds} s")


@pytest.fixture
def new_client(paper_exchange: PaperServer, source_ip: str) -> NewClient:
    return lambda: PaperClient(paper_exchange.url, paper_exchange.account(), source_ip)


@pytest.fixture
def new_address(paper_exchange: PaperServer, source_ip: str) -> NewClient:
    """A client without a key, each time from another address."""
    numbers = itertools.count(2)
    _, _, third, last = source_ip.split(".")
    return lambda: PaperClient(
        paper_exchange.url, source_ip=f"127.{int(third) + next(numbers)}.200.{last}"
    )


def nothing(**changes: str) -> dict:
    """An order that is refused for its size: it counts, and moves nothing."""
    return order(sz="0", **changes)


def test_sixty_placements_in_two_seconds_per_user_and_instrument(new_client: NewClient) -> None:
    def attempt() -> tuple[list[str], list[str], PaperClient]:
        client = new_client()
        codes = [client.post(PLACE, nothing()).code for _ in range(61)]
        other = client.post(PLACE, nothing(instId="ETH-USDT-SWAP")).code
        cancel = client.post("trade/cancel-order", {"instId": "BTC-USDT-SWAP", "ordId": "1"}).code
        return codes, [other, cancel], client

    codes, others, client = in_one_window(attempt)
    assert "50011" not in codes[:60]
    assert codes[60] == "50011"
    assert "50011" not in others, "other instruments and cancellations are counted apart"
    time.sleep(2.1)
    assert client.post(PLACE, nothing()).code != "50011"


def test_users_do_not_eat_each_others_budget(new_client: NewClient) -> None:
    def attempt() -> list:
        client, stranger = new_client(), new_client()
        for _ in range(61):
            answer = client.post(PLACE, nothing())
        return [answer, stranger.post(PLACE, nothing())]

    mine, strangers = in_one_window(attempt)
    assert (mine.status, mine.code, mine.data) == (429, "50011", [])
    assert strangers.code != "50011"


def test_a_batch_of_one_counts_as_a_single_order(new_client: NewClient) -> None:
    def attempt() -> list[str]:
        client = new_client()
        codes = [client.post(BATCH, [nothing()]).code for _ in range(61)]
        codes.append(client.post(PLACE, nothing()).code)
        codes.append(client.post(BATCH, [nothing()] * 2).code)
        return codes

    codes = in_one_window(attempt)
    assert "50011" not in codes[:60]
    assert codes[60:62] == ["50011"] * 2
    assert codes[62] != "50011"


def test_a_batch_takes_twenty_orders_and_three_hundred_in_two_seconds(
    new_client: NewClient,
) -> None:
    assert new_client().post(BATCH, [nothing()] * 21).code == "51000"

    def attempt() -> list[str]:
        client = new_client()
        return [client.post(BATCH, [nothing()] * 20).code for _ in range(16)]

    codes = in_one_window(attempt)
    assert "50011" not in codes[:15]
    assert codes[15] == "50011"


def test_a_sub_account_places_a_thousand_derivative_orders_in_two_seconds(
    new_client: NewClient,
) -> None:
    instruments = [f"{coin}-USDT-SWAP" for coin in ("BTC", "ETH", "SOL", "DOGE")]
    batches = [[nothing(instId=inst)] * 20 for inst in instruments for _ in range(13)]
    spot = order(ordType="limit", px="10000", instId="BTC-USDT", tdMode="cash", sz="0.001")

    def attempt() -> tuple[list[str], str]:
        client = new_client()
        codes = [client.post(BATCH, batch).code for batch in batches]
        return codes, client.post(BATCH, [spot] * 2).code

    codes, spot_code = in_one_window(attempt)
    assert codes.index("50061") == 50
    assert spot_code not in ("50061", "50011"), "spot is exempt"


def test_private_queries_have_their_own_limits(new_client: NewClient) -> None:
    def attempt() -> tuple[list[str], str]:
        client = new_client()
        codes = [client.get("account/balance").code for _ in range(11)]
        return codes, client.get("account/positions").code

    codes, positions = in_one_window(attempt)
    assert codes == ["0"] * 10 + ["50011"]
    assert positions == "0"


def test_public_limits_are_counted_per_source_address(new_address: NewClient) -> None:
    def attempt() -> tuple[list[str], str]:
        here, there = new_address(), new_address()
        codes = [here.get("public/time").code for _ in range(11)]
        return codes, there.get("public/time").code

    codes, there = in_one_window(attempt)
    assert codes == ["0"] * 10 + ["50011"]
    assert there == "0"


def test_switching_limits_on_again_starts_counting_anew(
    paper_exchange: PaperServer, new_address: NewClient
) -> None:
    client = new_address()

    def used_up() -> bool:
        return [client.get("public/time").code for _ in range(11)][-1] == "50011"

    assert in_one_window(used_up)
    for enabled in (False, True):
        paper_exchange.control.call("POST", "limits", {"enabled": enabled})
        assert client.get("public/time").code == "0"


def test_moving_the_clock_refills_nothing(
    paper_exchange: PaperServer, new_address: NewClient
) -> None:
    def attempt() -> str:
        client = new_address()
        for _ in range(10):
            client.get("public/time")
        paper_exchange.control.call("POST", "clock", {"advanceMs": 60_000})
        return client.get("public/time").code

    assert in_one_window(attempt) == "50011"


def test_three_websocket_connections_a_second_per_address(
    paper_exchange: PaperServer, new_address: NewClient
) -> None:
    def attempt() -> InvalidStatus | None:
        address = new_address().source_ip
        opened = []
        try:
            for _ in range(4):
                opened.append(PaperSocket(paper_exchange.url, "public", address))
        except InvalidStatus as refused:
            return refused if len(opened) == 3 else None
        finally:
            for socket in opened:
                socket.close()
        return None

    refused = in_one_window(attempt, 0.9)
    assert refused is not None
    assert refused.response.status_code == 429
    assert json.loads(refused.response.body)["code"] == "50011"


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
    new_client: NewClient, open_socket: Callable[..., PaperSocket]
) -> None:
    def attempt() -> dict:
        client = new_client()
        socket = open_socket("private", client.account)
        for _ in range(60):
            client.post(PLACE, nothing())
        socket.send({"id": "1", "op": "order", "args": [nothing()]})
        return socket.until(lambda m: m.get("id") == "1")

    answer = in_one_window(attempt)
    assert (answer["code"], answer["data"]) == ("50011", [])

"""What is wrong with a request is told in the venue's own shape, and nothing is booked."""

import http.client
import json
import socket
from urllib.parse import urlsplit

import pytest

from tests.conftest import PaperServer
from tests.paper.client import PaperClient, order


def test_an_unknown_endpoint_answers_404_in_the_venues_shape(client: PaperClient) -> None:
    answer = client.get("trade/nothing")
    assert (answer.status, set(answer.json)) == (404, {"code", "data", "msg"})


def test_a_wrong_method_answers_50115(client: PaperClient) -> None:
    answer = client.post("account/balance", {})
    assert (answer.status, answer.code) == (405, "50115")


@pytest.mark.parametrize("body", ['{"instId": ', "[1, 2", "NaN", '{"sz": NaN}', "nothing"])
def test_malformed_json_answers_50002(client: PaperClient, body: str) -> None:
    answer = client.post("trade/order", body)
    assert (answer.status, answer.code, answer.data) == (400, "50002", [])


def test_an_empty_body_answers_50000(client: PaperClient) -> None:
    answer = client.post("trade/order", "")
    assert (answer.status, answer.code) == (400, "50000")


def test_another_content_type_answers_50006(client: PaperClient) -> None:
    answer = client.post("trade/order", order(), **{"Content-Type": "text/plain"})
    assert (answer.status, answer.code) == (400, "50006")


def test_a_missing_field_of_an_order_is_a_parameter_error(
    paper_exchange: PaperServer, client: PaperClient
) -> None:
    for field in ("instId", "side", "ordType", "sz", "tdMode"):
        body = order()
        del body[field]
        answer = client.post("trade/order", body)
        codes = {answer.code, *(row["sCode"] for row in answer.data)}
        assert codes & {"50014", "51000", "51001"}, (field, answer.text)
    assert client.account is not None
    assert paper_exchange.control.ledger(client.account.api_key)["orders"] == []


@pytest.mark.parametrize("size", ["-1", "0", "abc", "1e400", "Infinity", "0.001", "NaN"])
def test_a_size_that_is_none_is_refused_row_by_row(client: PaperClient, size: str) -> None:
    answer = client.post("trade/order", order(sz=size))
    assert answer.status in (200, 400)
    assert answer.code != "0"


def test_empty_strings_and_nulls_count_as_absent(client: PaperClient) -> None:
    answer = client.post("trade/order", order(px="", posSide="", reduceOnly=None, ccy=None))
    assert answer.row["sCode"] == "0"


def test_a_body_past_a_megabyte_is_not_read_to_its_end(paper_exchange: PaperServer) -> None:
    address = urlsplit(paper_exchange.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as raw:
        raw.sendall(b"POST /api/v5/trade/order HTTP/1.1\r\nHost: x\r\n")
        raw.sendall(b"Content-Length: 9000000\r\n\r\n")
        try:
            for _ in range(9):
                raw.sendall(b" " * 1_000_000)
        except OSError:
            pass  # the server has hung up already, which is what it should do
        answer = http.client.HTTPResponse(raw)
        try:
            answer.begin()
        except OSError:
            return
        assert answer.status == 413


def test_what_is_no_http_answers_400_and_closes(paper_exchange: PaperServer) -> None:
    address = urlsplit(paper_exchange.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as raw:
        raw.sendall(b"\x16\x03\x01\x02\x00 this is not HTTP\r\n\r\n")
        answer = raw.recv(65536)
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_pipelined_requests_are_answered_in_their_order(
    paper_exchange: PaperServer, client: PaperClient
) -> None:
    # The first is delayed by a fault; the second must not overtake it.
    paper_exchange.control.add_fault("delay", endpoint="market/ticker", ms=300, count=1)
    address = urlsplit(paper_exchange.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as raw:
        raw.sendall(
            b"GET /api/v5/market/ticker?instId=BTC-USDT HTTP/1.1\r\nHost: x\r\n\r\n"
            b"GET /api/v5/public/time HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        received = b""
        while chunk := raw.recv(65536):
            received += chunk
    bodies = [part.partition(b"\r\n\r\n")[2] for part in received.split(b"HTTP/1.1 ")[1:]]
    first, second = (json.loads(body) for body in bodies)
    assert first["data"][0]["instId"] == "BTC-USDT"
    assert "ts" in second["data"][0]

"""Faults on demand: what each rule does to the answer, and to the books."""

import http.client
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from config.demo.paper_control import PaperControlError
from tests.conftest import PaperServer
from tests.paper.client import PaperClient, PaperSocket, order


@pytest.fixture
def orders(paper_exchange: PaperServer, client: PaperClient) -> Iterator[Callable[[], list]]:
    """What the ledger knows of the test's account."""
    account = client.account
    assert account is not None
    yield lambda: paper_exchange.control.ledger(account.api_key)["orders"]


@pytest.fixture
def fault(paper_exchange: PaperServer, client: PaperClient) -> Callable[..., str]:
    assert client.account is not None
    key = client.account.api_key

    def add(action: str, **rule: Any) -> str:
        rule = {"endpoint": "trade/order", "account": key, "count": 1, **rule}
        return paper_exchange.control.add_fault(action, **rule)

    return add


@pytest.mark.parametrize("booked", [False, True])
def test_a_dropped_answer_may_or_may_not_have_been_booked(
    client: PaperClient, fault: Callable, orders: Callable, booked: bool
) -> None:
    fault("drop", booked=booked)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        client.post("trade/order", order())
    assert len(orders()) == booked
    assert client.post("trade/order", order()).code == "0", "count 1: once only"


@pytest.mark.parametrize("booked", [False, True])
def test_a_cut_body_breaks_off_in_the_middle(
    client: PaperClient, fault: Callable, orders: Callable, booked: bool
) -> None:
    fault("cut_body", booked=booked)
    with pytest.raises(http.client.IncompleteRead) as cut:
        client.post("trade/order", order())
    assert cut.value.partial.startswith(b"{")
    assert len(orders()) == booked


@pytest.mark.parametrize("booked", [False, True])
@pytest.mark.parametrize(
    ("action", "rule", "status", "text"),
    [
        ("http_status", {"status": 503}, 503, "<html>"),
        ("http_status", {"status": 504, "body": '{"code":"50004"}'}, 504, '{"code":"50004"}'),
        ("html", {}, 200, "<html>"),
        ("empty_body", {}, 200, ""),
        ("empty_data", {}, 200, '{"code":"0","data":[],"msg":""}'),
        ("error_code", {"code": "50026"}, 500, '{"code":"50026"'),
        ("error_code", {"code": "51149"}, 500, '{"code":"51149"'),
        ("error_code", {"code": "50013"}, 429, '{"code":"50013"'),
        ("error_code", {"code": "51054", "status": 200, "msg": "x"}, 200, '{"code":"51054"'),
    ],
)
def test_an_answer_may_say_anything_whether_booked_or_not(
    client: PaperClient,
    fault: Callable,
    orders: Callable,
    action: str,
    rule: dict[str, Any],
    status: int,
    text: str,
    booked: bool,
) -> None:
    fault(action, booked=booked, **rule)
    answer = client.post("trade/order", order())
    assert answer.status == status
    assert answer.text.startswith(text)
    assert bool(answer.text) == bool(text)
    assert len(orders()) == booked


def test_a_delay_before_booking_lets_the_deadline_pass(
    client: PaperClient, fault: Callable, orders: Callable
) -> None:
    fault("delay", ms=400)
    deadline = str(int(time.time() * 1000) + 200)
    answer = client.post("trade/order", order(), expTime=deadline)
    codes = {answer.code, *(row["sCode"] for row in answer.data)}
    assert codes & {"50036", "50037"}, answer.text
    assert orders() == []


def test_a_delay_after_booking_has_booked_at_once(
    client: PaperClient, fault: Callable, orders: Callable
) -> None:
    fault("delay", ms=1500, booked=True)
    client.timeout = 0.5
    with pytest.raises(TimeoutError):
        client.post("trade/order", order())
    assert len(orders()) == 1


def test_a_request_in_delay_is_booked_though_the_client_has_gone(
    client: PaperClient, fault: Callable, orders: Callable
) -> None:
    fault("delay", ms=600)
    client.timeout = 0.2
    with pytest.raises(TimeoutError):
        client.post("trade/order", order())
    assert orders() == []
    time.sleep(0.8)
    assert len(orders()) == 1


def test_a_frozen_request_never_answers(
    client: PaperClient, fault: Callable, orders: Callable
) -> None:
    fault("freeze", booked=True)
    client.timeout = 0.5
    with pytest.raises(TimeoutError):
        client.post("trade/order", order())
    assert len(orders()) == 1


def test_a_hidden_order_is_found_later(
    client: PaperClient, fault: Callable, orders: Callable
) -> None:
    fault("hide_order", ms=1200)
    placed = client.post("trade/order", order(clOrdId="hidden1")).row
    lookup = "trade/order?instId=BTC-USDT-SWAP&clOrdId=hidden1"
    missing = client.get(lookup)
    assert (missing.status, missing.code, missing.data) == (200, "51603", [])
    history = client.get("trade/orders-history?instType=SWAP").data
    assert placed["ordId"] not in [row["ordId"] for row in history]
    assert client.get("trade/fills-history?instType=SWAP").data == []
    assert len(orders()) == 1, "the ledger hides nothing"
    time.sleep(1.3)
    assert client.get(lookup).row["ordId"] == placed["ordId"]


@pytest.mark.parametrize(
    ("remainder", "state"), [("rest", "partially_filled"), ("cancel", "canceled")]
)
def test_a_partial_fill_leaves_a_remainder(
    client: PaperClient, fault: Callable, remainder: str, state: str
) -> None:
    fault("partial_fill", ratio=0.4, remainder=remainder)
    placed = client.post("trade/order", order(sz="10")).row
    row = client.get(f"trade/order?instId=BTC-USDT-SWAP&ordId={placed['ordId']}").row
    assert (row["state"], row["accFillSz"]) == (state, "4")


def test_rules_select_by_instrument_and_client_id(client: PaperClient, fault: Callable) -> None:
    fault("error_code", code="50001", instId="ETH-*", count=None)
    fault("error_code", code="50013", clOrdId="bad*", count=None)
    assert client.post("trade/order", order()).code == "0"
    assert client.post("trade/order", order(instId="ETH-USDT-SWAP")).code == "50001"
    assert client.post("trade/order", order(clOrdId="bad1")).code == "50013"


def test_rules_select_by_account_and_method(
    paper_exchange: PaperServer, client: PaperClient, fault: Callable
) -> None:
    fault("error_code", code="50001", method="GET", count=None)
    assert client.post("trade/order", order()).code == "0"
    assert client.get("trade/order?instId=BTC-USDT-SWAP&ordId=1").code == "50001"
    stranger = PaperClient(paper_exchange.url, paper_exchange.account(), client.source_ip)
    assert stranger.get("trade/order?instId=BTC-USDT-SWAP&ordId=1").code == "51603"


def test_chance_is_repeatable_by_its_seed(
    paper_exchange: PaperServer, client: PaperClient, fault: Callable
) -> None:
    def strikes() -> str:
        fault(
            "error_code", code="50001", endpoint="trade/fills", count=None, probability=0.5, seed=7
        )
        codes = [client.get("trade/fills").code for _ in range(20)]
        paper_exchange.control.clear_faults()
        return "".join("x" if code == "50001" else "." for code in codes)

    first = strikes()
    assert 0 < first.count("x") < 20
    assert strikes() == first


def test_skip_lets_the_first_requests_through(client: PaperClient, fault: Callable) -> None:
    fault("error_code", code="50001", endpoint="trade/fills", skip=2)
    codes = [client.get("trade/fills").code for _ in range(4)]
    assert codes == ["0", "0", "50001", "0"]


def test_deleting_rules_ends_them(
    paper_exchange: PaperServer, client: PaperClient, fault: Callable
) -> None:
    rule = fault("error_code", code="50001", count=None)
    listed = paper_exchange.control.call("GET", "faults")["faults"]
    assert rule in [entry["id"] for entry in listed]
    paper_exchange.control.call("DELETE", f"faults/{rule}")
    assert client.post("trade/order", order()).code == "0"
    with pytest.raises(PaperControlError, match="404"):
        paper_exchange.control.call("DELETE", f"faults/{rule}")


def test_one_field_of_an_answer_can_be_garbage(client: PaperClient, fault: Callable) -> None:
    lookup = "trade/order?instId=BTC-USDT-SWAP&clOrdId=garbled1"
    client.post("trade/order", order(clOrdId="garbled1"))
    true = client.get(lookup).row
    for value in (None, "NaN", 7, [], "１２"):
        fault("garbage", method="GET", field="accFillSz", value=value)
        assert client.get(lookup).row == {**true, "accFillSz": value}
    fault("garbage", method="GET", field="accFillSz", value="<removed>")
    assert client.get(lookup).row == {k: v for k, v in true.items() if k != "accFillSz"}
    fault("garbage", method="GET", field="row", value=None)
    assert client.get(lookup).data == [None]
    fault("garbage", method="GET", field="code", value=0)
    assert client.get(lookup).json == {"code": 0, "data": [true], "msg": ""}
    assert client.get(lookup).row == true


def test_garbage_by_chance_is_repeatable_and_strikes_one_field(
    client: PaperClient, fault: Callable, orders: Callable
) -> None:
    def spoiled() -> list[str]:
        fault("garbage", endpoint="account/balance", count=None, seed=3)
        texts = [client.get("account/balance").text for _ in range(30)]
        return [text.partition('"uTime"')[0] for text in texts]

    first = spoiled()
    assert len(set(first)) > 5
    fault("garbage", seed=5, count=1)
    client.post("trade/order", order())
    assert len(orders()) == 1, "what is answered is nonsense, what was asked is done"


@pytest.mark.parametrize(
    "rule",
    [
        {"action": "explode"},
        {"action": "drop", "probability": 2},
        {"action": "drop", "count": -1},
        {"action": "garbage", "row": -1},
        {"action": "garbage", "field": 7},
        {"action": "drop", "endpiont": "trade/order"},
        {"action": "delay", "ms": "soon"},
        "drop",
        [],
    ],
)
def test_a_rule_that_says_nothing_sensible_is_refused(
    paper_exchange: PaperServer, rule: Any
) -> None:
    with pytest.raises(PaperControlError, match="400"):
        paper_exchange.control.call("POST", "faults", rule)
    assert paper_exchange.control.call("GET", "faults")["faults"] == []


# -- WebSocket ------------------------------------------------------------------------------------


@pytest.mark.parametrize("booked", [False, True])
def test_a_socket_closed_before_the_reply_may_have_booked(
    client: PaperClient,
    fault: Callable,
    orders: Callable,
    open_socket: Callable[..., PaperSocket],
    booked: bool,
) -> None:
    socket = open_socket("private", client.account)
    fault("drop", endpoint="ws/order", booked=booked)
    socket.send({"id": "1", "op": "order", "args": [order()]})
    with pytest.raises(ConnectionClosed):
        socket.receive()
    assert len(orders()) == booked


def test_a_websocket_order_may_be_answered_with_an_error_code(
    client: PaperClient, fault: Callable, open_socket: Callable[..., PaperSocket]
) -> None:
    socket = open_socket("private", client.account)
    fault("error_code", endpoint="ws/order", code="50026")
    socket.send({"id": "1", "op": "order", "args": [order()]})
    answer = socket.receive()
    assert (answer["id"], answer["code"], answer["data"]) == ("1", "50026", [])


def test_open_sockets_can_be_cut_at_once(
    client: PaperClient, fault: Callable, open_socket: Callable[..., PaperSocket]
) -> None:
    mine = open_socket("private", client.account)
    public = open_socket("public")
    fault("close_sockets", endpoint="ws/*")
    with pytest.raises(ConnectionClosed):
        mine.receive()
    public.send("ping")
    assert public.receive() == "pong", "it belongs to nobody"


def test_open_sockets_can_be_closed_with_a_code(
    client: PaperClient, fault: Callable, open_socket: Callable[..., PaperSocket]
) -> None:
    socket = open_socket("private", client.account)
    fault("close_sockets", endpoint="ws/private", closeCode=4007, msg="key changed")
    with pytest.raises(ConnectionClosed) as closed:
        socket.receive()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4007


def test_a_frozen_socket_is_silent_until_it_thaws(
    client: PaperClient, fault: Callable, open_socket: Callable[..., PaperSocket]
) -> None:
    socket = open_socket("private", client.account)
    fault("freeze_sockets", endpoint="ws/private", ms=700)
    socket.send("ping")
    with pytest.raises(TimeoutError):
        socket.receive(0.4)
    assert socket.receive(2) == "pong"


def test_the_service_notice_comes_before_the_line_is_closed(
    client: PaperClient, fault: Callable, open_socket: Callable[..., PaperSocket]
) -> None:
    socket = open_socket("private", client.account)
    fault("notice", endpoint="ws/private", ms=500)
    notice = socket.receive()
    assert (notice["event"], notice["code"]) == ("notice", "64008")
    assert notice["connId"]
    socket.send("ping")
    assert socket.receive() == "pong", "usable until it is closed"
    with pytest.raises(ConnectionClosed):
        socket.receive(3)


def test_a_websocket_upgrade_can_be_refused(
    paper_exchange: PaperServer, open_socket: Callable[..., PaperSocket]
) -> None:
    paper_exchange.control.add_fault("http_status", endpoint="ws/business", status=503, count=1)
    with pytest.raises(InvalidStatus) as refused:
        open_socket("business")
    assert refused.value.response.status_code == 503
    open_socket("business")


def test_the_ledger_can_be_read_for_one_account(
    paper_exchange: PaperServer, client: PaperClient
) -> None:
    assert client.account is not None
    client.post("trade/order", order())
    ledger = paper_exchange.control.ledger(client.account.api_key)
    assert set(ledger) >= {"orders", "fills", "cash", "algos"}
    for name, rows in ledger.items():
        keys = {row["apiKey"] for row in rows}
        assert keys == ({client.account.api_key} if name != "algos" else set())
    assert json.dumps(ledger["fills"])

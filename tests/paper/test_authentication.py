"""Who may ask: every header, the clock, the key, the signature, the address, the environment."""

import json
from collections.abc import Callable
from contextlib import closing

import pytest

from config.demo.paper_control import PaperControlError, invented_account
from tests.conftest import PaperServer
from tests.paper.client import PaperClient, PaperSocket, order, sign, timestamp

BALANCE = "/api/v5/account/balance"
CONFIG = "/api/v5/account/config"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("OK-ACCESS-KEY", "50103"),
        ("OK-ACCESS-PASSPHRASE", "50104"),
        ("OK-ACCESS-SIGN", "50106"),
        ("OK-ACCESS-TIMESTAMP", "50107"),
    ],
)
def test_a_missing_header_is_named_by_its_code(client: PaperClient, header: str, code: str) -> None:
    headers = client.headers("GET", BALANCE, "")
    del headers[header]
    answer = client.send("GET", BALANCE, headers=headers)
    assert (answer.status, answer.code, answer.data) == (401, code, [])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"OK-ACCESS-PASSPHRASE": "other"}, "50105"),
        ({"OK-ACCESS-SIGN": sign("other", "other")}, "50113"),
        ({"OK-ACCESS-KEY": "unknown"}, "50111"),
        ({"OK-ACCESS-TIMESTAMP": "1700000000"}, "50112"),
        ({"x-simulated-trading": "0"}, "0"),
        ({"x-simulated-trading": "1"}, "0"),
    ],
)
def test_a_wrong_header_is_refused(client: PaperClient, changes: dict[str, str], code: str) -> None:
    headers = {**client.headers("GET", BALANCE, ""), **changes}
    answer = client.send("GET", BALANCE, headers=headers)
    assert (answer.status, answer.code) == (200 if code == "0" else 401, code)


def test_a_well_formed_key_that_does_not_exist_answers_200(client: PaperClient) -> None:
    headers = client.headers("GET", BALANCE, "")
    headers["OK-ACCESS-KEY"] = "4ff5e2e1-6a4f-4d32-8b11-2f3a1f0d9a77"
    answer = client.send("GET", BALANCE, headers=headers)
    assert (answer.status, answer.code) == (200, "50119")


@pytest.mark.parametrize(("shift", "code"), [(-29, "0"), (-31, "50102"), (29, "0"), (31, "50102")])
def test_thirty_seconds_of_skew_are_allowed_either_way(
    client: PaperClient, shift: float, code: str
) -> None:
    headers = client.headers("GET", BALANCE, "", stamp=timestamp(shift))
    assert client.send("GET", BALANCE, headers=headers).code == code


def test_the_signature_covers_the_bytes_as_they_were_sent(client: PaperClient) -> None:
    # Escaped and plain commas, and JSON with any spacing, are what different clients send.
    for target in (
        "/api/v5/account/positions?instId=BTC-USDT-SWAP%2CETH-USDT-SWAP",
        "/api/v5/account/positions?instId=BTC-USDT-SWAP,ETH-USDT-SWAP",
    ):
        assert client.get(target).code == "0"
    body = json.dumps(order(), indent=3)
    assert client.post("trade/order", body).code == "0"
    signed = client.headers("POST", "/api/v5/trade/order", body)
    answer = client.send("POST", "trade/order", json.dumps(order()), signed)
    assert answer.code == "50113"


def test_the_query_is_part_of_what_is_signed(client: PaperClient) -> None:
    headers = client.headers("GET", BALANCE, "")
    assert client.send("GET", f"{BALANCE}?ccy=USDT", headers=headers).code == "50113"


def test_a_key_bound_to_addresses_works_from_no_other(
    paper_exchange: PaperServer, source_ip: str
) -> None:
    bound = paper_exchange.account(ips=(source_ip, "127.77.0.0/16"))
    assert PaperClient(paper_exchange.url, bound, source_ip).get(BALANCE).code == "0"
    assert PaperClient(paper_exchange.url, bound, "127.77.3.4").get(BALANCE).code == "0"
    refused = PaperClient(paper_exchange.url, bound, "127.0.0.1").get(BALANCE)
    assert (refused.status, refused.code) == (401, "50110")
    config = PaperClient(paper_exchange.url, bound, source_ip).get("account/config").row
    assert config["ip"] == f"{source_ip},127.77.0.0/16"


def test_a_key_without_the_trade_permission_reads_only(
    paper_exchange: PaperServer, source_ip: str
) -> None:
    reader = paper_exchange.account(permissions=("read_only",))
    client = PaperClient(paper_exchange.url, reader, source_ip)
    assert client.get("account/config").row["perm"] == "read_only"
    answer = client.post("trade/order", order())
    assert (answer.status, answer.code) == (200, "50120")


def test_a_demo_key_needs_the_demo_header_and_a_live_key_must_not_have_it(
    paper_exchange: PaperServer, source_ip: str
) -> None:
    for simulated, header, code in (
        (True, "1", "0"),
        (True, "0", "50101"),
        (False, "0", "0"),
        (False, "1", "50101"),
    ):
        account = paper_exchange.account()
        paper_exchange.control.call("POST", "accounts", {**account.spec(), "simulated": simulated})
        client = PaperClient(paper_exchange.url, account, source_ip)
        headers = {**client.headers("GET", BALANCE, ""), "x-simulated-trading": header}
        answer = client.send("GET", BALANCE, headers=headers)
        assert (answer.status, answer.code) == (200 if code == "0" else 401, code)


def test_a_demo_key_logs_in_where_the_sandbox_of_ccxt_connects(
    paper_exchange: PaperServer, open_socket: Callable[..., PaperSocket]
) -> None:
    account = paper_exchange.account()
    paper_exchange.control.call("POST", "accounts", {**account.spec(), "simulated": True})
    assert open_socket("private").login(account)["code"] == "50101"
    assert open_socket("private?brokerId=9999").login(account)["event"] == "login"


# -- WebSocket login ------------------------------------------------------------------------------


def test_a_login_answers_with_a_connection_id(
    open_socket: Callable[..., PaperSocket], account
) -> None:
    answer = open_socket("private").login(account)
    assert answer["event"] == "login"
    assert answer["code"] == "0"
    assert answer["connId"]


def test_an_integer_timestamp_and_an_id_are_accepted(
    open_socket: Callable[..., PaperSocket], account
) -> None:
    from time import time

    stamp = int(time())
    socket = open_socket("private")
    argument = {
        "apiKey": account.api_key,
        "passphrase": account.passphrase,
        "timestamp": stamp,
        "sign": sign(account.secret_key, f"{stamp}GET/users/self/verify"),
    }
    socket.send({"id": "login1", "op": "login", "args": [argument]})
    answer = socket.receive()
    assert (answer["event"], answer["id"]) == ("login", "login1")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sign": "wrong"}, "60007"),
        ({"passphrase": "wrong"}, "60024"),
        ({"apiKey": "wrong"}, "60005"),
        ({"apiKey": ""}, "60001"),
        ({"timestamp": "soon"}, "60004"),
    ],
)
def test_a_failed_login_says_why_and_leaves_the_socket_open(
    open_socket: Callable[..., PaperSocket], account, changes: dict[str, str], code: str
) -> None:
    socket = open_socket("private")
    answer = socket.login(account, **changes)
    assert (answer["event"], answer["code"]) == ("error", code)
    socket.send("ping")
    assert socket.receive() == "pong"


def test_a_login_is_good_for_thirty_seconds(
    open_socket: Callable[..., PaperSocket], account
) -> None:
    from time import time

    answer = open_socket("private").login(account, stamp=str(int(time()) - 32))
    assert answer["code"] == "60006"


def test_a_user_has_several_keys_with_rights_of_their_own(
    paper_exchange: PaperServer, source_ip: str
) -> None:
    first = paper_exchange.account()
    reader = invented_account(permissions=("read_only",), ips=("127.0.0.0/8",))
    again = {**first.spec(), "keys": [reader.spec()]}
    paper_exchange.control.call("POST", "accounts", again)
    with (
        closing(PaperClient(paper_exchange.url, first, source_ip)) as of_first,
        closing(PaperClient(paper_exchange.url, reader, source_ip)) as of_reader,
    ):
        facts = [client.send("GET", CONFIG).data[0] for client in (of_first, of_reader)]
        assert facts[0]["uid"] == facts[1]["uid"]
        assert [row["perm"] for row in facts] == ["read_only,trade", "read_only"]
        assert [row["ip"] for row in facts] == ["", "127.0.0.0/8"]
        held = [client.send("GET", BALANCE).data[0]["details"] for client in (of_reader, of_first)]
        assert [row["eq"] for row in held[0]] == [row["eq"] for row in held[1]] != []
        assert of_reader.post("trade/order", order()).code == "50120"
        assert of_first.post("trade/order", order()).code == "0"

        for taken in (reader.spec(), {**invented_account().spec(), "keys": [first.spec()]}):
            with pytest.raises(PaperControlError, match="is taken"):
                paper_exchange.control.call("POST", "accounts", taken)
        paper_exchange.control.add_accounts(first)  # without it: the key was deleted
        assert of_reader.send("GET", BALANCE).code == "50111"

"""The control API: who may use it, and what each request does."""

import json
from decimal import Decimal
from typing import Any

import pytest

from config.demo.paper_control import PaperControl, PaperControlError, invented_account
from tests.conftest import PaperServer
from tests.paper.client import PaperClient, order
from venues.paper.server.control import is_loopback


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("127.0.0.1", True),
        ("127.9.8.7", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("192.168.1.2", False),
        ("::2", False),
        ("", False),
    ],
)
def test_only_loopback_is_let_in(address: str, allowed: bool) -> None:
    assert is_loopback(address) is allowed


def test_without_the_right_token_nothing_is_told(paper_exchange: PaperServer) -> None:
    for token in ("wrong", ""):
        with pytest.raises(PaperControlError, match="401"):
            PaperControl(paper_exchange.url, token).ledger()
    anonymous = PaperClient(paper_exchange.url).send("GET", "/control/ledger")
    assert anonymous.status == 401


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("accounts", {"apiKey": "only"}),
        ("accounts", "text"),
        (
            "accounts",
            {"apiKey": "a", "secretKey": "b", "passphrase": "c", "balances": {"USDT": "x"}},
        ),
        ("prices", {"instId": "BTC-USDT"}),
        ("prices", {"instId": "NO-SUCH", "px": "1"}),
        ("prices", {"instId": "BTC-USDT", "px": "-1"}),
        ("clock", {"offsetMs": "soon"}),
        ("clock", {}),
        ("limits", {"enabled": "no"}),
        ("deposits", {"apiKey": "nobody", "ccy": "USDT", "amt": "1"}),
        ("deposits", {"apiKey": "known", "ccy": "USDT", "amt": "much"}),
        ("funding-rate", {"instId": "NO-SUCH", "fundingRate": "0.0001"}),
        ("instruments", {"instId": "NO-SUCH", "state": "suspend"}),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    paper_exchange: PaperServer, path: str, body: Any
) -> None:
    if isinstance(body, dict) and body.get("apiKey") == "known":
        body = {**body, "apiKey": paper_exchange.account().api_key}
    with pytest.raises(PaperControlError, match=" 400 "):
        paper_exchange.control.call("POST", path, body)


def test_an_unknown_path_answers_404(paper_exchange: PaperServer) -> None:
    with pytest.raises(PaperControlError, match=" 404 "):
        paper_exchange.control.call("GET", "nothing")


def test_an_account_can_trade_as_soon_as_it_is_posted(
    paper_exchange: PaperServer, source_ip: str
) -> None:
    account = invented_account("newcomer")
    answer = paper_exchange.control.call("POST", "accounts", account.spec())
    assert answer["accounts"][0]["apiKey"] == account.api_key
    assert account.secret_key not in json.dumps(answer)
    client = PaperClient(paper_exchange.url, account, source_ip)
    assert client.post("trade/order", order()).row["sCode"] == "0"
    listed = paper_exchange.control.call("GET", "accounts")
    assert account.api_key in [row["apiKey"] for row in listed["accounts"]]
    assert account.secret_key not in json.dumps(listed)


def test_a_known_key_gets_a_new_secret_and_keeps_its_money(
    paper_exchange: PaperServer, source_ip: str
) -> None:
    account = paper_exchange.account(usdt="777")
    renewed = invented_account(api_key=account.api_key, usdt="1")
    paper_exchange.control.add_accounts(renewed)
    old = PaperClient(paper_exchange.url, account, source_ip).get("account/balance")
    assert old.code in ("50105", "50113")
    new = PaperClient(paper_exchange.url, renewed, source_ip).get("account/balance")
    assert Decimal(new.row["details"][0]["cashBal"]) == 777


def test_a_posted_price_is_the_price(paper_exchange: PaperServer, client: PaperClient) -> None:
    last = Decimal(client.get("market/ticker?instId=DOGE-USDT").row["last"])
    target = (last * Decimal("0.99")).quantize(Decimal("0.00001"))
    paper_exchange.control.set_price("DOGE-USDT", str(target))
    ticker = client.get("market/ticker?instId=DOGE-USDT").row
    assert Decimal(ticker["bidPx"]) <= target <= Decimal(ticker["askPx"])


def test_the_clock_moves_the_venues_time(paper_exchange: PaperServer, client: PaperClient) -> None:
    before = int(client.get("public/time").row["ts"])
    paper_exchange.control.call("POST", "clock", {"advanceMs": 40_000})
    assert int(client.get("public/time").row["ts"]) >= before + 40_000
    assert client.get("account/balance").code == "50102", "our own clock is late now"
    paper_exchange.control.call("POST", "clock", {"offsetMs": 0})
    assert client.get("account/balance").code == "0"


def test_funding_can_be_paid_at_any_time(paper_exchange: PaperServer, client: PaperClient) -> None:
    order = {"instId": "BTC-USDT-SWAP", "tdMode": "cross", "side": "buy", "ordType": "market"}
    assert client.post("trade/order", {**order, "sz": "1"}).code == "0"
    control = paper_exchange.control
    control.call("POST", "funding-rate", {"instId": "BTC-USDT-SWAP", "fundingRate": "0.001"})
    control.call("POST", "fundings", {"instId": "BTC-USDT-SWAP"})
    bill = client.get("account/bills?type=8").row
    assert Decimal(bill["balChg"]) < 0 and bill["instId"] == "BTC-USDT-SWAP"
    assert Decimal(client.get("account/balance").row["details"][0]["cashBal"]) == Decimal(
        bill["bal"]
    )
    control.call("POST", "funding-rate", {"instId": "BTC-USDT-SWAP", "fundingRate": "0"})


def test_a_deposit_arrives_in_balance_and_history(
    paper_exchange: PaperServer, client: PaperClient
) -> None:
    assert client.account is not None
    paper_exchange.control.call(
        "POST", "deposits", {"apiKey": client.account.api_key, "ccy": "USDT", "amt": "250"}
    )
    assert Decimal(client.get("account/balance").row["details"][0]["cashBal"]) == 100_250
    cash = paper_exchange.control.ledger(client.account.api_key)["cash"]
    assert Decimal("250") in [Decimal(row["balChg"]) for row in cash]


def test_sockets_are_listed(
    paper_exchange: PaperServer, client: PaperClient, open_socket: Any
) -> None:
    assert client.account is not None
    socket = open_socket("private", client.account)
    socket.subscribe({"channel": "account"})
    listed = paper_exchange.control.call("GET", "sockets")["sockets"]
    mine = [row for row in listed if row["apiKey"] == client.account.api_key]
    assert [row["subscriptions"] for row in mine] == [[{"channel": "account"}]]

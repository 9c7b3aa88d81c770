"""Each way in which an answer can fail, over real sockets, with and without a booked order."""

import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from customers.domain.ids import new_id
from tests.conftest import PaperServer
from venues import markets, runtime
from venues.domain.types import (
    NOT_SENT,
    Credentials,
    LookupResult,
    OrderRequest,
    Placement,
    PlacementResult,
    RejectKind,
    StopRequest,
)
from venues.gateway import Gateway
from venues.okx import placing

SYMBOL = "BTC/USDT:USDT"

# OKX_FACTS §4: what a server can do to an answer.
UNCLEAR: list[tuple[str, dict[str, Any]]] = [
    ("drop", {}),
    ("cut_body", {"ratio": 0.01}),
    ("cut_body", {"ratio": 0.5}),
    ("cut_body", {"ratio": 0.99}),
    ("freeze", {"ms": 2000}),
    ("html", {}),
    ("empty_body", {}),
    ("empty_data", {}),
    *[("http_status", {"status": status}) for status in (403, 408, 429, 500, 502, 503, 504)],
    ("http_status", {"status": 200, "body": ""}),
    ("http_status", {"status": 502, "body": '{"code":"0","data":[],"msg":""}'}),
    *[
        ("error_code", {"code": code, "status": status})
        for code, status in {
            "50001": 503,
            "50004": 400,
            "50013": 429,
            "50026": 500,
            "50071": 200,
            "51016": 200,
            "51054": 500,
            "51149": 500,
            "51603": 200,
        }.items()
    ],
]
DEFINITE = [
    ({"code": "50011", "status": 429}, RejectKind.RATE_LIMIT),
    ({"code": "50011", "status": 200}, RejectKind.RATE_LIMIT),
    ({"code": "50061", "status": 200}, RejectKind.RATE_LIMIT),
    ({"code": "50036", "status": 200}, RejectKind.LATE),
    ({"code": "50037", "status": 200}, RejectKind.LATE),
    ({"code": "50102", "status": 401}, RejectKind.CLOCK),
    ({"code": "50110", "status": 401}, RejectKind.CREDENTIALS),
    ({"code": "50120", "status": 200}, RejectKind.CREDENTIALS),
    ({"code": "51000", "status": 400}, RejectKind.ORDER),
    ({"code": "51010", "status": 200}, RejectKind.MODE),
    ({"code": "51022", "status": 200}, RejectKind.CLOSED),
]
REFUSED_BY_THE_EXCHANGE = [
    ({"quantity": Decimal("0.001")}, "51020", RejectKind.ORDER),
    ({"quantity": Decimal("1.005")}, "51121", RejectKind.ORDER),
    ({"quantity": Decimal(10) ** 9}, "51202", RejectKind.ORDER),
    ({"quantity": Decimal(9000)}, "51008", RejectKind.ACCOUNT),
    ({"reduce_only": True, "side": "sell"}, "51169", RejectKind.POSITION),
    ({"order_type": "limit", "price": Decimal(10) ** 6}, "51137", RejectKind.ORDER),
    ({"order_type": "limit", "price": Decimal(1), "side": "sell"}, "51138", RejectKind.ORDER),
    ({"client_order_id": "not-allowed"}, "51000", RejectKind.ORDER),
]


@pytest.fixture
def gateway(paper_exchange: PaperServer) -> Iterator[Gateway]:
    yield runtime.gateway_for("paper")


@pytest.fixture(scope="module", autouse=True)
def _one_gateway_for_all() -> Iterator[None]:
    runtime.close_gateways()
    yield
    runtime.close_gateways()


@pytest.fixture
def credentials(paper_exchange: PaperServer) -> Credentials:
    keys = paper_exchange.account()
    return Credentials(keys.api_key, keys.secret_key, keys.passphrase)


def order(**changes: Any) -> OrderRequest:
    instrument = markets.instrument("paper", SYMBOL)
    values: dict[str, Any] = {
        "client_order_id": new_id(),
        "instrument": instrument,
        "side": "buy",
        "order_type": "market",
        "quantity": Decimal(1),
        "price": None,
        "position_side": "net",
        "reduce_only": False,
        "is_exit": False,
        "margin_mode": "cross",
        "deadline_ms": int((time.time() + 20) * 1000),
    }
    return OrderRequest(**{**values, **changes})


def place(gateway: Gateway, credentials: Credentials, request: OrderRequest) -> Placement:
    return runtime.run(gateway.place_order(credentials, request), timeout_seconds=30)


def found(gateway: Gateway, credentials: Credentials, request: OrderRequest) -> LookupResult:
    names = {"symbol": SYMBOL, "client_order_id": request.client_order_id}
    return runtime.run(gateway.find_order(credentials, **names), timeout_seconds=30).result


@pytest.mark.parametrize("booked", [True, False], ids=["booked", "not booked"])
@pytest.mark.parametrize(("action", "rule"), UNCLEAR, ids=str)
def test_an_unclear_answer_is_unknown_and_a_look_up_tells(
    paper_exchange: PaperServer,
    gateway: Gateway,
    credentials: Credentials,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
    rule: dict[str, Any],
    booked: bool,
) -> None:
    if action == "freeze":
        monkeypatch.setattr(placing, "PLACE_TIMEOUT_SECONDS", 0.3)
    paper_exchange.control.add_fault(
        action,
        **rule,
        booked=booked,
        count=1,
        endpoint="trade/order",
        method="POST",
        account=credentials.api_key,
    )
    request = order()
    assert place(gateway, credentials, request).result is PlacementResult.UNKNOWN
    looked = found(gateway, credentials, request)
    assert looked is (LookupResult.FOUND if booked else LookupResult.ABSENT)
    rows = paper_exchange.control.ledger(credentials.api_key)["orders"]
    assert len(rows) == booked, "it was sent once"


@pytest.mark.parametrize(("rule", "kind"), DEFINITE, ids=str)
def test_a_definite_refusal(
    paper_exchange: PaperServer,
    gateway: Gateway,
    credentials: Credentials,
    rule: dict[str, Any],
    kind: RejectKind,
) -> None:
    paper_exchange.control.add_fault(
        "error_code", **rule, endpoint="trade/order", account=credentials.api_key
    )
    placement = place(gateway, credentials, order())
    assert placement.result is PlacementResult.REJECTED
    assert (placement.code, placement.reject_kind) == (rule["code"], kind)


@pytest.mark.parametrize(("changes", "code", "kind"), REFUSED_BY_THE_EXCHANGE, ids=str)
def test_what_the_exchange_itself_refuses(
    gateway: Gateway,
    credentials: Credentials,
    changes: dict[str, Any],
    code: str,
    kind: RejectKind,
) -> None:
    placement = place(gateway, credentials, order(**changes))
    assert placement.result is PlacementResult.REJECTED
    assert (placement.code, placement.reject_kind) == (code, kind)


def test_an_id_that_a_live_order_has_is_unknown_and_found(
    gateway: Gateway, credentials: Credentials
) -> None:
    resting = order(order_type="limit", price=Decimal(50_000))
    assert place(gateway, credentials, resting).result is PlacementResult.ACCEPTED
    again = place(gateway, credentials, resting)
    assert (again.result, again.code) == (PlacementResult.UNKNOWN, "51016")
    assert found(gateway, credentials, resting) is LookupResult.FOUND


def test_a_connection_that_cannot_be_made_is_unknown(
    settings: Any, credentials: Credentials
) -> None:
    request = order()
    settings.VENUES = {
        **settings.VENUES,
        "nowhere": {**settings.VENUES["paper"], "rest_url": "http://127.0.0.1:1"},
    }
    placement = place(runtime.gateway_for("nowhere"), credentials, request)
    assert (placement.result, placement.code) == (PlacementResult.UNKNOWN, "connect")

    # A stop is not looked up first: what it is to guard is unguarded until it is placed.
    stop = StopRequest(
        new_id(), request.instrument, "sell", Decimal(1), Decimal(50_000), None, "net", "cross"
    )
    asking = runtime.gateway_for("nowhere").place_stop(credentials, stop)
    placement = runtime.run(asking, timeout_seconds=30)
    assert (placement.result, placement.code) == (PlacementResult.REJECTED, NOT_SENT)

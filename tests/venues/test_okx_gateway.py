"""The OKX gateway against the paper exchange, over real sockets."""

import asyncio
import json
import os
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from customers.domain.ids import new_id
from venues import markets, runtime
from venues.domain.rate_windows import Processes
from venues.domain.types import (
    Credentials,
    LookupResult,
    OrderRequest,
    PlacementResult,
    RejectKind,
    VenueError,
    VenueErrorKind,
)
from venues.gateway import Gateway
from venues.okx import OkxGateway, transport

SYMBOL = "BTC/USDT:USDT"


@pytest.fixture
def gateway(paper_exchange: Any) -> Iterator[Gateway]:
    runtime.close_gateways()
    markets.forget_markets()
    # Each test loads the instruments anew, from one address.
    paper_exchange.control.call("POST", "limits", {"enabled": False})
    yield runtime.gateway_for("paper")
    paper_exchange.control.call("POST", "limits", {"enabled": True})
    runtime.close_gateways()


def _credentials(keys: Any, **changes: str) -> Credentials:
    values = {"api_key": keys.api_key, "api_secret": keys.secret_key, "passphrase": keys.passphrase}
    return Credentials(**{**values, **changes})


def _request(*, deadline_in_seconds: float = 5, **changes: Any) -> OrderRequest:
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
        "deadline_ms": int((time.time() + deadline_in_seconds) * 1000),
    }
    return OrderRequest(**{**values, **changes})


def test_instruments_carry_the_exchanges_filters(gateway: Gateway) -> None:
    instruments = runtime.run(gateway.load_instruments())
    swap = instruments[SYMBOL]
    assert (swap.venue_symbol, swap.kind) == ("BTC-USDT-SWAP", "linear")
    assert swap.contract_size == Decimal("0.01")
    assert swap.tick == Decimal("0.1")
    assert instruments["BTC/USD:BTC"].kind == "inverse"
    assert instruments["BTC/USD:BTC"].contract_size == 100
    assert instruments["ETH/USDT"].kind == "spot"


def test_prices_of_many_symbols_cost_few_requests(
    paper_exchange: Any, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(markets, "PRICE_LIFETIME_SECONDS", 60)
    symbols = list(runtime.run(gateway.load_instruments()))
    alone = 5  # 70 % of 20, half of it for this process, a fifth of that for exits
    kinds = 2
    assert len(symbols) > alone + kinds
    counted = paper_exchange.control.add_fault("delay", ms=1, endpoint="market/ticker*")
    prices = {symbol: markets.last_price("paper", symbol) for symbol in symbols}
    rules = paper_exchange.control.call("GET", "faults")["faults"]
    assert next(row["hits"] for row in rules if row["id"] == counted) == alone + kinds
    assert all(price is not None and price > 0 for price in prices.values())
    assert prices[SYMBOL] == runtime.run(gateway.last_prices(SYMBOL))[SYMBOL]


def test_a_symbol_without_a_price_has_none(paper_exchange: Any, gateway: Gateway) -> None:
    for last in ("", "0", "-1", "NaN", None):
        row = {"instId": "BTC-USDT-SWAP", "last": last}
        body = json.dumps({"code": "0", "msg": "", "data": [row]})
        paper_exchange.control.add_fault(
            "http_status", status=200, body=body, endpoint="market/ticker", count=1
        )
        assert markets.last_price("paper", SYMBOL) is None
    assert markets.last_price("paper", SYMBOL) is not None


async def test_waiting_for_a_turn_is_not_taken_for_the_way_to_the_exchange(
    paper_exchange: Any,
) -> None:
    gateway = OkxGateway("paper", {"rest_url": paper_exchange.url}, Processes(2, 1, 1))
    budgets = gateway._transport.budgets
    permit = budgets.permit_now("GET public/time", is_exit=True)
    assert permit is not None
    assert budgets.permit_now("GET public/time", is_exit=True) is None, "that was its only one"
    measuring = asyncio.create_task(gateway.measure_clock())
    await asyncio.sleep(2)
    assert not measuring.done()
    budgets.withdraw(permit)
    await measuring
    await gateway.aclose()
    assert gateway.clock.uncertainty_ms() < 900


def test_an_order_is_placed_found_by_its_client_id_and_its_fills_are_listed(
    paper_exchange: Any, gateway: Gateway
) -> None:
    credentials = _credentials(paper_exchange.account())
    request = _request()
    placement = runtime.run(gateway.place_order(credentials, request))
    assert placement.result is PlacementResult.ACCEPTED
    names = {"symbol": SYMBOL, "client_order_id": request.client_order_id}
    for look in (gateway.find_order, gateway.search_order):
        lookup = runtime.run(look(credentials, **names))
        assert lookup.result is LookupResult.FOUND
        assert lookup.order is not None
        assert lookup.order.venue_order_id == placement.venue_order_id
        assert lookup.order.filled_quantity == 1
    fills = runtime.run(
        gateway.order_fills(credentials, symbol=SYMBOL, venue_order_id=placement.venue_order_id)
    )
    assert sum(fill.quantity for fill in fills) == 1
    assert all(fill.fee > 0 and fill.fee_currency == "USDT" for fill in fills)


def test_an_unknown_client_id_is_absent(paper_exchange: Any, gateway: Gateway) -> None:
    credentials = _credentials(paper_exchange.account())
    names = {"symbol": SYMBOL, "client_order_id": new_id()}
    assert runtime.run(gateway.find_order(credentials, **names)).result is LookupResult.ABSENT
    assert runtime.run(gateway.search_order(credentials, **names)).result is LookupResult.ABSENT


def test_an_order_after_its_deadline_is_discarded_by_the_venue(
    paper_exchange: Any, gateway: Gateway
) -> None:
    credentials = _credentials(paper_exchange.account())
    placement = runtime.run(gateway.place_order(credentials, _request(deadline_in_seconds=-1)))
    assert placement.result is PlacementResult.REJECTED
    assert placement.reject_kind is RejectKind.LATE


def test_credentials_of_one_account_never_serve_another(
    paper_exchange: Any, gateway: Gateway
) -> None:
    """One client signs for all accounts; concurrent orders land on their own account."""
    keys = [paper_exchange.account() for _ in range(20)]
    requests = [_request(quantity=Decimal(number + 1)) for number in range(20)]

    async def place_all() -> list[Any]:
        return await asyncio.gather(
            *(
                gateway.place_order(_credentials(key), request)
                for key, request in zip(keys, requests, strict=True)
            )
        )

    assert all(p.result is PlacementResult.ACCEPTED for p in runtime.run(place_all()))
    for key, request in zip(keys, requests, strict=True):
        (row,) = paper_exchange.control.ledger(key.api_key)["orders"]
        assert row["clOrdId"] == request.client_order_id


@pytest.mark.parametrize("part", ["api_key", "api_secret", "passphrase"])
def test_wrong_keys_are_told_apart_from_an_exchange_that_is_down(
    paper_exchange: Any, gateway: Gateway, part: str
) -> None:
    wrong = _credentials(paper_exchange.account(), **{part: "wrong"})
    with pytest.raises(VenueError) as refused:
        runtime.run(gateway.balances(wrong))
    assert refused.value.kind is VenueErrorKind.CREDENTIALS
    placement = runtime.run(gateway.place_order(wrong, _request()))
    assert placement.result is PlacementResult.REJECTED
    assert placement.reject_kind is RejectKind.CREDENTIALS

    right = _credentials(paper_exchange.account())
    paper_exchange.control.add_fault("http_status", status=503, endpoint="account/balance")
    with pytest.raises(VenueError) as down:
        runtime.run(gateway.balances(right))
    assert down.value.kind is VenueErrorKind.UNAVAILABLE


def test_keys_never_show_in_text(paper_exchange: Any) -> None:
    keys = paper_exchange.account()
    shown = f"{_credentials(keys)!r} {_credentials(keys)}"
    assert keys.secret_key not in shown
    assert keys.api_key not in shown


def test_a_search_and_the_fills_of_an_order_read_every_page(
    gateway: Gateway, paper_exchange: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "PAGE_ROWS", 2)
    credentials = _credentials(paper_exchange.account(usdt="100000000"))
    sent_at_ms = int(time.time() * 1000)
    deep = _request(quantity=Decimal(1_000))
    placement = runtime.run(gateway.place_order(credentials, deep))
    for _ in range(5):
        runtime.run(gateway.place_order(credentials, _request()))
    names = {"symbol": SYMBOL, "client_order_id": deep.client_order_id}

    found = runtime.run(gateway.search_order(credentials, **names, since_ms=sent_at_ms))
    fills = runtime.run(
        gateway.order_fills(credentials, symbol=SYMBOL, venue_order_id=placement.venue_order_id)
    )

    assert found.result is LookupResult.FOUND
    assert len(fills) > 4
    assert found.order is not None
    assert sum(fill.quantity for fill in fills) == found.order.filled_quantity


def test_an_endless_list_proves_no_absence(
    gateway: Gateway, paper_exchange: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "PAGE_ROWS", 1)
    monkeypatch.setattr(transport, "MAX_PAGES", 3)
    credentials = _credentials(paper_exchange.account())
    for _ in range(4):
        runtime.run(gateway.place_order(credentials, _request()))
    names = {"symbol": SYMBOL, "client_order_id": new_id()}
    found = runtime.run(gateway.search_order(credentials, **names))
    assert found.result is LookupResult.NO_EVIDENCE


@pytest.mark.parametrize("what", ["fills_since", "bills_since"])
def test_what_is_too_much_for_one_reading_is_read_in_several(
    gateway: Gateway, paper_exchange: Any, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(transport, "PAGE_ROWS", 2)
    monkeypatch.setattr(transport, "MAX_PAGES", 2)
    monkeypatch.setattr(transport, "SHORT_WINDOW_MS", 200)
    credentials = _credentials(paper_exchange.account())
    since_ms = begun_ms = gateway.clock.now_ms() - 1000
    for _ in range(14):
        runtime.run(gateway.place_order(credentials, _request()))
        time.sleep(0.05)
    at = {"fills_since": "filled_at_ms", "bills_since": "occurred_at_ms"}[what]
    read = getattr(gateway, what)
    found: dict[str, int] = {}
    readings = 0
    while True:
        told = runtime.run(read(credentials, since_ms=since_ms))
        readings += 1
        names = [getattr(row, "trade_id", "") or row.bill_id for row in told]
        found |= dict(zip(names, (getattr(row, at) for row in told), strict=True))
        if told.until_ms is None:
            break
        assert told.until_ms > since_ms
        assert all(moment <= told.until_ms for moment in found.values())
        since_ms = told.until_ms
    assert readings > 2
    monkeypatch.undo()
    whole = runtime.run(read(credentials, since_ms=begun_ms))
    assert whole.until_ms is None
    assert set(found) == {getattr(row, "trade_id", "") or row.bill_id for row in whole}
    assert len(found) >= 14


def test_a_forked_process_opens_connections_of_its_own(
    paper_exchange: Any, gateway: Gateway
) -> None:
    def reads_its_own(keys: Any, usdt: str) -> bool:
        balances = runtime.gateway_for("paper").balances(_credentials(keys))
        found = runtime.run(balances, timeout_seconds=20)
        return [balance.equity for balance in found] == [Decimal(usdt)]

    parents, childs = paper_exchange.account(usdt="111"), paper_exchange.account(usdt="222")
    assert reads_its_own(parents, "111")  # so a connection is kept
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if all(reads_its_own(childs, "222") for _ in range(8)) else 1)
        finally:
            os._exit(2)
    assert all(reads_its_own(parents, "111") for _ in range(8))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

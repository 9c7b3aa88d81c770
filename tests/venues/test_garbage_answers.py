"""A venue that answers nonsense in any field: good rows count, bad ones are named, money is never
made of them, and nothing but a VenueError leaves the gateway."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from customers.domain.ids import new_id
from tests.conftest import PaperServer
from venues import markets, runtime
from venues.domain.types import (
    Credentials,
    Instrument,
    Lookup,
    LookupResult,
    OrderRequest,
    OrderSnapshot,
    PlacementResult,
    Readings,
    UnreadableError,
    VenueError,
    VenueErrorKind,
)
from venues.gateway import Gateway

SYMBOL = "BTC/USDT:USDT"
NAME = "BTC-USDT-SWAP"
NONSENSE = ["", None, "NaN", "Infinity", "-1", "1e999", "9" * 60, "１２", "1_0", 7, True, [], {}]
REMOVED = "<removed>"
ROUNDS = 25


@pytest.fixture
def exchange(paper_exchange: PaperServer) -> Iterator[PaperServer]:
    runtime.close_gateways()
    markets.forget_markets()
    paper_exchange.control.call("POST", "limits", {"enabled": False})
    yield paper_exchange
    paper_exchange.control.call("POST", "limits", {"enabled": True})
    runtime.close_gateways()
    markets.forget_markets()


@pytest.fixture
def gateway(exchange: PaperServer) -> Gateway:
    return runtime.gateway_for("paper")


@pytest.fixture
def keys(exchange: PaperServer) -> Credentials:
    account = exchange.account(balances={"USDT": "100000000", "BTC": "1"})
    return Credentials(account.api_key, account.secret_key, account.passphrase)


def spoil(exchange: PaperServer, endpoint: str, **rule: Any) -> None:
    exchange.control.clear_faults()
    exchange.control.add_fault("garbage", endpoint=endpoint, **rule)


def request_for(symbol: str = SYMBOL, **changes: Any) -> OrderRequest:
    instrument = markets.instrument("paper", symbol)
    assert instrument is not None
    values: dict[str, Any] = {
        "client_order_id": new_id(),
        "instrument": instrument,
        "side": "buy",
        "order_type": "market",
        "quantity": Decimal(2),
        "price": None,
        "position_side": "net",
        "reduce_only": False,
        "is_exit": False,
        "margin_mode": "cross",
        "deadline_ms": int((time.time() + 5) * 1000),
    }
    return OrderRequest(**{**values, **changes})


def place(gateway: Gateway, keys: Credentials, **changes: Any) -> tuple[OrderRequest, str]:
    request = request_for(**changes)
    placement = runtime.run(gateway.place_order(keys, request))
    assert placement.result is PlacementResult.ACCEPTED
    return request, placement.venue_order_id


def find(gateway: Gateway, keys: Credentials, request: OrderRequest) -> Lookup:
    names = {"symbol": request.instrument.symbol, "client_order_id": request.client_order_id}
    return runtime.run(gateway.find_order(keys, **names))


# --- orders -------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["sz", "accFillSz", "avgPx", "state", "ordId", "instId", "side"])
def test_an_order_with_an_unreadable_field_proves_nothing(
    exchange: PaperServer, gateway: Gateway, keys: Credentials, field: str
) -> None:
    request, _ = place(gateway, keys)
    assert find(gateway, keys, request).result is LookupResult.FOUND
    for value in [*NONSENSE, "no such thing", REMOVED]:
        spoil(exchange, "trade/order", method="GET", field=field, value=value)
        looked = find(gateway, keys, request)
        assert (looked.result, looked.order) == (LookupResult.NO_EVIDENCE, None), value
        assert looked.unreadable in (field, "state"), value


@pytest.mark.parametrize(
    ("field", "value"),
    [("accFillSz", "3"), ("accFillSz", "0"), ("instId", "ETH-USDT-SWAP"), ("avgPx", "0")],
)
def test_fields_that_contradict_each_other_prove_nothing(
    exchange: PaperServer, gateway: Gateway, keys: Credentials, field: str, value: str
) -> None:
    request, _ = place(gateway, keys)
    spoil(exchange, "trade/order", method="GET", field=field, value=value)
    assert find(gateway, keys, request).result is LookupResult.NO_EVIDENCE


@pytest.mark.parametrize("value", [None, REMOVED, 7, [], "somebodyelse", "no such thing"])
def test_an_answer_about_another_order_is_none(
    exchange: PaperServer, gateway: Gateway, keys: Credentials, value: Any
) -> None:
    request, _ = place(gateway, keys)
    spoil(exchange, "trade/order", method="GET", field="clOrdId", value=value)
    assert find(gateway, keys, request).result is LookupResult.NO_EVIDENCE


@pytest.mark.parametrize("endpoint", ["orders-pending", "orders-history", "fills"])
@pytest.mark.parametrize("field", ["clOrdId", "row", "data"])
def test_a_list_with_a_row_that_may_be_the_order_proves_no_absence(
    exchange: PaperServer, gateway: Gateway, keys: Credentials, endpoint: str, field: str
) -> None:
    place(gateway, keys)
    place(gateway, keys, order_type="limit", price=Decimal(1000))
    names = {"symbol": SYMBOL, "client_order_id": new_id()}
    assert runtime.run(gateway.search_order(keys, **names)).result is LookupResult.ABSENT
    for value in (None, 7, {}, "no such thing"):
        spoil(exchange, f"trade/{endpoint}", field=field, value=value)
        assert runtime.run(gateway.search_order(keys, **names)).result is LookupResult.NO_EVIDENCE


def test_an_absence_that_comes_with_rows_is_none(
    exchange: PaperServer, gateway: Gateway, keys: Credentials
) -> None:
    request, _ = place(gateway, keys)
    spoil(exchange, "trade/order", method="GET", field="code", value="51603")
    assert find(gateway, keys, request).result is LookupResult.NO_EVIDENCE


@pytest.mark.parametrize(
    "field", ["fillSz", "fillPx", "fee", "feeCcy", "side", "tradeId", "ordId", "instId", "ts"]
)
def test_a_fill_with_an_unreadable_field_is_left_out_and_named(
    exchange: PaperServer, gateway: Gateway, keys: Credentials, field: str
) -> None:
    _, order_id = place(gateway, keys, quantity=Decimal(1500))  # through some levels
    names = {"symbol": SYMBOL, "venue_order_id": order_id}
    true = runtime.run(gateway.order_fills(keys, **names))
    assert len(true) > 1
    assert true.unreadable == ()
    for value in [None, "", "NaN", "1e999", 7, [], "no such thing", "x" * 5000, REMOVED]:
        spoil(exchange, "trade/fills", field=field, value=value, row=0)
        if field == "feeCcy" and value in ("NaN", "1e999"):
            continue  # it may be a coin's name
        found = runtime.run(gateway.order_fills(keys, **names))
        assert (list(found), found.unreadable) == (true[1:], (field,)), value
    with pytest.raises(UnreadableError, match=field):
        found.complete()


def test_open_orders_count_without_the_one_that_cannot_be_read(
    exchange: PaperServer, gateway: Gateway, keys: Credentials
) -> None:
    for price in (1000, 1100):
        place(gateway, keys, order_type="limit", price=Decimal(price))
    spoil(exchange, "trade/orders-pending", field="px", value="-1", row=1)
    found = runtime.run(gateway.open_orders(keys))
    assert (len(found), found.unreadable) == (1, ("px",))


# --- the account --------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["pos", "posSide", "instId", "avgPx", "markPx", "mgnMode", "upl"])
def test_a_position_with_an_unreadable_field_is_left_out_and_named(
    exchange: PaperServer, gateway: Gateway, keys: Credentials, field: str
) -> None:
    place(gateway, keys)
    place(gateway, keys, symbol="ETH/USDT:USDT")
    true = runtime.run(gateway.positions(keys))
    assert len(true) == 2
    for value in ["NaN", 7, [], "no such thing"]:
        spoil(exchange, "account/positions", field=field, value=value, row=0)
        found = runtime.run(gateway.positions(keys))
        assert ([row.symbol for row in found], found.unreadable) == ([true[1].symbol], (field,))


@pytest.mark.parametrize("value", ["no such thing", "1 0", 7, [], True, "", None, REMOVED])
@pytest.mark.parametrize("field", ["eq", "ccy", "availEq"])
def test_a_balance_with_an_unreadable_field_is_left_out_and_named(
    exchange: PaperServer, gateway: Gateway, keys: Credentials, field: str, value: Any
) -> None:
    true = runtime.run(gateway.balances(keys))
    if field == "availEq" and value in ("", None, REMOVED):
        field = "eq"  # without availEq, which one mode does not have, there is availBal
    spoil(exchange, "account/balance", field=field, value=value, row=0)
    found = runtime.run(gateway.balances(keys))
    assert [*found] == true[1:]
    assert found.unreadable[0] == field


def test_a_currency_that_is_told_twice_is_told_by_neither(
    exchange: PaperServer, gateway: Gateway, keys: Credentials
) -> None:
    true = runtime.run(gateway.balances(keys))
    spoil(exchange, "account/balance", field="ccy", value=true[1].currency, row=0)
    found = runtime.run(gateway.balances(keys))
    assert (list(found), found.unreadable) == ([], ("ccy",))


@pytest.mark.parametrize("field", ["data", "row", "details"])
@pytest.mark.parametrize("value", [None, 7, "no such thing", {}])
def test_an_answer_without_balances_is_not_an_empty_account(
    exchange: PaperServer, gateway: Gateway, keys: Credentials, field: str, value: Any
) -> None:
    spoil(exchange, "account/balance", field=field, value=value)
    with pytest.raises(UnreadableError):
        runtime.run(gateway.balances(keys)).complete()


@pytest.mark.parametrize("field", ["uid", "posMode", "perm", "ip"])
def test_an_account_that_cannot_be_read_has_no_modes_and_permissions(
    exchange: PaperServer, gateway: Gateway, keys: Credentials, field: str
) -> None:
    for value in [None, 7, [], {}, True, REMOVED]:
        spoil(exchange, "account/config", field=field, value=value)
        with pytest.raises(UnreadableError, match=field):
            runtime.run(gateway.account_config(keys))


@pytest.mark.parametrize(
    ("field", "value"), [("lever", "50"), ("lever", None), ("instId", "X-Y"), ("data", [])]
)
def test_a_leverage_that_is_not_confirmed_is_not_set(
    exchange: PaperServer, gateway: Gateway, keys: Credentials, field: str, value: Any
) -> None:
    wanted = {"symbol": SYMBOL, "margin_mode": "cross", "position_sides": ["net"]}
    runtime.run(gateway.set_leverage(keys, leverage=Decimal(5), **wanted))
    spoil(exchange, "account/set-leverage", field=field, value=value)
    with pytest.raises(UnreadableError):
        runtime.run(gateway.set_leverage(keys, leverage=Decimal(5), **wanted))


@pytest.mark.parametrize(
    ("field", "value"),
    [("amt", "4"), ("amt", None), ("type", "reduce"), ("instId", "X-Y"), ("data", [])],
)
def test_margin_that_is_not_confirmed_may_be_added_or_not(
    exchange: PaperServer, gateway: Gateway, keys: Credentials, field: str, value: Any
) -> None:
    place(gateway, keys, margin_mode="isolated")
    spoil(exchange, "account/position/margin-balance", field=field, value=value)
    assert _margin_error(gateway, keys).kind is VenueErrorKind.UNAVAILABLE


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("59301", VenueErrorKind.REFUSED),
        ("59300", VenueErrorKind.REFUSED),
        ("51008", VenueErrorKind.REFUSED),
        ("51010", VenueErrorKind.MODE),
        ("50011", VenueErrorKind.RATE_LIMIT),
        ("50111", VenueErrorKind.CREDENTIALS),
        # What these say of the outcome is nothing.
        ("51149", VenueErrorKind.UNAVAILABLE),
        ("51054", VenueErrorKind.UNAVAILABLE),
        ("50004", VenueErrorKind.UNAVAILABLE),
        ("58999", VenueErrorKind.UNAVAILABLE),
    ],
)
def test_which_refusals_of_margin_are_definite(
    exchange: PaperServer, gateway: Gateway, keys: Credentials, code: str, kind: VenueErrorKind
) -> None:
    path = "account/position/margin-balance"
    exchange.control.add_fault("error_code", endpoint=path, code=code, msg="no")
    found = _margin_error(gateway, keys)
    assert (found.kind, found.code) == (kind, code)


def _margin_error(gateway: Gateway, keys: Credentials) -> VenueError:
    with pytest.raises(VenueError) as raised:
        runtime.run(gateway.add_margin(keys, symbol=SYMBOL, amount=Decimal(5), position_side="net"))
    return raised.value


# --- public data --------------------------------------------------------------------------------

INSTRUMENT_FIELDS = [
    "instId", "instType", "uly", "settleCcy", "ctVal", "ctType", "lotSz", "tickSz", "minSz",
    "maxMktSz", "maxLmtSz", "lever", "state",
]  # fmt: skip


def row_number(exchange: PaperServer) -> int:
    found = markets.instruments("paper")
    swaps = [item.venue_symbol for item in found.values() if item.kind != "spot"]
    return swaps.index(NAME)


def reloaded(gateway: Gateway) -> dict[str, Instrument]:
    return runtime.run(gateway.load_instruments())


@pytest.mark.parametrize("field", INSTRUMENT_FIELDS)
def test_an_instrument_with_an_unreadable_field_is_not_traded_and_named(
    exchange: PaperServer, gateway: Gateway, field: str
) -> None:
    true = dict(markets.instruments("paper"))
    number = row_number(exchange)
    for value in [7, [], "no such thing"]:
        spoil(exchange, "public/instruments", field=field, value=value, row=number)
        found = reloaded(gateway)
        # The same row of the other list may be struck, too: it is somebody else's.
        assert SYMBOL not in found, value
        assert SYMBOL in gateway.unreadable_instruments(), value
        assert all(found[symbol] == true[symbol] for symbol in found if symbol in true)
        assert len(found) >= len(true) - 2
    exchange.control.clear_faults()
    assert reloaded(gateway) == true
    assert gateway.unreadable_instruments() == {}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("lotSz", "-1"),
        ("tickSz", "0"),
        ("minSz", "0.0000000001"),
        ("ctVal", "-0.01"),
        ("ctVal", "1000000"),
        ("ctType", "inverse"),
        ("instId", "ETH-USDT-SWAP"),
        ("uly", "ETH-USDT"),
        ("settleCcy", "ETH"),
        ("maxMktSz", "0.0000001"),
    ],
)
def test_a_wrong_number_or_name_is_not_traded_by(
    exchange: PaperServer, gateway: Gateway, field: str, value: str
) -> None:
    true = dict(markets.instruments("paper"))
    spoil(exchange, "public/instruments", field=field, value=value, row=row_number(exchange))
    found = reloaded(gateway)
    assert SYMBOL not in found
    assert all(found[symbol] == true[symbol] for symbol in found if symbol in true)


def test_a_contract_size_that_stays_changed_is_believed(
    exchange: PaperServer, gateway: Gateway
) -> None:
    number = row_number(exchange)
    spoil(exchange, "public/instruments", field="ctVal", value="0.1", row=number)
    assert SYMBOL not in reloaded(gateway)
    assert reloaded(gateway)[SYMBOL].contract_size == Decimal("0.1")


@pytest.mark.parametrize("value", [*NONSENSE, "0", "0.0001", "99999999", REMOVED, "no such thing"])
def test_no_order_is_sized_by_a_price_of_nonsense(
    exchange: PaperServer, gateway: Gateway, value: Any
) -> None:
    true = runtime.run(gateway.last_prices(SYMBOL))
    spoil(exchange, "market/ticker", field="last", value=value)
    with pytest.raises(VenueError):
        runtime.run(gateway.last_prices(SYMBOL))
    exchange.control.clear_faults()
    assert runtime.run(gateway.last_prices(SYMBOL)).keys() == true.keys()


@pytest.mark.parametrize("value", [*NONSENSE, REMOVED, "1763700000", "1763700000000000"])
def test_a_time_of_nonsense_moves_no_clock(
    exchange: PaperServer, gateway: Gateway, value: Any
) -> None:
    runtime.run(gateway.measure_clock())
    before = gateway.clock.skew_ms()
    assert before is not None
    spoil(exchange, "public/time", field="ts", value=value)
    with pytest.raises(UnreadableError):
        runtime.run(gateway._server_time())  # type: ignore[attr-defined]
    assert abs((gateway.clock.skew_ms() or 0) - before) < 250


# --- everything at once -------------------------------------------------------------------------


def _without_remarks(row: Any) -> Any:
    return replace(row, cancel_source="") if isinstance(row, OrderSnapshot) else row


def test_any_field_may_be_garbage_and_only_a_venue_error_comes_out(
    exchange: PaperServer, gateway: Gateway, keys: Credentials
) -> None:
    """By chance, in every answer: what is read is what is true, or it is not read."""
    filled, order_id = place(gateway, keys, quantity=Decimal(1500))
    place(gateway, keys, order_type="limit", price=Decimal(1000))
    fills = {"symbol": SYMBOL, "venue_order_id": order_id}
    absent = {"symbol": SYMBOL, "client_order_id": new_id()}
    wanted = {"symbol": SYMBOL, "client_order_id": filled.client_order_id}
    asks: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
        "fills": lambda: gateway.order_fills(keys, **fills),
        "orders": lambda: gateway.open_orders(keys),
        "config": lambda: gateway.account_config(keys),
        "found": lambda: gateway.find_order(keys, **wanted),
        "searched": lambda: gateway.search_order(keys, **wanted),
        "absent": lambda: gateway.search_order(keys, **absent),
        "balances": lambda: gateway.balances(keys),
        "positions": lambda: gateway.positions(keys),
        "prices": lambda: gateway.last_prices(SYMBOL),
        "instruments": lambda: gateway.load_instruments(),
        "cancel": lambda: gateway.cancel_order(keys, **absent),
    }
    true = {name: runtime.run(ask()) for name, ask in asks.items() if name != "cancel"}
    spoil(exchange, "*", seed=11)
    unreadable = 0

    async def outcome(ask: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        try:
            return await ask()
        except VenueError as error:
            return error

    for _ in range(ROUNDS):
        for name, ask in asks.items():
            said = runtime.run(outcome(ask), timeout_seconds=30)
            if isinstance(said, VenueError):
                unreadable += 1
            elif isinstance(said, Readings):
                unreadable += len(said.unreadable)
            if name in ("fills", "orders") and isinstance(said, Readings):
                assert all(_without_remarks(row) in true[name] for row in said)
            if name == "config" and not isinstance(said, VenueError):
                assert said == true[name]
            if name in ("found", "searched"):
                assert said == true[name] or said.result is LookupResult.NO_EVIDENCE
            if name == "absent":
                assert said.result in (LookupResult.ABSENT, LookupResult.NO_EVIDENCE)
            if name == "instruments" and isinstance(said, dict):
                assert all(said[symbol] == true[name][symbol] for symbol in said)
                unreadable += len(gateway.unreadable_instruments())
            if name == "prices" and isinstance(said, dict):
                price = true[name][SYMBOL]
                assert price / 2 < said[SYMBOL] < price * 2
    assert unreadable > ROUNDS


def test_an_order_whose_answer_is_garbage_is_accepted_or_of_unknown_outcome(
    exchange: PaperServer, gateway: Gateway, keys: Credentials
) -> None:
    requests = [request_for(quantity=Decimal(1)) for _ in range(60)]
    spoil(exchange, "trade/order", method="POST", seed=5)

    async def place_all() -> list[Any]:
        return await asyncio.gather(*(gateway.place_order(keys, each) for each in requests))

    placements = runtime.run(place_all())
    exchange.control.clear_faults()
    results = {placement.result for placement in placements}
    assert results == {PlacementResult.ACCEPTED, PlacementResult.UNKNOWN}
    for request in requests:
        found = find(gateway, keys, request)
        assert found.order is not None
        assert found.order.quantity == request.quantity

"""Our limiter before the paper exchange, which has the venue's limits: none of them is met."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import pytest

from config.demo.paper_control import PaperAccount, invented_account
from customers.domain.ids import new_id
from tests.conftest import PaperServer
from venues import markets, runtime
from venues.domain.types import (
    NOT_SENT,
    Credentials,
    OrderRequest,
    Placement,
    PlacementResult,
    RejectKind,
    VenueError,
    VenueErrorKind,
)
from venues.gateway import Gateway
from venues.okx import transport

BTC, ETH, SPOT = "BTC/USDT:USDT", "ETH/USDT:USDT", "BTC/USDT"
SENT_BY_ONE_OF_TWO_PROCESSES = 30
"""Of 60 orders in 2 s; a fifth of them is for exits."""


@pytest.fixture
def gateway(paper_exchange: PaperServer) -> Iterator[Gateway]:
    runtime.close_gateways()
    yield runtime.gateway_for("paper")
    runtime.close_gateways()


def credentials_of(keys: PaperAccount) -> Credentials:
    return Credentials(keys.api_key, keys.secret_key, keys.passphrase)


def order(
    *, symbol: str = BTC, is_exit: bool = False, seconds: float = 20, **changes: Any
) -> OrderRequest:
    instrument = markets.instrument("paper", symbol)
    assert instrument is not None
    values: dict[str, Any] = {
        "client_order_id": new_id(),
        "instrument": instrument,
        "side": "buy",
        "order_type": "market",
        "quantity": instrument.min_size,
        "price": None,
        "position_side": "net",
        "reduce_only": False,
        "is_exit": is_exit,
        "margin_mode": "cash" if symbol == SPOT else "cross",
        "deadline_ms": int((time.time() + seconds) * 1000),
    }
    return OrderRequest(**{**values, **changes})


def place_all(
    gateway: Gateway, orders: Sequence[tuple[PaperAccount, OrderRequest]]
) -> list[Placement]:
    async def place() -> list[Placement]:
        sending = (gateway.place_order(credentials_of(keys), request) for keys, request in orders)
        return await asyncio.gather(*sending)

    return runtime.run(place())


def hits(exchange: PaperServer, rule: str) -> int:
    rules = exchange.control.call("GET", "faults")["faults"]
    return next(int(row["hits"]) for row in rules if row["id"] == rule)


def outcomes(placements: Sequence[Placement]) -> Counter[tuple[str, str]]:
    return Counter((placement.result, placement.code) for placement in placements)


def test_a_storm_of_refusals_is_waited_out_by_a_thousand_accounts(
    paper_exchange: PaperServer, gateway: Gateway
) -> None:
    told = 20
    throttled = [invented_account() for _ in range(1000)]
    healthy = paper_exchange.account()
    paper_exchange.control.add_accounts(*throttled)
    names = [keys.api_key for keys in throttled]
    rule = paper_exchange.control.add_fault(
        "error_code", code="50011", retryAfter=told, endpoint="trade/order", account=names
    )

    first = place_all(gateway, [(keys, order()) for keys in throttled])
    assert outcomes(first) == {("rejected", "50011"): 1000}
    assert all(placement.reject_kind is RejectKind.RATE_LIMIT for placement in first)
    assert all(0 < placement.retry_after_ms <= told * 1000 for placement in first)

    # Again, exits among them, in time for their deadline but not for the exchange.
    again = [(keys, order(is_exit=bool(n % 2), seconds=5)) for n, keys in enumerate(throttled)]
    *second, well = place_all(gateway, [*again, (healthy, order())])
    assert well.result is PlacementResult.ACCEPTED
    assert outcomes(second) == {("rejected", NOT_SENT): 1000}
    assert all(0 < placement.retry_after_ms <= told * 1000 for placement in second)
    assert hits(paper_exchange, rule) == 1000, "nobody called before Retry-After"

    # Exactly that budget: other instruments, cancellations and look-ups of the same accounts go.
    paper_exchange.control.clear_faults()
    keys = throttled[0]
    (other,) = place_all(gateway, [(keys, order(symbol=ETH))])
    assert other.result is PlacementResult.ACCEPTED
    names_of = {"symbol": BTC, "client_order_id": new_id()}
    runtime.run(gateway.find_order(credentials_of(keys), **names_of))
    with pytest.raises(VenueError) as gone:
        runtime.run(gateway.cancel_order(credentials_of(keys), **names_of))
    assert gone.value.kind is VenueErrorKind.REFUSED


@pytest.mark.parametrize(
    "fault",
    [
        {"action": "http_status", "status": 429, "retryAfter": 1},
        {"action": "error_code", "code": "50011", "status": 200, "retryAfter": 1},
        {"action": "error_code", "code": "50013", "retryAfter": 1},
        {"action": "http_status", "status": 429},
    ],
    ids=["html", "code", "busy", "untold"],
)
def test_what_is_refused_goes_again_when_the_time_is_over(
    paper_exchange: PaperServer, gateway: Gateway, fault: dict[str, Any]
) -> None:
    keys = paper_exchange.account()
    told = fault.get("retryAfter", 2)
    rule = paper_exchange.control.add_fault(
        fault["action"],
        **{key: value for key, value in fault.items() if key != "action"},
        endpoint="trade/order",
        account=keys.api_key,
        count=1,
    )
    (first,) = place_all(gateway, [(keys, order())])
    at = time.monotonic()
    definite = fault.get("code") == "50011"
    assert first.result is (PlacementResult.REJECTED if definite else PlacementResult.UNKNOWN)
    (second,) = place_all(gateway, [(keys, order(seconds=30))])
    assert second.result is PlacementResult.ACCEPTED
    assert time.monotonic() - at >= told - 0.3
    assert hits(paper_exchange, rule) == 1


def test_a_flood_of_entries_meets_no_limit_and_delays_no_exit(
    paper_exchange: PaperServer, gateway: Gateway
) -> None:
    flooded, neighbour = paper_exchange.account(), paper_exchange.account()
    entries = [(flooded, order(seconds=3)) for _ in range(70)]
    exits = [(flooded, order(is_exit=True)), (flooded, order(symbol=SPOT, is_exit=True))]
    placements = place_all(gateway, [*entries, *exits, (neighbour, order())])

    assert {placement.code for placement in placements} <= {"", NOT_SENT}, "50011 was never met"
    assert [placement.result for placement in placements[-3:]] == [PlacementResult.ACCEPTED] * 3
    rows = paper_exchange.control.ledger(flooded.api_key)["orders"]
    sent = [row["clOrdId"] for row in rows]
    accepted = [p for p in placements if p.result is PlacementResult.ACCEPTED]
    assert len(sent) == len(accepted) - 1, "what was not sent is not at the exchange"
    at_once = SENT_BY_ONE_OF_TWO_PROCESSES * 4 // 5
    for _, request in exits:
        assert sent.index(request.client_order_id) <= at_once + 1
    not_sent = [p for p in placements if p.code == NOT_SENT]
    assert not_sent, "70 entries do not fit in three seconds"
    assert {(p.result, p.reject_kind) for p in not_sent} == {
        (PlacementResult.REJECTED, RejectKind.RATE_LIMIT)
    }
    assert not set(sent) & {
        request.client_order_id
        for (_, request), p in zip(entries, placements, strict=False)
        if p.code == NOT_SENT
    }


def test_exits_what_they_depend_on_and_cancellations_use_what_entries_leave(
    paper_exchange: PaperServer, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "TURN_SECONDS", 0.2)
    monkeypatch.setattr(transport, "LOOKUP_ATTEMPTS", 1)
    runtime.run(gateway.load_instruments(max_age_seconds=600))
    paper_exchange.control.add_fault("freeze", ms=1000, endpoint="*")
    keys = [credentials_of(paper_exchange.account()) for _ in range(2)]
    one = {"symbol": BTC, "client_order_id": new_id()}
    fills = {"symbol": BTC, "venue_order_id": "1"}

    async def sent(count: int, ask: Callable[[], Awaitable[Any]]) -> int:
        """How many of these left, while none is answered."""
        answers = await asyncio.gather(*(ask() for _ in range(count)), return_exceptions=True)
        return sum(NOT_SENT not in str(getattr(answer, "detail", answer)) for answer in answers)

    async def ask_all(*, is_exit: bool) -> list[int]:
        mine = keys[is_exit]
        return await asyncio.gather(
            sent(6, lambda: gateway.balances(mine, is_exit=is_exit)),
            sent(6, lambda: gateway.positions(mine, is_exit=is_exit)),
            sent(62, lambda: gateway.find_order(mine, **one, is_exit=is_exit)),
            sent(62, lambda: gateway.order_fills(mine, **fills, is_exit=is_exit)),
            sent(62, lambda: gateway.cancel_order(mine, **one)),
        )

    async def both() -> list[list[int]]:
        return await asyncio.gather(ask_all(is_exit=False), ask_all(is_exit=True))

    assert runtime.run(both()) == [[4, 4, 48, 24, 60], [5, 5, 60, 30, 60]]


def test_a_read_without_a_turn_says_so(paper_exchange: PaperServer, gateway: Gateway) -> None:
    keys = paper_exchange.account()
    rule = paper_exchange.control.add_fault(
        "http_status", status=429, retryAfter=60, endpoint="account/balance", account=keys.api_key
    )
    for code in ("", NOT_SENT):
        with pytest.raises(VenueError) as refused:
            runtime.run(gateway.balances(credentials_of(keys)))
        assert (refused.value.kind, refused.value.code) == (VenueErrorKind.RATE_LIMIT, code)
    assert hits(paper_exchange, rule) == 1
    assert runtime.run(gateway.positions(credentials_of(keys))) == []


def test_reads_of_a_crowd_of_callers_meet_no_limit(
    paper_exchange: PaperServer, gateway: Gateway
) -> None:
    keys = paper_exchange.account(usdt="5")
    many = 7  # 10 in 2 s, half of it for this process, a fifth of that for exits

    async def read() -> list[Any]:
        return await asyncio.gather(*(gateway.balances(credentials_of(keys)) for _ in range(many)))

    balances = runtime.run(read())
    assert [found[0].equity for found in balances] == [Decimal(5)] * many

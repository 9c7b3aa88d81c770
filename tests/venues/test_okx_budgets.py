"""Each of OKX's limits is kept: how much, what is counted together, what a refusal stops."""

import pytest

from venues.domain.rate_windows import Processes
from venues.http_pool import HttpAnswer
from venues.okx.budgets import NoTurnError, OkxBudgets, Permit

# OKX_FACTS §4: endpoint, uses in 2 s, counted for.
TABLE = [
    ("POST trade/order", 60, "instrument"),
    ("POST trade/amend-order", 60, "instrument"),
    ("POST trade/cancel-order", 60, "instrument"),
    ("GET trade/order", 60, "instrument"),
    ("POST trade/batch-orders", 300, "instrument"),
    ("POST trade/amend-batch-orders", 300, "instrument"),
    ("POST trade/cancel-batch-orders", 300, "instrument"),
    ("GET trade/orders-pending", 60, "account"),
    ("GET trade/fills", 60, "account"),
    ("GET trade/orders-history", 40, "account"),
    ("GET trade/orders-history-archive", 20, "account"),
    ("GET trade/fills-history", 10, "account"),
    ("GET account/balance", 10, "account"),
    ("GET account/positions", 10, "account"),
    ("GET asset/deposit-history", 12, "account"),
    ("GET asset/withdrawal-history", 12, "account"),
    ("GET account/config", 5, "account"),
    ("POST account/set-position-mode", 5, "account"),
    ("GET account/trade-fee", 5, "account"),
    ("POST account/set-leverage", 20, "account"),
    ("POST trade/order-algo", 20, "account"),
    ("POST trade/close-position", 20, "account"),
    ("GET public/funding-rate", 10, "address"),
    ("GET public/mark-price", 10, "address"),
    ("GET public/time", 10, "address"),
    ("GET public/instruments", 20, "address"),
    ("GET market/ticker", 20, "address"),
    ("GET market/tickers", 20, "address"),
    ("GET market/history-candles", 20, "address"),
    ("GET market/candles", 40, "address"),
    ("GET market/books", 40, "address"),
    ("GET market/trades", 100, "address"),
]
ANSWERED = HttpAnswer(200, {}, b"")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def budgets(clock: Clock) -> OkxBudgets:
    """One process that asks everything; a request is answered at once."""
    return OkxBudgets(Processes(senders=1, lookups=1, accounts=1), clock=clock)


async def ask(
    budgets: OkxBudgets, endpoint: str, *, answer: HttpAnswer = ANSWERED, code: str = "0", **names
) -> float:
    """One request, or `names["orders"]` in a batch. Raises NoTurnError."""
    names = {"account": "a", "instrument": "BTC-USDT-SWAP", "is_exit": True, **names}
    permit = await budgets.permit(endpoint, **names, wait_seconds=0)
    return budgets.settle(permit, answer, code)


async def room(budgets: OkxBudgets, endpoint: str, **names) -> int:
    """How many requests are let through at this moment."""
    for number in range(1500):
        try:
            await ask(budgets, endpoint, **names)
        except NoTurnError:
            return number
    raise AssertionError("no limit")


def usable(count: int, scope: str, endpoint: str) -> int:
    asking = {
        "GET public/instruments": 3,  # all ask for these
        "GET public/time": 3,
        "GET account/balance": 2,
        "GET account/positions": 2,
        "GET trade/orders-pending": 2,  # look-ups, and who compares books
        "GET trade/fills": 2,
        "GET trade/fills-history": 2,
        "GET trade/orders-algo-pending": 2,
    }.get(endpoint, 1)
    return count * (70 if scope == "address" else 100) // (100 * asking)


@pytest.mark.parametrize(("endpoint", "count", "scope"), TABLE)
async def test_the_budget_of_an_endpoint(
    budgets: OkxBudgets, clock: Clock, endpoint: str, count: int, scope: str
) -> None:
    names = {"orders": 2} if "batch" in endpoint else {}
    allowed = usable(count, scope, endpoint) // names.get("orders", 1)
    assert await room(budgets, endpoint, **names) == allowed
    assert await room(budgets, endpoint, **names, account="b") == (
        0 if scope == "address" else allowed
    )
    assert await room(budgets, endpoint, **names, instrument="ETH-USDT-SWAP") == (
        allowed if scope == "instrument" else 0
    )
    clock.now += 1.99
    assert await room(budgets, endpoint, **names) == 0
    clock.now += 0.02
    assert await room(budgets, endpoint, **names) == allowed


@pytest.mark.parametrize(("endpoint", "count", "scope"), TABLE)
async def test_a_fifth_of_each_is_kept_for_exits(
    budgets: OkxBudgets, endpoint: str, count: int, scope: str
) -> None:
    allowed = usable(count, scope, endpoint)
    names = {"orders": 2} if "batch" in endpoint else {}
    orders = names.get("orders", 1)
    kept = -(-allowed // 5)
    assert await room(budgets, endpoint, **names, is_exit=False) == (allowed - kept) // orders
    left = allowed - (allowed - kept) // orders * orders
    assert await room(budgets, endpoint, **names, is_exit=True) == left // orders
    assert left >= allowed / 5


async def test_endpoints_are_counted_apart(budgets: OkxBudgets) -> None:
    for endpoint, count, scope in TABLE:
        if "batch" not in endpoint and not endpoint.startswith("POST trade/amend"):
            assert await room(budgets, endpoint) == usable(count, scope, endpoint), endpoint


async def test_a_batch_of_one_uses_the_limit_of_single_orders(budgets: OkxBudgets) -> None:
    for _ in range(60):
        await ask(budgets, "POST trade/batch-orders", orders=1)
    assert await room(budgets, "POST trade/order") == 0
    await ask(budgets, "POST trade/batch-orders", orders=20)


async def test_a_sub_account_places_and_amends_a_thousand_but_spot(budgets: OkxBudgets) -> None:
    new, amended = "POST trade/order", "POST trade/amend-order"
    sent = 0
    for number in range(20):
        instrument = f"{number}-USDT-SWAP"
        sent += await room(budgets, new, instrument=instrument, is_spot=False)
        sent += await room(budgets, amended, instrument=instrument, is_spot=False)
    assert sent == 1000
    with pytest.raises(NoTurnError, match="sub-account"):
        await ask(budgets, new, instrument="NEW-USDT-SWAP", is_spot=False)
    assert await room(budgets, new, instrument="NEW-USDT-SWAP", is_spot=False, account="b") == 60
    assert await room(budgets, new, instrument="BTC-USDT", is_spot=True) == 60
    # What found no room in the sub-account's budget has given its other turn back.
    assert await room(budgets, new, instrument="NEW-USDT-SWAP", is_spot=True) == 60


async def test_entries_leave_exits_a_fifth_of_the_sub_accounts_orders(budgets: OkxBudgets) -> None:
    async def fill(*, is_exit: bool) -> int:
        sent = 0
        for number in range(40):
            names = {"instrument": f"{is_exit}{number}-USDT-SWAP", "is_spot": False}
            sent += await room(budgets, "POST trade/order", **names, is_exit=is_exit)
        return sent

    assert await fill(is_exit=False) == 800
    assert await fill(is_exit=True) == 200


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (HttpAnswer(429, {"retry-after": "7"}, b""), ""),
        (HttpAnswer(429, {"retry-after": "7"}, b""), "50011"),
        (HttpAnswer(200, {"retry-after": "7"}, b""), "50011"),
        (HttpAnswer(429, {"retry-after": "7"}, b""), "50013"),
    ],
)
@pytest.mark.parametrize(("endpoint", "count", "scope"), TABLE)
async def test_a_refusal_stops_exactly_its_own_budget(
    budgets: OkxBudgets,
    clock: Clock,
    endpoint: str,
    count: int,
    scope: str,
    answer: HttpAnswer,
    code: str,
) -> None:
    names = {"orders": 2} if "batch" in endpoint else {}
    assert await ask(budgets, endpoint, **names, answer=answer, code=code) == 7
    with pytest.raises(NoTurnError) as refused:
        await ask(budgets, endpoint, **names)
    assert refused.value.seconds == 7
    for other, _, _ in TABLE:
        if other != endpoint:
            await ask(budgets, other, orders=2 if "batch" in other else 1)
    if scope != "address":
        await ask(budgets, endpoint, **names, account="b")
    if scope == "instrument":
        await ask(budgets, endpoint, **names, instrument="ETH-USDT-SWAP")
    clock.now += 6.9
    with pytest.raises(NoTurnError):
        await ask(budgets, endpoint, **names)
    clock.now += 0.2
    await ask(budgets, endpoint, **names)


async def test_50061_stops_the_sub_accounts_orders_and_nothing_else(
    budgets: OkxBudgets, clock: Clock
) -> None:
    names = {"is_spot": False}
    answer = HttpAnswer(200, {}, b"")
    assert await ask(budgets, "POST trade/order", **names, answer=answer, code="50061") == 2
    for instrument in ("BTC-USDT-SWAP", "ETH-USDT-SWAP"):
        with pytest.raises(NoTurnError, match="sub-account"):
            await ask(budgets, "POST trade/order", **names, instrument=instrument)
    await ask(budgets, "POST trade/order", instrument="BTC-USDT", is_spot=True)
    await ask(budgets, "POST trade/cancel-order")
    await ask(budgets, "POST trade/order", **names, account="b")
    clock.now += 2
    await ask(budgets, "POST trade/order", **names)


@pytest.mark.parametrize("answer", [None, HttpAnswer(200, {}, b""), HttpAnswer(502, {}, b"")])
async def test_other_answers_and_none_stop_nothing(
    budgets: OkxBudgets, answer: HttpAnswer | None
) -> None:
    permit: Permit = await budgets.permit(
        "GET account/balance", account="a", is_exit=False, wait_seconds=0
    )
    assert budgets.settle(permit, answer, "51008") == 0
    assert await room(budgets, "GET account/balance") == 4


@pytest.mark.parametrize(
    ("endpoint", "share"),
    [
        ("POST trade/order", 60 // 4),
        ("POST account/set-leverage", 20 // 4),
        ("GET market/ticker", 14 // 4),
        ("GET trade/order", 60 // 3),
        ("POST trade/cancel-order", 60 // 3),
        ("GET account/balance", 10 // 5),
        ("GET account/config", 5 // 2),
        ("GET public/instruments", 14 // 9),
    ],
)
async def test_processes_divide_what_they_ask(clock: Clock, endpoint: str, share: int) -> None:
    budgets = OkxBudgets(Processes(senders=4, lookups=3, accounts=2), clock=clock)
    assert await room(budgets, endpoint) == share


async def test_more_processes_than_uses_take_turns_in_a_longer_window(clock: Clock) -> None:
    budgets = OkxBudgets(Processes(senders=4, lookups=1, accounts=10), clock=clock)
    assert await room(budgets, "GET account/config", is_exit=False) == 1
    clock.now += 3.9  # 5 in 2 s for ten processes: one each in 4 s
    assert await room(budgets, "GET account/config") == 0
    clock.now += 0.2
    assert await room(budgets, "GET account/config") == 1


async def test_memory_follows_the_traffic_not_the_number_of_accounts(
    budgets: OkxBudgets, clock: Clock
) -> None:
    most = 0
    for number in range(100_000):
        clock.now += 1 / 4000
        await ask(budgets, "POST trade/order", account=f"account-{number}", is_spot=False)
        most = max(most, len(budgets.limiter))
    two_seconds = 2 * 2 * 4000  # two windows an order
    assert most < 2 * two_seconds


async def test_what_waits_travels_or_is_refused_is_not_forgotten(
    budgets: OkxBudgets, clock: Clock
) -> None:
    travelling = [
        await budgets.permit("GET account/config", account="slow", is_exit=True, wait_seconds=0)
        for _ in range(5)
    ]
    await ask(
        budgets,
        "GET account/config",
        account="banned",
        answer=HttpAnswer(429, {"retry-after": "600"}, b""),
    )
    for number in range(2000):
        clock.now += 0.05
        await ask(budgets, "GET account/config", account=f"account-{number}")
    assert len(budgets.limiter) < 300
    for account in ("slow", "banned"):
        with pytest.raises(NoTurnError):
            await ask(budgets, "GET account/config", account=account)
    for permit in travelling:
        budgets.settle(permit, ANSWERED, "0")

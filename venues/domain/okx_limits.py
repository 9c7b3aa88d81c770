"""OKX's rate limits: what is counted together, and how often it may be. Pure; from its docs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

WINDOW_SECONDS = 2.0
PUBLIC_PERCENT = 70
"""Of what an address may ask: others may ask from it, and what it is banned for hits everyone."""

MAX_RETRY_AFTER_SECONDS = 3 * 86_400.0
"""The longest ban known; more is a mistake that would silence an account for good."""


class Scope(StrEnum):
    """What a limit is counted for."""

    ADDRESS = "address"
    ACCOUNT = "account"
    INSTRUMENT = "instrument"
    """Of an account."""


@dataclass(frozen=True, slots=True)
class Limit:
    """`count` requests in WINDOW_SECONDS; of batches, orders."""

    count: int
    scope: Scope


SUB_ACCOUNT_ORDERS = Limit(1000, Scope.ACCOUNT)
"""New and amended orders of a sub-account over all instruments and endpoints; not of spot."""

COUNTED_FOR_SUB_ACCOUNT = frozenset(
    {
        "POST trade/order",
        "POST trade/batch-orders",
        "POST trade/amend-order",
        "POST trade/amend-batch-orders",
    }
)

_BY_COUNT: dict[tuple[Scope, int], str] = {
    (Scope.INSTRUMENT, 60): (
        "POST trade/order, POST trade/amend-order, POST trade/cancel-order, GET trade/order"
    ),
    (Scope.INSTRUMENT, 300): (
        "POST trade/batch-orders, POST trade/amend-batch-orders, POST trade/cancel-batch-orders"
    ),
    (Scope.ACCOUNT, 60): "GET trade/orders-pending, GET trade/fills",
    (Scope.ACCOUNT, 40): "GET trade/orders-history",
    (Scope.ACCOUNT, 12): "GET asset/deposit-history, GET asset/withdrawal-history",
    (Scope.ADDRESS, 5): "GET copytrading/public-current-subpositions",
    (Scope.ACCOUNT, 20): (
        "GET trade/orders-algo-pending, GET trade/orders-history-archive,"
        " POST account/set-leverage, GET account/leverage-info,"
        " POST account/position/margin-balance,"
        " POST trade/order-algo, POST trade/amend-algos,"
        " POST trade/cancel-algos, GET trade/order-algo,"
        " POST trade/close-position"
    ),
    (Scope.ACCOUNT, 10): (
        "GET trade/fills-history, GET account/balance, GET account/positions, GET account/bills"
    ),
    (Scope.ACCOUNT, 5): (
        "GET account/config, POST account/set-position-mode, GET account/trade-fee"
    ),
    (Scope.ADDRESS, 10): "GET public/funding-rate, GET public/mark-price, GET public/time",
    (Scope.ADDRESS, 20): (
        "GET public/instruments, GET market/ticker, GET market/tickers, GET market/history-candles"
    ),
    (Scope.ADDRESS, 40): "GET market/candles, GET market/books",
    (Scope.ADDRESS, 100): "GET market/trades",
}

LIMITS: Mapping[str, Limit] = {
    endpoint: Limit(count, scope)
    for (scope, count), endpoints in _BY_COUNT.items()
    for endpoint in endpoints.split(", ")
}
"""By method and path. What is not here may not be asked."""

_SINGLE_OF_BATCH = {
    "POST trade/batch-orders": "POST trade/order",
    "POST trade/amend-batch-orders": "POST trade/amend-order",
    "POST trade/cancel-batch-orders": "POST trade/cancel-order",
}


def counted_as(endpoint: str, orders: int) -> str:
    """The endpoint whose limit a request uses: a batch of one order uses the single one's."""
    return _SINGLE_OF_BATCH.get(endpoint, endpoint) if orders == 1 else endpoint


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """What a Retry-After header says (RFC 9110: seconds or a date); None without a usable one."""
    if not header:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), MAX_RETRY_AFTER_SECONDS)
    try:
        seconds = (parsedate_to_datetime(text) - now).total_seconds()
    except (TypeError, ValueError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)

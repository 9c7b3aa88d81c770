"""This process's part of OKX's rate limits, and what an answer says of them.

A permit is taken before a request leaves and settled when it is answered. Accounts are told apart
by their API key. How the processes share: docs/adr/0006-rate-limits-are-shared-by-division.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from math import isinf
from typing import NamedTuple

from venues.domain.okx_limits import (
    COUNTED_FOR_SUB_ACCOUNT,
    LIMITS,
    PUBLIC_PERCENT,
    SUB_ACCOUNT_ORDERS,
    WINDOW_SECONDS,
    Limit,
    Scope,
    counted_as,
    retry_after_seconds,
)
from venues.domain.okx_outcomes import SUB_ACCOUNT_LIMIT_CODE, is_rate_limit_code
from venues.domain.rate_windows import Budget, Processes, RateWindow, share_of
from venues.http_pool import HttpAnswer
from venues.limiter import RateLimiter

TOO_MANY_REQUESTS = 429

_SENT_WITH_ORDERS = frozenset(
    {
        "POST trade/order",
        "POST account/set-leverage",
        "GET market/ticker",
        "GET market/tickers",
        "GET market/books",
        "GET public/funding-rate",
    }
)
_ASKED_BY_ALL = frozenset({"GET public/instruments", "GET public/time"})
_ASKED_BY_READERS = frozenset(
    {
        "GET account/balance",
        "GET account/positions",
        "GET trade/orders-pending",
        "GET trade/fills",
        "GET trade/fills-history",
        "GET account/leverage-info",
        "POST account/position/margin-balance",
        "GET trade/orders-algo-pending",
    }
)
"""By those who read accounts and compare their books, and by look-ups."""


def _that_ask(endpoint: str, processes: Processes) -> int:
    if endpoint in _ASKED_BY_ALL:
        return processes.senders + processes.lookups + processes.accounts
    if endpoint in _SENT_WITH_ORDERS:
        return processes.senders
    if endpoint in _ASKED_BY_READERS:
        return processes.lookups + processes.accounts
    of_accounts = "account/" in endpoint or "asset/" in endpoint
    return processes.accounts if of_accounts else processes.lookups


class _Counting(NamedTuple):
    endpoint: str
    share: Budget
    by_account: bool
    by_instrument: bool


Permit = tuple[RateWindow, RateWindow | None, int]
"""The endpoint's window, the sub-account's when the request counts there, too, and how often."""


class NoTurnError(Exception):
    """The budget has no room in time. `seconds`: until it might have, 0 when nobody knows."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(f"not sent: no room in our share of the rate limit of {what}")
        self.seconds = seconds


class OkxBudgets:
    def __init__(
        self, processes: Processes, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.limiter = RateLimiter(clock)
        self._shares = {
            endpoint: _Counting(
                endpoint,
                _share(limit, _that_ask(endpoint, processes)),
                by_account=limit.scope is not Scope.ADDRESS,
                by_instrument=limit.scope is Scope.INSTRUMENT,
            )
            for endpoint, limit in LIMITS.items()
        }
        self._shares_of_one = {name: self._shares[counted_as(name, 1)] for name in LIMITS}
        self._sub_account_share = _share(SUB_ACCOUNT_ORDERS, processes.senders)

    def permit_now(
        self,
        endpoint: str,
        *,
        account: str = "",
        instrument: str = "",
        is_spot: bool = True,
        is_exit: bool,
        orders: int = 1,
    ) -> Permit | None:
        """A turn that needs no waiting; None when there is none.

        `account` and `instrument` for limits that are counted so; `is_spot` for orders.
        """
        limiter = self.limiter
        now = limiter.clock()
        window = self._window(endpoint, account, instrument, orders, now)
        if not limiter.take_now(window, now, is_exit, orders):
            return None
        if is_spot or endpoint not in COUNTED_FOR_SUB_ACCOUNT:
            return window, None, orders
        sub_account = self._sub_account(account, now)
        if not limiter.take_now(sub_account, now, is_exit, orders):
            limiter.give_back(window, orders)
            return None
        return window, sub_account, orders

    async def permit(
        self,
        endpoint: str,
        *,
        account: str = "",
        instrument: str = "",
        is_spot: bool = True,
        is_exit: bool,
        wait_seconds: float,
        orders: int = 1,
    ) -> Permit:
        """As `permit_now`. Raises NoTurnError when there is no turn within `wait_seconds`."""
        limiter = self.limiter
        until = limiter.clock() + wait_seconds
        window = self._window(endpoint, account, instrument, orders, limiter.clock())
        if not await limiter.take(window, is_exit=is_exit, until=until, uses=orders):
            raise self._no_turn(endpoint, window, is_exit, orders)
        if is_spot or endpoint not in COUNTED_FOR_SUB_ACCOUNT:
            return window, None, orders
        # The first is held meanwhile: while the second is full, nothing else could leave.
        taken = False
        try:
            sub_account = self._sub_account(account, limiter.clock())
            taken = await limiter.take(sub_account, is_exit=is_exit, until=until, uses=orders)
        finally:
            if not taken:
                limiter.give_back(window, orders)
        if not taken:
            raise self._no_turn("a sub-account's orders", sub_account, is_exit, orders)
        return window, sub_account, orders

    def _window(
        self, endpoint: str, account: str, instrument: str, orders: int, now: float
    ) -> RateWindow:
        shares = self._shares_of_one if orders == 1 else self._shares
        counted, share, by_account, by_instrument = shares[endpoint]
        key = (counted, account if by_account else "", instrument if by_instrument else "")
        return self.limiter.window(key, share, now)

    def _sub_account(self, account: str, now: float) -> RateWindow:
        return self.limiter.window(("", account, ""), self._sub_account_share, now)

    def _no_turn(self, what: str, window: RateWindow, is_exit: bool, orders: int) -> NoTurnError:
        now = self.limiter.clock()
        seconds = window.free_at(now, is_exit, orders) - now
        return NoTurnError(what, 0.0 if isinf(seconds) else seconds)

    def withdraw(self, permit: Permit) -> None:
        """Nothing left for the venue."""
        window, sub_account, orders = permit
        self.limiter.give_back(window, orders)
        if sub_account is not None:
            self.limiter.give_back(sub_account, orders)

    def settle(self, permit: Permit, answer: HttpAnswer | None, code: str) -> float:
        """Give the permit back; `answer` is None when no answer came, `code` is the venue's.

        Returns for how many seconds nothing of this will be sent, because the venue refused it.
        """
        limiter = self.limiter
        now = limiter.clock()
        window, sub_account, orders = permit
        if answer is not None and (answer.status == TOO_MANY_REQUESTS or is_rate_limit_code(code)):
            told = retry_after_seconds(answer.headers.get("retry-after"), datetime.now(UTC))
            refused = window
            if sub_account is not None:
                others = sub_account
                if code == SUB_ACCOUNT_LIMIT_CODE:
                    refused, others = sub_account, window
                limiter.answer(others, now, orders)
            limiter.refuse(refused, now, told, orders)
            return max(refused.blocked_until - now, 0.0)
        limiter.answer(window, now, orders)
        if sub_account is not None:
            limiter.answer(sub_account, now, orders)
        return 0.0


def _share(limit: Limit, processes: int) -> Budget:
    percent = PUBLIC_PERCENT if limit.scope is Scope.ADDRESS else 100
    return share_of(limit.count, WINDOW_SECONDS, percent=percent, processes=processes)

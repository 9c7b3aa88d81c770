"""One exchange with a standing clock and standing prices: BTC 60000, ETH 3000.

At 60000 the best ask of BTC markets is 60000.6 and the best bid 59999.4 (half a spread of 0.1
basis points each side), which the hand-computed numbers below rely on.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from venues.paper.engine.exchange import Account, BookShape, Event, Exchange

T0 = 1_800_000_000_000  # 2027-01-15T08:00:00Z, a funding time


class HandClock:
    def __init__(self, ms: int = T0 + 60_000) -> None:
        self.ms = ms

    def now_ms(self) -> int:
        return self.ms

    def advance(self, ms: int) -> None:
        self.ms += ms


class Desk:
    """An account with short words for what the tests do with it."""

    def __init__(self, exchange: Exchange, clock: HandClock, acc: Account) -> None:
        self.exchange = exchange
        self.clock = clock
        self.acc = acc

    def place(self, inst_id: str, side: str, sz: str, px: str | None = None, **more: Any) -> Any:
        swap = inst_id.endswith("SWAP")
        params: dict[str, Any] = {
            "instId": inst_id,
            "side": side,
            "sz": sz,
            "ordType": "market" if px is None else "limit",
            "tdMode": "cross" if swap else "cash",
        }
        if px is not None:
            params["px"] = px
        if not swap and px is None:
            params["tgtCcy"] = "base_ccy"
        fault = more.pop("fault", None)
        params.update(more)
        return self.exchange.place_order(self.acc, params, fault=fault)

    def placed(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The order row after an accepted placement."""
        row = self.place(*args, **kwargs)
        assert row["sCode"] == "0", row
        return self.order(args[0], row["ordId"])

    def order(self, inst_id: str, ord_id: str) -> dict[str, Any]:
        return self.exchange.get_order(self.acc, {"instId": inst_id, "ordId": ord_id})[0]

    def cash(self, ccy: str = "USDT") -> Decimal:
        for row in self.exchange.balance(self.acc, {})[0]["details"]:
            if row["ccy"] == ccy:
                return Decimal(row["cashBal"])
        return Decimal(0)

    def detail(self, ccy: str = "USDT") -> dict[str, Any]:
        return next(r for r in self.exchange.balance(self.acc, {})[0]["details"] if r["ccy"] == ccy)

    def position(self, inst_id: str, **match: str) -> dict[str, Any]:
        rows = self.exchange.positions(self.acc, {"instId": inst_id})
        rows = [r for r in rows if all(r[k] == v for k, v in match.items())]
        assert len(rows) == 1, rows
        return rows[0]

    def pending(self) -> list[dict[str, Any]]:
        return self.exchange.orders_pending(self.acc, {})


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def exchange(clock: HandClock) -> Exchange:
    # Deep enough that a whole coin fills at the best price.
    return Exchange(clock, feed="static", book=BookShape(top_notional=200_000))


_NEXT = iter(range(1, 1_000_000))


def open_account(exchange: Exchange, **more: Any) -> Account:
    number = next(_NEXT)
    spec = {
        "apiKey": f"key{number}",
        "secretKey": "secret",
        "passphrase": "phrase",
        "balances": {"USDT": "100000"},
    }
    return exchange.add_account(spec | more)


@pytest.fixture
def desk(exchange: Exchange, clock: HandClock) -> Desk:
    return Desk(exchange, clock, open_account(exchange))


@pytest.fixture
def make_desk(exchange: Exchange, clock: HandClock) -> Any:
    return lambda **more: Desk(exchange, clock, open_account(exchange, **more))


@pytest.fixture
def events(exchange: Exchange) -> list[tuple[str, str, dict[str, Any]]]:
    """(kind, instId, row) of everything that is told about accounts."""
    seen: list[tuple[str, str, dict[str, Any]]] = []

    def listen(event: Event) -> None:
        seen.append((event.kind, event.inst_id, event.row()))

    exchange.on_event = listen
    exchange.wants = lambda kind, account, inst_id: account is not None
    return seen

"""Random plans against the paper exchange's own checks: no size or price may be refused.

Followers of all kinds of markets, with random settings, books, prices and signals, are planned as
live ones are, and each order is written as the gateway writes it and given to the exchange's engine
in this process. What it refuses for funds or for the tier of a position is counted apart: that is
no matter of size, step or price.

    python -m tests.bench.plans [--count 100000] [--seed 1]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal as D
from typing import Any, cast

import ccxt

from customers.domain.ids import new_id
from strategies.domain.settings import CopySettings, OnMinimum, TradeDirection, sizing_terms
from strategies.domain.sizing import DynamicSizing, LeaderSize, SizeBasis, SizingMode
from tests.trading.plans import follower
from trading.domain.planning import Action, Book, Follower, Instruction, Leg, plan_follower
from venues.domain.types import Instrument, InstrumentKind, OrderRequest
from venues.okx.instruments import InstrumentList
from venues.okx.placing import order_params
from venues.okx.transport import OkxTransport
from venues.paper.engine.exchange import Exchange

ACTIONS: Sequence[Action] = ("open", "increase", "reduce", "close", "flip", "set_target")
NO_FILTER = {
    "51008": "funds",
    "51004": "tier",
    "51174": "pending orders",
}
ACCOUNT_LASTS = 300
"""Orders; then its money and its list of pending orders are used up."""


class _StandingClock:
    def now_ms(self) -> int:
        return 1_800_000_060_000


class _EngineRows:
    """In place of the transport: the list of instruments comes from the engine."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def read(self, _key: None, _verb: str, _path: str, params: Any, **_more: Any) -> Any:
        return self._exchange.instruments(params)


@dataclass
class Checked:
    """Of `orders` sent, `refused` by code; `shown`: the first few that should not have been."""

    plans: int = 0
    orders: int = 0
    accepted: int = 0
    refused_for_no_filter: int = 0
    refused: int = 0

    def __post_init__(self) -> None:
        self.codes: Counter[str] = Counter()
        self.shown: list[str] = []


class PlanCheck:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.exchange = Exchange(_StandingClock(), feed="static")
        rows = cast(OkxTransport, _EngineRows(self.exchange))
        self.markets = list(
            asyncio.run(InstrumentList(ccxt.okx({}), rows).load(max_age_seconds=0)).values()
        )
        self.prices = {market.symbol: self._last(market) for market in self.markets}
        self._accounts = 0
        self._left = 0
        self.found = Checked()

    def run(self, count: int) -> Checked:
        for _ in range(count):
            self._one()
        return self.found

    def _last(self, market: Instrument) -> D:
        (row,) = self.exchange.ticker({"instId": market.venue_symbol})
        return D(row["last"])

    def _one(self) -> None:
        market = self.random.choice(self.markets)
        last = self.prices[market.symbol]
        limit = self._near(last) if self.random.random() < 0.3 else None
        told = self._instruction(market, last)
        one = self._follower(market, limit or last, is_limit=limit is not None)
        plan = plan_follower(told, one)
        self.found.plans += 1
        for leg in plan.legs:
            if leg.is_order:
                self._send(market, leg, limit if leg.is_entry else None)

    def _near(self, price: D) -> D:
        """Within the exchange's band of 5 %, and of more digits than a tick has."""
        return price * D(repr(self.random.uniform(0.96, 1.04)))

    def _amount(self, low: float, high: float) -> D:
        """From tiny to huge, as often of each size."""
        return D(repr(round(10 ** self.random.uniform(low, high), 12))).quantize(D("1e-18"))

    def _maybe(self, value: D, chance: float = 0.3) -> D | None:
        return value if self.random.random() < chance else None

    def _instruction(self, market: Instrument, last: D) -> Instruction:
        pick = self.random.choice
        action, direction = pick(ACTIONS), pick((1, -1))
        basis = pick((SizeBasis.BASE, SizeBasis.CONTRACTS, SizeBasis.QUOTE))
        worth = self._amount(-2, 8)
        size = worth if basis is SizeBasis.QUOTE else worth / last / market.contract_size
        stop = last * (1 - direction * D(repr(self.random.uniform(0.001, 0.3))))
        leader = LeaderSize(
            size=None if action == "close" else size,
            basis=basis,
            instrument=pick(self.markets) if self.random.random() < 0.2 else market,
            price=self._near(last),
            leverage=D(pick((1, 5, 20))),
            equity=self._amount(2, 7),
            stop_loss=self._maybe(stop, 0.7),
            direction=direction,
        )
        part = D(repr(round(self.random.uniform(0.01, 1), 6)))
        fraction = part if action == "reduce" and self.random.random() < 0.7 else None
        return Instruction(action, 0 if action == "close" else direction, leader, fraction)

    def _settings(self) -> CopySettings:
        pick = self.random.choice
        return CopySettings(
            sizing_mode=pick(list(SizingMode)),
            fixed_amount=self._amount(-1, 6),
            ratio=self._amount(-2, 2),
            follow_ratio=self._amount(-1, 1),
            risk_percent=self._amount(-1, 1),
            stop_loss_percent=self._maybe(self._amount(-1, 1.5)),
            size_discount_percent=D(pick((0, 5, 50))),
            dynamic_sizing=pick((DynamicSizing.NONE, DynamicSizing.VOLATILITY)),
            target_volatility_percent=self._amount(-1, 1),
            per_order_cap=self._maybe(self._amount(-1, 7)),
            min_order_amount=self._maybe(self._amount(-1, 4)),
            below_minimum=pick(list(OnMinimum)),
            direction=pick(list(TradeDirection)),
        )

    def _follower(self, market: Instrument, price: D, *, is_limit: bool) -> Follower:
        settings = self._settings()
        holds = self.random.random() < 0.6
        held = market.quantity_down(self._amount(-2, 8) / price / market.contract_size)
        is_spot = market.kind is InstrumentKind.SPOT
        held = held * (1 if is_spot else self.random.choice((1, -1))) if holds else D(0)
        rest = market.lot * D(repr(round(self.random.random(), 3)))
        book = Book(target=held + (rest if held >= 0 else -rest), filled=held)
        one = follower(
            book, market, settings=settings, price=price, available=D(10) ** 15, is_limit=is_limit
        )
        terms = sizing_terms(
            settings,
            leverage=D(1) if is_spot else D(self.random.choice((1, 5, 20))),
            equity=self._amount(0, 7),
            daily_range_percent=self._amount(-1, 1.5),
        )
        is_reversed = settings.direction is TradeDirection.REVERSED
        return replace(one, terms=terms, price=price, is_reversed=is_reversed)

    def _send(self, market: Instrument, leg: Leg, limit: D | None) -> None:
        request = OrderRequest(
            client_order_id=new_id(),
            instrument=market,
            side="buy" if leg.direction > 0 else "sell",
            order_type="market" if limit is None else "limit",
            quantity=leg.quantity,
            price=None if limit is None else market.price_to_tick(limit),
            position_side="net",
            reduce_only=False,  # nothing is held there, and that is not what is asked
            is_exit=not leg.is_entry,
            margin_mode="cross",
            deadline_ms=0,
        )
        answer = self.exchange.place_order(self._account(), order_params(request))
        self.found.orders += 1
        code = answer["sCode"]
        if code == "0":
            self.found.accepted += 1
            return
        self.found.codes[code] += 1
        if code in NO_FILTER:
            self.found.refused_for_no_filter += 1
            return
        self.found.refused += 1
        if len(self.found.shown) < 5:
            self.found.shown.append(f"{order_params(request)}: {answer['sMsg']}")

    def _account(self) -> Any:
        if not self._left:
            self._accounts += 1
            self._left = ACCOUNT_LASTS
            name = f"plans-{self._accounts}"
            coins = {market.base for market in self.markets} | {"USDT"}
            spec = {
                "apiKey": name,
                "secretKey": name,
                "passphrase": name,
                "acctLv": "2",
                "posMode": "net_mode",
                "permissions": ["read_only", "trade"],
                "balances": dict.fromkeys(coins, "1000000000000000"),
            }
            self.current = self.exchange.add_account(spec)
        self._left -= 1
        return self.current


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    started = time.monotonic()
    found = PlanCheck(options.seed).run(options.count)
    print(
        json.dumps(
            {
                "plans": found.plans,
                "orders": found.orders,
                "accepted": found.accepted,
                "refused_for_funds_or_tier": found.refused_for_no_filter,
                "refused_for_size_or_price": found.refused,
                "codes": dict(found.codes),
                "seconds": round(time.monotonic() - started, 1),
            }
        )
    )
    for line in found.shown:
        print(line)
    raise SystemExit(1 if found.refused or not found.accepted else 0)


if __name__ == "__main__":
    import config  # noqa: F401  (sixty digits)

    main()

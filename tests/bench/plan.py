"""What it costs to decide for N followers, with every rule on and no I/O: facts to plans.

python -m tests.bench.plan [--followers 1000] [--rounds 20]
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
from dataclasses import fields, replace
from datetime import timedelta
from decimal import Decimal as D

from strategies.domain.settings import CopySettings, sizing_terms
from strategies.domain.sizing import DynamicSizing, SizingMode
from tests.trading.plans import BTC, NOW, follower, say
from trading.domain.planning import Follower, Instruction, Plan, plan_follower
from trading.domain.risk import RULES, CopyFacts, EquityFacts, MarketFacts, order_book

TARGET_MS = 150
MODES = list(SizingMode)
WIDE = D(10) ** 9

ALL_ON = CopySettings(
    fixed_amount=D(200),
    ratio=D("0.1"),
    risk_percent=D("0.5"),
    stop_loss_percent=D(5),
    size_discount_percent=D(1),
    dynamic_sizing=DynamicSizing.DRAWDOWN,
    drawdown_zero_percent=D(50),
    per_order_cap=WIDE,
    total_cap=WIDE,
    symbol_exposure_cap=WIDE,
    account_exposure_cap=WIDE,
    min_order_amount=D(1),
    max_leverage=D(20),
    free_margin_reserve_percent=D(5),
    allowed_symbols=frozenset({BTC.symbol, "ETH/USDT:USDT"}),
    denied_symbols=frozenset({"DOGE/USDT:USDT"}),
    trading_hours=("mon-sun 00:00-24:00",),
    max_entry_slippage_percent=D(1),
    max_working_orders=50,
    signal_lifetime_seconds=60,
    max_open_positions=10,
    max_orders_per_minute=100,
    max_spread_percent=D(1),
    max_depth_percent=D(50),
    min_liquidation_distance_percent=D(1),
    funding_guard_minutes=5,
    daily_loss_limit=D(5_000),
    daily_loss_limit_percent=D(20),
    drawdown_limit_percent=D(40),
    cooldown_after_stops=3,
    cooldown_minutes=60,
)
"""Every setting that switches a rule on, so wide that it lets the entry through: nothing is
answered early."""


def followers(count: int) -> list[Follower]:
    book = order_book(
        [(D(50_000) - n, D(100_000)) for n in range(1, 50)],
        [(D(50_000) + n, D(100_000)) for n in range(1, 50)],
    )
    market = MarketFacts(book, D(50_000), D("0.0001"), NOW + timedelta(hours=4))
    return [_follower(number, market) for number in range(count)]


def _follower(number: int, market: MarketFacts) -> Follower:
    settings = replace(ALL_ON, sizing_mode=MODES[number % len(MODES)])
    equity = D(10_000 + number)
    one = follower(
        settings=settings,
        signal_at=NOW - timedelta(seconds=1),
        local_now=NOW,
        leader_price=D(50_000),
        equity=equity,
        copy=CopyFacts(
            invested=D(100),
            symbol_exposure=D(500),
            account_exposure=D(900),
            open_positions=2,
            waiting_entries=1,
            recent_orders=3,
            stops=(),
        ),
        account=EquityFacts(equity, equity + 10, equity * D("1.1")),
        market=market,
    )
    terms = sizing_terms(settings, leverage=D(5), equity=equity, daily_range_percent=D(3))
    return replace(one, terms=terms, instrument=replace(BTC, lot=D("0.01"), min_size=D("0.01")))


def signal() -> Instruction:
    told = say("open", "40.5")
    return replace(told, leader=replace(told.leader, equity=D(100_000), stop_loss=D(48_000)))


def planned(told: Instruction, everyone: list[Follower]) -> list[Plan]:
    return [plan_follower(told, one) for one in everyone]


def rules_off(settings: CopySettings) -> list[str]:
    return [rule.name for rule in RULES if not rule.is_on(settings)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--followers", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    told, everyone = signal(), followers(options.followers)
    gc.collect()
    gc.freeze()  # as workers do
    taken = []
    for _ in range(options.rounds):
        started = time.process_time()
        plans = planned(told, everyone)
        taken.append((time.process_time() - started) * 1000)
    entering = sum(plan.legs[0].is_order for plan in plans)
    median = statistics.median(taken)
    print(
        json.dumps(
            {
                "followers": options.followers,
                "entering": entering,
                "rules": len(RULES),
                "rules_off": rules_off(everyone[0].settings),
                "settings_on": sum(
                    getattr(everyone[0].settings, each.name) != each.default
                    for each in fields(CopySettings)
                ),
                "cpu_ms_median": round(median, 1),
                "cpu_ms_best": round(min(taken), 1),
                "cpu_ms_worst": round(max(taken), 1),
                "target_ms": TARGET_MS,
            }
        )
    )


if __name__ == "__main__":
    import config  # noqa: F401  (sixty digits)

    main()

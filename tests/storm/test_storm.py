"""A short storm, and that its verdict would find what it is there to find.

The run has a database and a broker of its own, so one of the two test runs is enough: `make
test-services` leaves this directory out. The long one is `make stream-storm`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from django.conf import settings

from config.demo.reconcile import BookedFill, BookedOrder
from tests.chaos.verdict import Books, IntentRow, PositionRow
from tests.storm.verdict import (
    Copy,
    Decision,
    LeaderRows,
    Named,
    Rest,
    SignalRow,
    StormBooks,
    StormVerdict,
    TradeRow,
    judge_storm,
    wrong_step,
)

SEED = "11"


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_after_a_storm_all_changes_were_followed_once() -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL")}
    run = subprocess.run(
        [
            *(sys.executable, "-W", "ignore", "-m", "tests.storm", "--quiet"),
            *("--seconds", "30", "--seed", SEED, "--followers", "8"),
        ],
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    figures = json.loads(run.stdout.splitlines()[-1])
    assert figures["leader_changes"] > 20
    assert figures["faults"] > 5
    assert figures["kills"] > 0
    assert [figures[name] for name in ("doubled", "missed", "book_differences")] == [0] * 3


# --- the verdict ---------------------------------------------------------------------------------

BTC = "BTC/USDT:USDT"
AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
SIGNALS = [
    SignalRow("s1", "source", "open", BTC, D(0), D(4), False, "", ("l1",), None),
    SignalRow("s2", "source", "reduce", BTC, D(4), D(3), False, "", ("l2",), None),
]
LEADER = LeaderRows(
    name="one",
    api_key="leader",
    source_id="source",
    follows_working=False,
    trades=[TradeRow(BTC, "l1", "", "s1"), TradeRow(BTC, "l2", "", "s2")],
    signals=SIGNALS,
)
ENTRY = BookedOrder("o1", "i1", "key", BTC, "buy", "filled", "9", D(4), D(4))
EXIT = BookedOrder("o2", "i2", "key", BTC, "sell", "filled", "10", D(1), D(1))


def fill(
    key: str, trade_id: str, side: str, size: str, order: BookedOrder | None = None
) -> dict[str, str]:
    return {
        "apiKey": key, "ordId": "1" if order is None else order.venue_order_id, "posSide": "net",
        "clOrdId": "" if order is None else order.id, "instId": "BTC-USDT-SWAP", "side": side,
        "tradeId": trade_id, "fillSz": size, "fillPx": "60000", "fee": "0", "feeCcy": "USDT",
    }  # fmt: skip


def venue_order(order: BookedOrder) -> dict[str, str]:
    return {
        "apiKey": "key", "ordId": order.venue_order_id, "clOrdId": order.id, "posSide": "net",
        "instId": "BTC-USDT-SWAP", "side": order.side, "sz": str(order.quantity),
        "accFillSz": str(order.filled), "state": "filled", "reduceOnly": "true",
    }  # fmt: skip


def our_fill(trade_id: str, side: str, size: int, order: BookedOrder | None = None) -> BookedFill:
    order_id = "" if order is None else order.id
    return BookedFill("key", order_id, BTC, trade_id, side, D(size), D(60000), D(0), "USDT")


LEDGER = {
    "orders": [venue_order(ENTRY), venue_order(EXIT)],
    "fills": [
        fill("leader", "l1", "buy", "4"),
        fill("leader", "l2", "sell", "1"),
        fill("key", "t1", "buy", "4", ENTRY),
        fill("key", "t2", "sell", "1", EXIT),
        fill("key", "t3", "buy", "5"),
    ],
}
DECISIONS = [
    Decision("s1", "sub", BTC, D(1), D(0), D(4), (), True, AT),
    Decision("s2", "sub", BTC, D(1), D(4), D(3), (), True, AT + timedelta(seconds=9)),
]
BOOKS = StormBooks(
    chaos=Books(
        orders=[ENTRY, EXIT],
        fills=[
            our_fill("t1", "buy", 4, ENTRY),
            our_fill("t2", "sell", 1, EXIT),
            our_fill("t3", "buy", 5),
        ],
        intents=[
            IntentRow("i1", "s1", "sub", True, D(4), "filled"),
            IntentRow("i2", "s2", "sub", False, D(1), "filled"),
        ],
        positions=[
            PositionRow("sub", "key", BTC, D(3), D(3), D("0.01")),
            PositionRow("", "key", BTC, D(5), D(5), D("0.01")),
        ],
        signals={"s1": ("source", "done"), "s2": ("source", "done")},
        followers={"source": frozenset({"sub"})},
    ),
    leaders=[LEADER],
    decisions=DECISIONS,
    named=[],
    copies=[Copy("sub", "key", BTC, D(3), D(3))],
    rests=[Rest("key", BTC, "net", D(5))],
    shown=[Rest("key", BTC, "net", D(8))],
    hedged=frozenset(),
)


def with_leader(**changes: Any) -> StormBooks:
    return replace(BOOKS, leaders=[replace(LEADER, **changes)])


def with_decision(number: int, **changes: Any) -> StormBooks:
    rows = list(DECISIONS)
    rows[number] = replace(rows[number], **changes)
    return replace(BOOKS, decisions=rows)


def with_fill(row: dict[str, str]) -> dict[str, Any]:
    return {**LEDGER, "fills": [*LEDGER["fills"], row]}


def test_equal_books_pass() -> None:
    assert judge_storm(BOOKS, LEDGER).sentences() == []


def test_an_exit_that_the_venue_made_smaller_passes() -> None:
    smaller = replace(EXIT, state="cancelled", quantity=D(2))
    chaos = replace(BOOKS.chaos, orders=[ENTRY, smaller])
    assert judge_storm(replace(BOOKS, chaos=chaos), LEDGER).sentences() == []
    entry = replace(ENTRY, state="cancelled", quantity=D(5))
    bought = {
        **LEDGER,
        "orders": [{**LEDGER["orders"][0], "reduceOnly": "false"}, LEDGER["orders"][1]],
    }
    chaos = replace(BOOKS.chaos, orders=[entry, EXIT])
    assert judge_storm(replace(BOOKS, chaos=chaos), bought).book_differences


def test_a_named_change_between_decisions_passes() -> None:
    moved = replace(BOOKS, decisions=[DECISIONS[0], replace(DECISIONS[1], target_before=D(6))])
    moved = replace(
        moved,
        decisions=[moved.decisions[0], replace(moved.decisions[1], target_after=D("4.5"))],
    )
    named = [
        Named("sub", BTC, AT + timedelta(seconds=4), "manual_reduction"),
        Named("sub", BTC, AT + timedelta(seconds=12), "manual_reduction"),
    ]
    assert judge_storm(replace(moved, named=named), LEDGER).sentences() == []
    assert judge_storm(moved, LEDGER).missed


def test_a_reduction_closes_what_a_turn_could_not() -> None:
    """The turn's exit was refused, so the short is still held and the long was never entered."""
    turned = Decision("s2", "sub", BTC, D(1), D(4), D(0), (), True, AT, exit_direction=1)
    signal = next(row for row in BOOKS.leaders[0].signals if row.id == "s2")
    assert signal.action == "reduce"
    assert wrong_step(signal, turned) == ""
    assert wrong_step(signal, replace(turned, exit_direction=-1))


def test_what_a_resting_order_brought_is_not_entered_again() -> None:
    """0.48 of 0.73 had come when the leader's order was filled; only the rest is entered."""
    filled = SignalRow("s1", "source", "open", BTC, D(0), D("7.3"), False, "", (), None)
    chase = Decision("s1", "sub", BTC, D("0.1"), D("0.48"), D("0.73"), (), True, AT)
    assert wrong_step(filled, replace(chase, rested=D("0.48"))) == ""
    assert wrong_step(filled, chase)
    twice = replace(chase, rested=D("0.48"), target_after=D("1.21"))
    assert wrong_step(filled, twice)
    sold = replace(chase, target_before=D("-0.48"), target_after=D("-0.73"), rested=D("0.48"))
    assert wrong_step(replace(filled, after=D("-7.3")), sold) == ""


FINDINGS: list[tuple[str, Callable[[], StormVerdict]]] = [
    (
        "missed",  # a trade of the leader's that nobody heard of
        lambda: judge_storm(BOOKS, with_fill(fill("leader", "l3", "buy", "2"))),
    ),
    (
        "doubled",  # a trade in two signals
        lambda: judge_storm(
            with_leader(
                signals=[
                    SIGNALS[0],
                    replace(SIGNALS[1], trades=("l1", "l2")),
                ]
            ),
            LEDGER,
        ),
    ),
    ("doubled", lambda: judge_storm(with_leader(trades=[*LEADER.trades, *LEADER.trades]), LEDGER)),
    (
        "doubled",  # a resting order handed on twice
        lambda: judge_storm(
            with_leader(
                follows_working=True,
                signals=[replace(s, order=("9", "60000", "1")) for s in SIGNALS],
            ),
            LEDGER,
        ),
    ),
    ("missed", lambda: judge_storm(with_leader(signals=[SIGNALS[1]]), LEDGER)),
    ("missed", lambda: judge_storm(with_leader(signals=[SIGNALS[0]]), LEDGER)),
    (
        "missed",  # a follower without a decision
        lambda: judge_storm(
            replace(
                BOOKS,
                chaos=replace(BOOKS.chaos, followers={"source": frozenset({"sub", "other"})}),
            ),
            LEDGER,
        ),
    ),
    ("missed", lambda: judge_storm(with_decision(0, target_after=D(8)), LEDGER)),
    ("missed", lambda: judge_storm(with_decision(1, target_after=D(2)), LEDGER)),
    (
        "missed",
        lambda: judge_storm(replace(BOOKS, copies=[Copy("sub", "key", BTC, D(3), D(5))]), LEDGER),
    ),
    (
        "book_differences",
        lambda: judge_storm(BOOKS, with_fill(fill("key", "t4", "sell", "1"))),
    ),
    (
        "book_differences",
        lambda: judge_storm(replace(BOOKS, rests=[Rest("key", BTC, "net", D(4))]), LEDGER),
    ),
    (
        "book_differences",
        lambda: judge_storm(replace(BOOKS, shown=[Rest("key", BTC, "net", D(7))]), LEDGER),
    ),
    (
        "book_differences",  # right in sum, and on the wrong side of a hedged account
        lambda: judge_storm(replace(BOOKS, hedged=frozenset({"key"})), LEDGER),
    ),
    ("book_differences", lambda: judge_storm(replace(BOOKS, unbooked=1), LEDGER)),
]


@pytest.mark.parametrize(("kind", "found"), FINDINGS)
def test_what_is_wrong_is_found(kind: str, found: Callable[[], StormVerdict]) -> None:
    assert getattr(found(), kind), found().sentences()

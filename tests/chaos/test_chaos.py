"""A short chaos run, and that its verdict would find what it is there to find.

The run has a database and a broker of its own, so one of the two test runs is enough: `make
test-services` leaves this directory out. The long one is `make chaos`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal as D
from typing import Any

import pytest
from django.conf import settings

from config.demo.reconcile import BookedFill, BookedOrder
from tests.chaos.verdict import Books, GuardedRow, IntentRow, PositionRow, Verdict, judge

SEED = "7"


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_nothing_is_doubled_or_lost_while_everything_fails() -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL")}
    run = subprocess.run(
        [
            *(sys.executable, "-W", "ignore", "-m", "tests.chaos", "--quiet"),
            *("--intents", "200", "--seed", SEED),
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
    assert figures["intents"] >= 200
    assert figures["faults"] > 15
    assert [figures[name] for name in ("duplicates", "lost", "wrong_size", "unresolved")] == [0] * 4
    assert (figures["naked_5s_without_alert"], figures["orphaned_stops"]) == (0, 0)
    assert figures["stop_states"].get("waiting", 0) == 0
    assert sum(figures["stop_states"].values()) > 10


# --- the verdict ---------------------------------------------------------------------------------

BTC = "BTC/USDT:USDT"
ORDER = BookedOrder("o1", "i1", "key", BTC, "buy", "filled", "9", D(3), D(3))
EXIT = BookedOrder("o2", "i2", "key", BTC, "sell", "filled", "10", D(3), D(3))
ENTRY_INTENT = IntentRow("i1", "s1", "sub", True, D(3), "filled")
EXIT_INTENT = IntentRow("i2", "s2", "sub", False, D(3), "filled")
POSITION = PositionRow("sub", "key", BTC, D(0), D(0), D("0.01"))


def venue_order(order: BookedOrder, **changes: str) -> dict[str, str]:
    row = {
        "apiKey": "key", "ordId": order.venue_order_id, "clOrdId": order.id, "posSide": "net",
        "instId": "BTC-USDT-SWAP", "side": order.side, "sz": "3", "accFillSz": "3",
        "state": "filled",
    }  # fmt: skip
    return {**row, **changes}


def venue_fill(order: BookedOrder, **changes: str) -> dict[str, str]:
    row = {
        "apiKey": "key", "ordId": order.venue_order_id, "clOrdId": order.id, "posSide": "net",
        "instId": "BTC-USDT-SWAP", "side": order.side, "tradeId": f"t{order.id}", "fillSz": "3",
        "fillPx": "60000", "fee": "0", "feeCcy": "USDT",
    }  # fmt: skip
    return {**row, **changes}


def our_fill(order: BookedOrder) -> BookedFill:
    return BookedFill(
        "key", order.id, BTC, f"t{order.id}", order.side, D(3), D(60000), D(0), "USDT"
    )


GUARDED = GuardedRow("sub", BTC, D(3), frozenset({"s1"}), excused=False)


def stop(**changes: str) -> dict[str, str]:
    row = {
        "apiKey": "key", "algoId": "1", "algoClOrdId": "s1", "instId": "BTC-USDT-SWAP",
        "state": "live", "slTriggerPx": "50000", "sz": "3",
    }  # fmt: skip
    return {**row, **changes}


BOOKS = Books(
    orders=[ORDER, EXIT],
    fills=[our_fill(ORDER), our_fill(EXIT)],
    intents=[ENTRY_INTENT, EXIT_INTENT],
    positions=[POSITION],
    signals={"s1": ("source", "done"), "s2": ("source", "done")},
    followers={"source": frozenset({"sub"})},
)
LEDGER = {
    "orders": [venue_order(ORDER), venue_order(EXIT)],
    "fills": [venue_fill(ORDER), venue_fill(EXIT)],
}


def verdict(
    books: Books = BOOKS, ledger: dict[str, Any] = LEDGER, taken: tuple[str, ...] = ("s1", "s2")
) -> Verdict:
    return judge(books, ledger, taken=taken, flat=True)


def test_equal_books_pass() -> None:
    assert verdict().sentences() == []


def _with_order(**changes: Any) -> Books:
    return replace(BOOKS, orders=[replace(ORDER, **changes), EXIT])


def _ledger(name: str, row: dict[str, str]) -> dict[str, Any]:
    return {**LEDGER, name: [*LEDGER[name], row]}


FINDINGS: list[tuple[str, Callable[[], Verdict]]] = [
    (
        "duplicates",  # the same client id twice
        lambda: verdict(ledger=_ledger("orders", venue_order(ORDER, ordId="11"))),
    ),
    (
        "duplicates",  # a second order of one intent
        lambda: verdict(
            replace(BOOKS, orders=[*BOOKS.orders, replace(ORDER, id="o3", venue_order_id="11")]),
            _ledger("orders", venue_order(ORDER, ordId="11", clOrdId="o3")),
        ),
    ),
    (
        "duplicates",  # more executed than was decided
        lambda: verdict(
            replace(BOOKS, intents=[replace(ENTRY_INTENT, quantity=D(2)), EXIT_INTENT])
        ),
    ),
    ("lost", lambda: verdict(ledger=_ledger("orders", venue_order(ORDER, clOrdId="alien")))),
    ("lost", lambda: verdict(ledger=_ledger("fills", venue_fill(ORDER, tradeId="t9")))),
    ("lost", lambda: verdict(taken=("s1", "s2", "s3"))),
    ("lost", lambda: verdict(replace(BOOKS, followers={"source": frozenset({"sub", "other"})}))),
    (
        "lost",  # an intent nobody works on any more
        lambda: verdict(
            replace(BOOKS, intents=[replace(ENTRY_INTENT, status="working"), EXIT_INTENT])
        ),
    ),
    ("wrong_size", lambda: verdict(_with_order(quantity=D(4)))),
    ("wrong_size", lambda: verdict(_with_order(filled=D(2)))),
    ("wrong_size", lambda: verdict(replace(BOOKS, positions=[replace(POSITION, target=D(1))]))),
    (
        "wrong_size",
        lambda: verdict(replace(BOOKS, positions=[replace(POSITION, filled=D(1), target=D(1))])),
    ),
    (
        "wrong_size",  # both sides held in hedge mode, though their sum is flat
        lambda: verdict(
            ledger={
                **LEDGER,
                "fills": [venue_fill(ORDER, posSide="long"), venue_fill(EXIT, posSide="short")],
            }
        ),
    ),
    ("unresolved", lambda: verdict(_with_order(state="unknown"))),
    ("naked", lambda: verdict(replace(BOOKS, guarded=[GUARDED]))),
    (
        "naked",  # of a part of it
        lambda: verdict(replace(BOOKS, guarded=[GUARDED]), {**LEDGER, "algos": [stop(sz="2")]}),
    ),
    ("orphaned", lambda: verdict(ledger={**LEDGER, "algos": [stop()]})),
    (
        "unresolved",
        lambda: verdict(replace(BOOKS, signals={**BOOKS.signals, "s2": ("source", "dispatched")})),
    ),
]


@pytest.mark.parametrize(("kind", "found"), FINDINGS)
def test_a_fault_in_the_books_is_found(kind: str, found: Callable[[], Verdict]) -> None:
    assert getattr(found(), kind), found().sentences()


def test_an_entry_may_go_on_in_another_order_after_one_that_was_cancelled() -> None:
    first = replace(ORDER, state="cancelled", filled=D(1), decided=D(3))
    second = replace(ORDER, id="o3", venue_order_id="11", quantity=D(2), filled=D(2), decided=D(3))
    fills = [replace(our_fill(first), quantity=D(1)), replace(our_fill(second), quantity=D(2))]
    part, rest = {"accFillSz": "1", "state": "canceled"}, {"sz": "2", "accFillSz": "2"}
    ledger = {
        "orders": [venue_order(first, **part), venue_order(second, **rest), venue_order(EXIT)],
        "fills": [
            venue_fill(first, fillSz="1"), venue_fill(second, fillSz="2"), venue_fill(EXIT),
        ],
    }  # fmt: skip
    books = replace(BOOKS, orders=[first, second, EXIT], fills=[*fills, our_fill(EXIT)])
    assert verdict(books, ledger).sentences() == []
    working = {**part, "state": "live"}
    ledger["orders"][:2] = [
        venue_order(first, **working),
        venue_order(second, **rest, state="live"),
    ]
    assert verdict(books, ledger).duplicates


def test_who_is_guarded_told_of_or_flat_is_not_naked() -> None:
    gone = {**LEDGER, "algos": [stop(state="canceled")]}
    for row in (replace(GUARDED, excused=True), replace(GUARDED, quantity=D(0))):
        assert verdict(replace(BOOKS, guarded=[row]), gone).sentences() == []
    held = {**LEDGER, "algos": [stop()]}
    assert judge(replace(BOOKS, guarded=[GUARDED]), held, taken=(), flat=False).naked == []


def test_an_order_that_a_stop_became_is_ours() -> None:
    ledger = {
        "orders": [venue_order(ORDER), venue_order(EXIT, clOrdId="", algoClOrdId="o2")],
        "fills": [venue_fill(ORDER), venue_fill(EXIT, clOrdId="")],
    }
    assert verdict(ledger=ledger).sentences() == []

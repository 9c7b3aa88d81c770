"""That the verdict on a crash would find what it is there to find. The crash is `make crash`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal as D
from typing import Any

import pytest

from tests.crash.population import invent_members
from tests.crash.verdict import Fill, Guard, Kind, Outcome, judge, limit_price

PATH = [(1000 * second, D(60000 - 400 * second)) for second in range(61)]
"""60000 to 36000 in a minute."""
ENTRY = Fill(-5000, True, D("0.1"), D(60000), D(3))


def sold(at_ms: int, price: object, coins: str = "0.1", fee: str = "2") -> Fill:
    return Fill(at_ms, False, D(coins), D(str(price)), D(fee))


def outcome(kind: Kind, limit: str, *exits: Fill, **changes: Any) -> Outcome:
    values: dict[str, Any] = {
        "status": "active", "end_code": "", "decided_ms": None, "actions": (),
        "entries_stopped": False, **changes,
    }  # fmt: skip
    return Outcome("it", Guard(kind, D(limit), D(8000)), (ENTRY, *exits), **values)


LOSS = outcome(
    Kind.LOSS, "800", sold(23_000, 50790), status="stopped", end_code="loss_limit",
    decided_ms=22_500,
)  # fmt: skip
STOP = outcome(Kind.STOP, "10", sold(15_000, 53990))
HELD = outcome(Kind.NONE, "0")


def test_the_price_of_a_limit() -> None:
    assert limit_price(LOSS) == 52030  # 797 and the entry's fee of 3
    assert limit_price(STOP) == 54000
    fall = replace(LOSS, guard=Guard(Kind.FALL, D(20), D(8000)))
    assert limit_price(fall) == 44030  # 1597 of the 1600
    # 2500 − 3 − 0.1·(60000 − q) = 0.1·q·0.0045 at q = 3503 ÷ 0.09955; 20 % above that
    near = replace(LOSS, guard=Guard(Kind.MONITOR_REDUCE, D(20), D(2500)))
    assert limit_price(near).quantize(D(1)) == 43985


def test_what_ended_as_set_is_explained() -> None:
    verdict = judge([LOSS, STOP, HELD], PATH)
    assert verdict.sentences() == []
    row, stop = verdict.rows
    # 52030 → 51200 when decided → 50800 when filled → 50790, for 0.1 coins each
    assert (row.waiting, row.sending, row.book, row.fee) == (83, 40, 1, 2)
    assert (row.total, row.rest) == (126, 0)
    assert (row.waited_ms, row.sent_ms) == (2500, 500)
    assert (stop.waiting, stop.sending, stop.book, stop.fee) == (0, 0, 1, 2)


WRONG: list[Callable[[], Outcome]] = [
    lambda: replace(LOSS, fills=[ENTRY]),
    lambda: replace(LOSS, status="active"),
    lambda: replace(LOSS, end_code="risk"),
    lambda: replace(LOSS, fills=[ENTRY, sold(23_000, 50790), sold(24_000, 50000)]),  # twice
    lambda: replace(LOSS, fills=[ENTRY, sold(23_000, 50790, "0.05")]),
    lambda: replace(LOSS, fills=[ENTRY, replace(sold(23_000, 50790), is_liquidation=True)]),
    lambda: replace(HELD, fills=[]),
    lambda: replace(HELD, fills=[ENTRY, sold(23_000, 50790)]),
    lambda: replace(HELD, actions=("alert",)),
    lambda: replace(HELD, guard=Guard(Kind.MONITOR_ENTRIES, D(500), D(8000))),
    lambda: outcome(
        Kind.MONITOR_REDUCE, "20", sold(30_000, 48000, "0.05"), sold(31_000, 47600, "0.025"),
        actions=("reduce", "reduce"),
    ),
]  # fmt: skip


@pytest.mark.parametrize("changed", WRONG)
def test_what_did_not_end_as_set_is_found(changed: Callable[[], Outcome]) -> None:
    verdict = judge([changed()], PATH)
    assert verdict.wrong
    assert not verdict.passed


UNEXPLAINED: list[Callable[[], Outcome]] = [
    lambda: replace(LOSS, decided_ms=5_000),  # before its limit
    lambda: replace(LOSS, decided_ms=40_000, fills=[ENTRY, sold(40_000, 44000)]),
    lambda: replace(LOSS, fills=[ENTRY, sold(40_000, 44000)]),
    lambda: replace(LOSS, fills=[ENTRY, sold(23_000, 50000)]),  # far from the market
    lambda: replace(STOP, fills=[ENTRY, sold(20_000, 52000)]),
]


@pytest.mark.parametrize("changed", UNEXPLAINED)
def test_a_loss_without_a_reason_is_found(changed: Callable[[], Outcome]) -> None:
    verdict = judge([changed()], PATH)
    assert verdict.wrong == []
    assert verdict.unexplained


def test_an_exit_without_a_crash_is_found() -> None:
    assert judge([LOSS], PATH[:10]).unexplained


def test_a_fifth_each_is_protected_by_something_else() -> None:
    kinds = [member.guard.kind for member in invent_members(200)]
    assert [kinds.count(kind) for kind in (Kind.LOSS, Kind.FALL, Kind.STOP, Kind.NONE)] == [40] * 4
    monitored = [Kind.MONITOR_CLOSE, Kind.MONITOR_REDUCE, Kind.MONITOR_ENTRIES]
    assert [kinds.count(kind) for kind in monitored] == [20, 10, 10]

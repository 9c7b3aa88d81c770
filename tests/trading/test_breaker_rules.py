"""The breaker's pure rules: what counts against whom, and when it trips."""

from __future__ import annotations

from datetime import timedelta

import pytest

from trading.domain.breaker import (
    LONGEST_COOL_DOWN,
    NOTHING,
    Answers,
    BreakerRule,
    besides_the_worst,
    cool_down_after,
    evidence,
)
from venues.domain.types import Placement, PlacementResult, RejectKind

RULE = BreakerRule(50, 20, timedelta(seconds=60), timedelta(seconds=120))


@pytest.mark.parametrize(
    ("placement", "said"),
    [
        (Placement(PlacementResult.ACCEPTED, venue_order_id="1"), Answers(1, 0)),
        (Placement(PlacementResult.UNKNOWN), NOTHING),
        *[
            (Placement(PlacementResult.REJECTED, reject_kind=kind), said)
            for kind, said in {
                RejectKind.ORDER: Answers(1, 1),
                RejectKind.LATE: Answers(1, 1),
                RejectKind.CLOCK: Answers(1, 1),
                RejectKind.ACCOUNT: NOTHING,
                RejectKind.POSITION: NOTHING,
                RejectKind.CREDENTIALS: NOTHING,
                RejectKind.RATE_LIMIT: NOTHING,
                RejectKind.CLOSED: NOTHING,
                RejectKind.WITHDRAWN: NOTHING,
            }.items()
        ],
    ],
    ids=str,
)
def test_what_an_answer_says(placement: Placement, said: Answers) -> None:
    assert evidence(placement) == said


def test_every_kind_of_refusal_is_judged() -> None:
    """A new kind must be thought about here."""
    assert len(RejectKind) == 11


@pytest.mark.parametrize(
    ("answers", "refused", "trips"),
    [(20, 10, True), (20, 9, False), (19, 19, False), (21, 10, False), (1000, 500, True)],
)
def test_half_of_twenty_trips(answers: int, refused: int, trips: bool) -> None:
    assert Answers(answers, refused).trips(RULE) is trips


def test_none_refused_never_trips() -> None:
    assert not Answers(100, 0).trips(BreakerRule(0, 0, RULE.window, RULE.cool_down))
    assert not NOTHING.trips(BreakerRule(0, 0, RULE.window, RULE.cool_down))


def test_fewer_answers_are_enough_for_one_that_tries_again() -> None:
    assert Answers(5, 3).trips(RULE, least=5)
    assert not Answers(4, 4).trips(RULE, least=5)


def test_a_venue_is_judged_without_the_strategy_that_it_refuses_most() -> None:
    assert besides_the_worst({}) == NOTHING
    assert besides_the_worst({"a": Answers(500, 500)}) == NOTHING
    assert besides_the_worst({"a": Answers(500, 500), "b": Answers(30, 1)}) == Answers(30, 1)
    assert besides_the_worst(
        {"a": Answers(30, 30), "b": Answers(25, 25), "c": Answers(5, 0)}
    ) == Answers(30, 25)


def test_the_cool_down_doubles_with_each_trip_in_a_row_up_to_a_limit() -> None:
    minutes = [cool_down_after(RULE, trips) for trips in (1, 2, 3)]
    assert minutes == [timedelta(minutes=2), timedelta(minutes=4), timedelta(minutes=8)]
    assert cool_down_after(RULE, 1000) == LONGEST_COOL_DOWN


def test_without_a_cool_down_it_never_tries_again() -> None:
    assert cool_down_after(BreakerRule(50, 20, RULE.window, timedelta(0)), 1) is None

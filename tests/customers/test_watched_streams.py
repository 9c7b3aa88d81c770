"""When the next attempt at a stream is made, and when none is made any more. Pure."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import Any

import pytest

from customers.models import StreamState
from customers.services.streaming.reconciling import Reconciler
from customers.services.streaming.watched import (
    LOGINS_UNTIL_REFUSED,
    LONGEST_DELAY_SECONDS,
    POLL_RETRY_SECONDS,
    POLLED_AGAIN_SECONDS,
    Watched,
    retry_delay,
)
from venues.streams.events import Connected, Lost, Refused, Stale, Trouble
from venues.streams.registry import Subject, SubjectsUnreadError

State = StreamState.State


class Kind:
    name = "account"
    poll_seconds = 20.0


@pytest.fixture
def watched() -> Watched:
    return Watched(Kind(), Subject("a", "t", "paper", 1, "key-1"), 3, now=100.0)  # type: ignore[arg-type]


def fail(watched: Watched, trouble: Trouble = Trouble.LOGIN, now: float = 100.0) -> object:
    return watched.note(Lost(0, trouble), now, 0.0)


def test_logins_that_fail_again_and_again_are_taken_for_a_refusal(watched: Watched) -> None:
    for _ in range(LOGINS_UNTIL_REFUSED - 1):
        assert isinstance(fail(watched), Lost)
        assert watched.wants_connection(inf)
    assert isinstance(fail(watched), Refused)
    assert watched.state is State.REFUSED
    assert not watched.wants_connection(inf)


def test_a_login_that_works_between_forgets_the_failures(watched: Watched) -> None:
    for _ in range(LOGINS_UNTIL_REFUSED - 1):
        fail(watched)
    watched.note(Connected(0, "c"), 100.0, 0.0)
    assert isinstance(fail(watched), Lost)


def test_a_cut_line_is_never_a_refusal(watched: Watched) -> None:
    for _ in range(3 * LOGINS_UNTIL_REFUSED):
        fail(watched, Trouble.CLOSED)
    assert watched.wants_connection(inf)


def test_a_refused_key_is_not_tried_until_there_is_another_one(watched: Watched) -> None:
    watched.note(Refused(0, Trouble.CREDENTIALS, "60007", "wrong"), 100.0, 0.0)
    assert not watched.wants_connection(inf)
    assert not watched.take_subject(watched.subject, 200.0)
    assert not watched.wants_connection(inf)
    assert watched.take_subject(replace(watched.subject, key_mark="key-2"), 200.0)
    assert watched.wants_connection(200.0)


def test_a_refusal_outlives_the_process(watched: Watched) -> None:
    watched.take_refusal("key-1")
    assert not watched.wants_connection(inf)
    assert not watched.is_dirty, "its row says since when, and why"


@pytest.mark.parametrize("failures", [1, 2, 5, 100])
def test_the_pause_has_full_jitter_and_a_bound(failures: int) -> None:
    pauses = [retry_delay(failures, Trouble.CLOSED) for _ in range(300)]
    bound = min(2.0 ** (failures - 1), LONGEST_DELAY_SECONDS)
    assert 0 <= min(pauses) < bound / 10
    assert bound * 0.9 < max(pauses) <= bound


def test_without_a_live_stream_it_is_polled_and_with_one_only_after_connecting(
    watched: Watched,
) -> None:
    watched.poll_begins()
    watched.poll_ended(100.0, well=True)
    assert watched.poll_at == 120.0
    watched.note(Connected(0, "c"), 105.0, 0.0)
    assert watched.poll_at == 105.0
    watched.poll_begins()
    watched.poll_ended(106.0, well=True)
    assert watched.poll_at == 106.0 + POLLED_AGAIN_SECONDS  # the first may die with its worker
    watched.poll_begins()
    watched.poll_ended(119.0, well=True)
    assert watched.poll_at == inf
    watched.note(Stale(0, 0), 130.0, 0.0)
    assert watched.poll_at == 130.0


def test_what_happens_during_a_reconciliation_asks_for_another_one(watched: Watched) -> None:
    watched.poll_begins()
    watched.note(Connected(0, "c"), 105.0, 0.0)
    watched.poll_ended(106.0, well=True)
    assert watched.poll_at == 105.0


class Unreadable(Kind):
    def reconcile(self, tenant_id: str, subjects: Sequence[Subject]) -> None:
        raise SubjectsUnreadError([each.id for each in subjects if each.id == "bad"])


def test_who_could_not_be_read_is_asked_again_and_those_beside_it_are_not() -> None:
    kind: Any = Unreadable()
    both = [
        Watched(kind, Subject(name, "t", "paper", 1, "key"), 3, now=0.0) for name in ("bad", "good")
    ]

    async def reconcile_once() -> None:
        reconciler = Reconciler()
        for watched in both:
            watched.note(Connected(0, "c"), 0.0, 0.0)
        reconciler.turn(both, now=1.0, seconds=1.0, members=1)
        await asyncio.gather(*reconciler._running)
        reconciler.close()

    asyncio.run(reconcile_once())
    bad, good = both
    assert good.poll_at - bad.poll_at == pytest.approx(
        POLLED_AGAIN_SECONDS - POLL_RETRY_SECONDS, abs=1.0
    )

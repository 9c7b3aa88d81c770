"""However requests come and travel, the venue never counts more than the budget in any window."""

import heapq
from datetime import UTC, datetime
from itertools import count
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from venues.domain.okx_limits import MAX_RETRY_AFTER_SECONDS, retry_after_seconds
from venues.domain.rate_windows import MAX_PENALTY_SECONDS, Budget, RateWindow, share_of

WINDOW = 2.0
BUDGETS = st.builds(
    lambda limit, kept: Budget(limit, min(kept, limit - 1), WINDOW),
    st.integers(1, 12),
    st.integers(0, 4),
)
REQUESTS = st.lists(
    st.fixed_dictionaries(
        {
            "pause": st.floats(0, 1.5) | st.just(0.0),
            "is_exit": st.booleans(),
            "uses": st.integers(1, 3),
            "outward": st.floats(0, 3) | st.just(0.0),
            "back": st.floats(0, 3) | st.just(0.0),
            "unused": st.booleans() | st.just(False),
        }
    ),
    max_size=60,
)


def counted_in_any_window(times: list[float]) -> int:
    """The most uses in any [start, start + WINDOW): it is enough to start at a use."""
    return max((sum(1 for t in times if start <= t < start + WINDOW) for start in times), default=0)


@settings(max_examples=200, deadline=None)
@given(BUDGETS, REQUESTS)
def test_no_window_of_the_venue_sees_more_than_the_budget(budget, requests) -> None:
    window = RateWindow(budget)
    now = 1000.0
    at_venue: list[float] = []  # when the venue counts a use
    coming: list[tuple[float, int, int]] = []  # answers on their way: time, tie-break, uses
    remembered: list[tuple[float, int]] = []  # answers that came, by our own record
    number = count()
    for request in requests:
        now += request["pause"]
        while coming and coming[0][0] <= now:
            answered_at, _, uses = heapq.heappop(coming)
            window.answer(answered_at, uses)
            remembered.append((answered_at, uses))
        uses, is_exit = request["uses"], request["is_exit"]
        held = sum(item[2] for item in coming)
        held += sum(n for answered_at, n in remembered if answered_at + WINDOW > now)
        room = budget.limit - held - (0 if is_exit else budget.kept_for_exits)
        assert window.take(now, is_exit, uses) is (uses <= room), "an exit may use everything"
        if uses > room:
            continue
        if request["unused"]:
            window.give_back(uses)
            continue
        counted_at = now + request["outward"]
        at_venue += [counted_at] * uses
        heapq.heappush(coming, (counted_at + request["back"], next(number), uses))
    assert counted_in_any_window(at_venue) <= budget.limit


@settings(max_examples=150, deadline=None)
@given(BUDGETS, REQUESTS)
def test_the_moment_that_is_named_is_the_first_with_room(budget, requests) -> None:
    window = RateWindow(budget)
    now = 1000.0
    for request in requests:
        now += request["pause"]
        is_exit = request["is_exit"]
        free_at = window.free_at(now, is_exit)
        if free_at == inf:
            assert budget.limit - budget.kept_for_exits <= 0
            continue
        if free_at > now:
            assert not window.take((now + free_at) / 2, is_exit)
        now = free_at
        assert window.take(now, is_exit)
        window.answer(now)


def test_entries_leave_a_fifth_to_exits_and_exits_may_use_all() -> None:
    window = RateWindow(share_of(60, WINDOW, percent=100, processes=1))
    taken = [window.take(0.0, False) for _ in range(60)]
    assert taken.count(True) == 48
    assert [window.take(0.0, True) for _ in range(13)] == [True] * 12 + [False]

    window = RateWindow(share_of(60, WINDOW, percent=100, processes=1))
    assert all(window.take(0.0, True) for _ in range(60))
    assert not window.take(0.0, True)


def test_while_answers_are_out_nobody_can_say_when() -> None:
    window = RateWindow(Budget(1, 0, WINDOW))
    assert window.take(0.0, True)
    assert window.free_at(100.0, True) == inf
    window.answer(100.0)
    assert window.free_at(100.0, True) == 102.0


@pytest.mark.parametrize("told", [0.5, 3.0, 40.0, 90.0])
def test_a_refusal_stops_everything_for_as_long_as_told(told: float) -> None:
    window = RateWindow(Budget(30, 6, WINDOW))
    assert window.take(0.0, False)
    window.refuse(0.0, told)
    assert not window.take(told - 0.01, True)
    assert window.free_at(0.0, True) == told
    assert window.take(max(told, WINDOW), False)


@pytest.mark.parametrize("told", [None, 0.0])
def test_untold_it_waits_a_window_and_twice_as_long_each_time(told: float | None) -> None:
    window = RateWindow(Budget(30, 6, WINDOW))
    now, waits = 0.0, []
    for _ in range(8):
        assert window.take(now, True)
        window.refuse(now, told)
        waits.append(window.blocked_until - now)
        now = window.blocked_until
    assert waits == [2, 4, 8, 16, 32, *[MAX_PENALTY_SECONDS] * 3]
    assert window.take(now, True)
    window.answer(now)
    assert window.take(now, True)
    window.refuse(now, None)
    assert window.blocked_until - now == WINDOW, "a success in between starts anew"


def test_the_refusals_of_one_burst_are_one_refusal() -> None:
    window = RateWindow(Budget(30, 6, WINDOW))
    assert all(window.take(0.0, True) for _ in range(20))
    for number in range(20):
        window.refuse(number / 100, None)
    assert window.blocked_until == pytest.approx(0.19 + WINDOW)


def test_it_is_idle_when_a_new_one_would_know_as_much() -> None:
    window = RateWindow(Budget(5, 1, WINDOW))
    assert window.is_idle(0.0)
    window.take(0.0, True)
    assert not window.is_idle(50.0), "its answer is still to come"
    window.answer(50.0)
    assert not window.is_idle(51.9)
    assert window.is_idle(52.0)
    window.take(52.0, True)
    window.refuse(52.0, 10.0)
    assert not window.is_idle(61.9)
    assert not window.is_idle(62.1), "the next refusal in a row waits longer"
    assert window.is_idle(200.0)


@given(
    limit=st.integers(1, 1000),
    percent=st.sampled_from([70, 100]),
    processes=st.integers(1, 64),
)
def test_all_shares_together_are_within_the_limit(limit: int, percent: int, processes: int) -> None:
    share = share_of(limit, WINDOW, percent=percent, processes=processes)
    rate = share.limit / share.window_seconds * processes
    assert rate <= limit * percent / 100 / WINDOW * 1.000001
    if share.limit > 1:
        assert share.limit * processes <= limit
        assert share.limit / 5 <= share.kept_for_exits < share.limit / 5 + 1
        assert share.kept_for_exits < share.limit


NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3.0),
        (" 120 ", 120.0),
        ("0", 0.0),
        ("Fri, 01 May 2026 12:00:30 GMT", 30.0),
        ("Fri, 01 May 2026 11:00:00 GMT", 0.0),
        ("9" * 400, MAX_RETRY_AFTER_SECONDS),
        ("Fri, 01 May 2099 11:00:00 GMT", MAX_RETRY_AFTER_SECONDS),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("Fri, 99 May 2026 12:00:30 GMT", None),
        ("Fri, 01 May 2026 12:00:30 -0000", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, NOW) == seconds

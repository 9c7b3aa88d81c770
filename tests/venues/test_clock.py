"""What a venue's clock is worth, and that it is kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from venues import clock as venue_clock
from venues.clock import ServerTime, VenueClock
from venues.domain.clock import ClockReading, better_reading, reading_of
from venues.domain.types import VenueError, VenueErrorKind
from venues.okx.rows import server_time_ms


def reading(
    venue_ms: float = 1_000_000.0, at: float = 100.0, error_ms: float = 5.0
) -> ClockReading:
    return ClockReading(venue_ms, monotonic=at, wall=1000.0 + at - 100, error_ms=error_ms)


def test_half_the_round_trip_is_the_error() -> None:
    found = reading_of(venue_ms=1_001_500.0, sent=99.98, received=100.02, wall_received=1000.02)
    assert found is not None
    assert found.monotonic == pytest.approx(100.0)
    assert found.error_ms == pytest.approx(21.0)
    assert found.skew_ms == pytest.approx(1500.0)


@pytest.mark.parametrize("venue_ms", [0, 1, 10**15, 1_000_000 + 90_000_000, 1_000_000 - 90_000_000])
def test_what_cannot_be_a_time_is_none(venue_ms: float) -> None:
    assert (
        reading_of(venue_ms=venue_ms, sent=100.0, received=100.0, wall_received=1000.0) is None
    ) is (abs(venue_ms - 1_000_000) > 86_400_000)


def test_the_venues_time_goes_on_with_the_monotonic_clock() -> None:
    assert reading().venue_ms_at(103.5) == 1_003_500.0


def test_uncertainty_grows_with_age_and_jumps_with_a_clock_that_was_set() -> None:
    assert reading().uncertainty_ms(100.0, 1000.0) == pytest.approx(5.0)
    assert reading().uncertainty_ms(200.0, 1100.0) == pytest.approx(25.0)
    assert reading().uncertainty_ms(100.0, 1001.5) == pytest.approx(1505.0)
    # A machine that slept: the monotonic clock stood still.
    assert reading().uncertainty_ms(101.0, 1061.0) == pytest.approx(60_005.2)


def test_the_narrower_reading_stays_unless_they_contradict() -> None:
    old = reading()
    vague = reading(1_010_030.0, at=110.0, error_ms=80.0)
    assert better_reading(old, vague, monotonic=110.0, wall=1010.0) is old
    exact = reading(1_010_003.0, at=110.0, error_ms=2.0)
    assert better_reading(old, exact, monotonic=110.0, wall=1010.0) is exact
    moved = reading(1_011_500.0, at=110.0, error_ms=80.0)
    assert better_reading(old, moved, monotonic=110.0, wall=1010.0) is moved
    assert better_reading(None, vague, monotonic=110.0, wall=1010.0) is vague


@pytest.mark.parametrize(
    "rows",
    [[], [7], [None], [{}], *[[{"ts": ts}] for ts in ("0", "-5", "NaN", "9" * 30, "soon", [], {})]],
)
def test_an_answer_without_a_time_is_an_error(rows: list[Any]) -> None:
    with pytest.raises(VenueError):
        server_time_ms(rows)


# --- asking -------------------------------------------------------------------------------------


def asker(*answers: float | Exception) -> tuple[Callable, list[int]]:
    """Answers with our time plus each of these, in turn; counts the questions."""
    asked: list[int] = []
    rest: Iterator[float | Exception] = iter(answers)

    async def ask() -> ServerTime:
        asked.append(1)
        answer = next(rest)
        if isinstance(answer, Exception):
            raise answer
        return ServerTime(int(time.time() * 1000 + answer), time.monotonic())

    return ask, asked


DOWN = VenueError(VenueErrorKind.UNAVAILABLE, message="down")


def test_a_good_answer_is_enough() -> None:
    clock = VenueClock("paper")
    assert clock.skew_ms() is None
    assert clock.uncertainty_ms() == float("inf")
    assert abs(clock.now_ms() - time.time() * 1000) < 1000
    ask, asked = asker(-1500)
    asyncio.run(clock.measure(ask))
    assert len(asked) == 1
    assert clock.skew_ms() == pytest.approx(-1500, abs=400)
    assert clock.now_ms() == pytest.approx(time.time() * 1000 - 1500, abs=400)


def test_failures_are_asked_again_and_told_when_there_is_nothing_else() -> None:
    clock = VenueClock("paper")
    ask, asked = asker(DOWN, 40)
    asyncio.run(clock.measure(ask))
    assert len(asked) == 2
    ask, asked = asker(*[DOWN] * 9)
    with pytest.raises(VenueError):
        asyncio.run(clock.measure(ask))
    assert clock.skew_ms() == pytest.approx(40, abs=400)  # what was known stays known
    assert clock.seconds_since_failure < 60


def test_a_time_of_nonsense_is_no_time() -> None:
    clock = VenueClock("paper")
    ask, _ = asker(*[10**12, -(10**12), 10**14] * 3)
    with pytest.raises(VenueError):
        asyncio.run(clock.measure(ask))
    assert clock.skew_ms() is None


def test_a_clock_that_moved_is_followed() -> None:
    clock = VenueClock("paper")
    ask, _ = asker(0, 1500)
    for _ in range(2):
        asyncio.run(clock.measure(ask))
    assert clock.skew_ms() == pytest.approx(1500, abs=400)


def test_it_is_measured_again_as_soon_as_the_venue_refuses_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(venue_clock, "KEEP_SECONDS", 3600.0)
    clock = VenueClock("paper")
    ask, asked = asker(0, RuntimeError("odd"), 1500)

    async def live() -> None:
        keeping = asyncio.create_task(clock.keep(ask))
        for number in (1, 2):
            while len(asked) < number:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            clock.recheck()
        while clock.skew_ms() == pytest.approx(0, abs=400):
            await asyncio.sleep(0.01)
        keeping.cancel()

    asyncio.run(asyncio.wait_for(live(), 10))

"""Turns come in order, exits before entries, and never after the time that was named."""

import asyncio
from math import inf

import pytest

from venues.domain.rate_windows import Budget, RateWindow
from venues.limiter import RateLimiter

SHORT = Budget(limit=2, kept_for_exits=1, window_seconds=0.1)
LONG = Budget(limit=2, kept_for_exits=1, window_seconds=30)


@pytest.fixture
def limiter() -> RateLimiter:
    return RateLimiter()


def window_of(limiter: RateLimiter, budget: Budget, key: str = "one") -> RateWindow:
    return limiter.window(key, budget, limiter.clock())


async def use(limiter: RateLimiter, window: RateWindow, *, is_exit: bool, seconds: float) -> bool:
    """One request that is answered at once; whether it got its turn."""
    until = limiter.clock() + seconds
    if not await limiter.take(window, is_exit=is_exit, until=until):
        return False
    limiter.answer(window, limiter.clock())
    return True


async def test_turns_come_in_order_and_exits_first(limiter: RateLimiter) -> None:
    window = window_of(limiter, SHORT)
    came: list[str] = []

    async def one(name: str) -> None:
        assert await use(limiter, window, is_exit=name.startswith("exit"), seconds=20)
        came.append(name)

    assert await use(limiter, window, is_exit=True, seconds=0)
    assert await use(limiter, window, is_exit=True, seconds=0)
    names = ["entry 1", "entry 2", "exit 1", "entry 3", "exit 2", "exit 3"]
    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(one(name))
            await asyncio.sleep(0)
    assert came == sorted(names, key=lambda name: (name.startswith("entry"), name))
    assert not limiter._waiting


async def test_entries_that_wait_delay_no_exit(limiter: RateLimiter) -> None:
    window = window_of(limiter, LONG)
    assert await use(limiter, window, is_exit=False, seconds=0)
    flood = [
        asyncio.create_task(use(limiter, window, is_exit=False, seconds=60)) for _ in range(500)
    ]
    await asyncio.sleep(0)
    assert await use(limiter, window, is_exit=True, seconds=0)
    for task in flood:
        task.cancel()
    await asyncio.gather(*flood, return_exceptions=True)
    assert not await use(limiter, window, is_exit=True, seconds=0)


async def test_nobody_passes_those_who_wait(limiter: RateLimiter) -> None:
    window = window_of(limiter, SHORT)
    assert await use(limiter, window, is_exit=False, seconds=0)
    waiting = asyncio.create_task(use(limiter, window, is_exit=False, seconds=20))
    await asyncio.sleep(0)
    while not window.free_at(limiter.clock(), False) <= limiter.clock():
        pass  # its turn is there, and the loop had no time to give it
    assert not limiter.take_now(window, limiter.clock(), False)
    assert await waiting


async def test_no_turn_comes_after_the_time(limiter: RateLimiter) -> None:
    window = window_of(limiter, SHORT)
    held = await limiter.take(window, is_exit=False, until=inf)  # its answer is still to come
    assert held
    started = limiter.clock()
    assert not await use(limiter, window, is_exit=False, seconds=0.2)
    assert limiter.clock() - started >= 0.19, "it waited: the answer could have come"
    limiter.answer(window, limiter.clock())
    await asyncio.sleep(0.3)
    assert await use(limiter, window, is_exit=False, seconds=0)
    assert not limiter._waiting


async def test_what_cannot_come_in_time_is_said_at_once(limiter: RateLimiter) -> None:
    window = window_of(limiter, LONG)
    assert await limiter.take(window, is_exit=True, until=inf)
    limiter.refuse(window, limiter.clock(), 600.0)
    async with asyncio.timeout(10):
        assert not await use(limiter, window, is_exit=True, seconds=60)
        assert not await use(limiter, window, is_exit=False, seconds=60)
    assert not limiter._waiting


@pytest.mark.parametrize("gives_turn_first", [False, True])
async def test_who_gives_up_leaves_the_turn_to_the_next(
    limiter: RateLimiter, gives_turn_first: bool
) -> None:
    window = window_of(limiter, LONG)
    assert await limiter.take(window, is_exit=False, until=inf)
    first = asyncio.create_task(use(limiter, window, is_exit=False, seconds=60))
    second = asyncio.create_task(use(limiter, window, is_exit=False, seconds=60))
    await asyncio.sleep(0)
    if gives_turn_first:
        limiter.give_back(window)  # the first has its turn, but has not run yet
        first.cancel()
    else:
        first.cancel()
        limiter.give_back(window)
    async with asyncio.timeout(10):
        assert await second
    assert first.cancelled() or isinstance(first.exception(), asyncio.CancelledError)
    assert not limiter._waiting


async def test_windows_share_nothing(limiter: RateLimiter) -> None:
    sick, well = (window_of(limiter, LONG, key) for key in ("sick", "well"))
    assert await limiter.take(sick, is_exit=False, until=inf)
    waiting = [
        asyncio.create_task(use(limiter, sick, is_exit=False, seconds=60)) for _ in range(100)
    ]
    await asyncio.sleep(0)
    assert await use(limiter, well, is_exit=False, seconds=0)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)

"""Connections are kept, counted, passed on, and never lost."""

import asyncio
import time
from typing import Any

import pytest

from tests.venues.http_pool.server import Peer, answer, echo, get, settled, until
from venues.http_pool import ConnectError, DisconnectedError, WithdrawnError, connection
from venues.http_pool.connecting import Connector


class Gate:
    """Answers each request when the test says so."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._open: dict[str, asyncio.Event] = {}
        self._news = asyncio.Condition()

    async def script(self, peer: Peer) -> None:
        while True:
            target = (await peer.request()).target
            async with self._news:
                self.asked.append(target)
                self._news.notify_all()
            await self._event(target).wait()
            if target.startswith("/cut"):
                return
            await peer.send(answer(target.encode()))

    def _event(self, target: str) -> asyncio.Event:
        return self._open.setdefault(target, asyncio.Event())

    def let(self, *targets: str) -> None:
        for target in targets:
            self._event(target).set()

    async def until_asked(self, *targets: str) -> None:
        async with asyncio.timeout(20), self._news:
            await self._news.wait_for(lambda: set(targets) <= set(self.asked))


@pytest.fixture
def gate() -> Gate:
    return Gate()


async def test_requests_one_after_the_other_share_a_connection(
    start_server: Any, make_pool: Any
) -> None:
    server = await start_server(echo)
    pool = make_pool(server.url)
    for number in range(5):
        assert (await get(pool, f"/{number}")).body == f"/{number}".encode()
    assert server.connections == 1


async def test_what_nobody_wants_any_more_when_its_turn_comes_does_not_leave(
    start_server: Any, make_pool: Any, gate: Gate
) -> None:
    server = await start_server(gate.script)
    pool = make_pool(server.url, limit=1)
    wanted = True
    first = asyncio.create_task(get(pool, "/first"))
    await gate.until_asked("/first")
    second = asyncio.create_task(get(pool, "/second", still_wanted=lambda: wanted))
    third = asyncio.create_task(get(pool, "/third", still_wanted=lambda: True))
    await settled()
    wanted = False
    gate.let("/first", "/third")
    with pytest.raises(WithdrawnError):
        await second
    assert [(await task).body for task in (first, third)] == [b"/first", b"/third"]
    assert gate.asked == ["/first", "/third"]
    assert server.connections == 1, "the second one's connection went to the third"


async def test_a_connection_that_the_server_wants_closed_is_not_kept(
    start_server: Any, make_pool: Any
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer(fields="Connection: close\r\n"))
        await peer.gone()  # the client closes it

    server = await start_server(script)
    pool = make_pool(server.url)
    for _ in range(2):
        assert (await get(pool)).status == 200
    assert server.connections == 2


async def test_an_answer_in_the_old_version_ends_the_connection(
    start_server: Any, make_pool: Any
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await peer.gone()

    server = await start_server(script)
    pool = make_pool(server.url)
    for _ in range(2):
        assert (await get(pool)).body == b"ok"
    assert server.connections == 2


async def test_a_kept_connection_that_the_server_closed_costs_no_request(
    start_server: Any, make_pool: Any
) -> None:
    async def script(peer: Peer) -> None:
        request = await peer.request()
        await peer.send(answer(request.target.encode()))

    server = await start_server(script)
    pool = make_pool(server.url)
    for number in range(5):
        assert (await get(pool, f"/{number}")).body == f"/{number}".encode()
        await settled()
    assert server.connections == 5


async def test_a_connection_that_rested_too_long_is_not_used_again(
    start_server: Any, make_pool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await start_server(echo)
    pool = make_pool(server.url)
    await get(pool)
    await get(pool)
    assert server.connections == 1
    monkeypatch.setattr(connection, "IDLE_SECONDS", 0.0)
    await get(pool)
    await until(lambda: server.open == 1)
    assert server.connections == 2


async def test_there_are_never_more_connections_than_allowed(
    start_server: Any, make_pool: Any
) -> None:
    server = await start_server(echo)
    pool = make_pool(server.url, limit=3)
    answers = await asyncio.gather(*(get(pool, f"/{number}") for number in range(60)))
    assert [found.body for found in answers] == [f"/{number}".encode() for number in range(60)]
    assert server.most_open == 3
    assert server.connections == 3


async def test_who_waits_longest_is_served_next(
    gate: Gate, start_server: Any, make_pool: Any
) -> None:
    server = await start_server(gate.script)
    pool = make_pool(server.url, limit=1)

    async def first_then_newcomer() -> None:
        await get(pool, "/first")
        await get(pool, "/newcomer")  # the connection is back, but promised to the waiting one

    tasks = [asyncio.create_task(first_then_newcomer())]
    await gate.until_asked("/first")
    for number in range(3):
        tasks.append(asyncio.create_task(get(pool, f"/waiting{number}")))
        await settled()
    gate.let("/first", "/newcomer", "/waiting0", "/waiting1", "/waiting2")
    await asyncio.gather(*tasks)
    assert gate.asked == ["/first", "/waiting0", "/waiting1", "/waiting2", "/newcomer"]


@pytest.mark.parametrize("first", ["/first", "/cut"])
async def test_what_was_handed_to_a_request_that_is_cancelled_goes_to_the_next_one(
    first: str, gate: Gate, start_server: Any, make_pool: Any
) -> None:
    """A connection after an answer, the place of a lost one after none."""
    server = await start_server(gate.script)
    pool = make_pool(server.url, limit=1)

    async def first_then_cancel() -> None:
        try:
            await get(pool, first)
        except DisconnectedError:
            assert first == "/cut"
        second.cancel()  # it was just handed over, and the other has not run since

    task = asyncio.create_task(first_then_cancel())
    await gate.until_asked(first)
    second = asyncio.create_task(get(pool, "/second"))
    await settled()
    third = asyncio.create_task(get(pool, "/third"))
    await settled()
    gate.let(first, "/second", "/third")
    assert (await third).body == b"/third"
    await task
    assert second.cancelled()
    assert gate.asked == [first, "/third"]


async def test_a_request_cancelled_while_it_waits_is_passed_over(
    gate: Gate, start_server: Any, make_pool: Any
) -> None:
    server = await start_server(gate.script)
    pool = make_pool(server.url, limit=1)
    first = asyncio.create_task(get(pool, "/first"))
    await gate.until_asked("/first")
    second = asyncio.create_task(get(pool, "/second"))
    await settled()
    third = asyncio.create_task(get(pool, "/third"))
    await settled()
    second.cancel()
    await settled()
    gate.let("/first", "/third")
    assert (await first).body == b"/first"
    assert (await third).body == b"/third"
    assert gate.asked == ["/first", "/third"]


async def test_a_request_for_which_no_connection_gets_free_never_leaves(
    gate: Gate, start_server: Any, make_pool: Any
) -> None:
    server = await start_server(gate.script)
    pool = make_pool(server.url, limit=1)
    first = asyncio.create_task(get(pool, "/first"))
    await gate.until_asked("/first")
    with pytest.raises(ConnectError):
        await get(pool, "/second", timeout_seconds=0.05)
    gate.let("/first", "/third")
    await first
    assert (await get(pool, "/third")).body == b"/third"
    assert gate.asked == ["/first", "/third"]


@pytest.mark.parametrize("how", ["cancelled", "timed out", "cut"])
async def test_a_request_that_ends_badly_gives_its_place_back(
    how: str, gate: Gate, start_server: Any, make_pool: Any
) -> None:
    server = await start_server(gate.script)
    pool = make_pool(server.url, limit=2)
    for number in range(6):
        target = f"/cut{number}"
        seconds = 0.03 if how == "timed out" else 20.0
        task = asyncio.create_task(get(pool, target, timeout_seconds=seconds))
        await gate.until_asked(target)
        if how == "cancelled":
            task.cancel()
        elif how == "cut":
            gate.let(target)
        with pytest.raises((asyncio.CancelledError, TimeoutError, DisconnectedError)):
            await task
    gate.let("/one", "/two")
    await asyncio.gather(get(pool, "/one"), get(pool, "/two"))
    gate.let(*gate.asked)
    await until(lambda: server.open <= 2)


async def test_a_request_whose_time_is_over_never_leaves(
    gate: Gate, start_server: Any, make_pool: Any
) -> None:
    """Its answer could not be waited for; the connection stays good."""
    server = await start_server(gate.script)
    pool = make_pool(server.url)
    gate.let("/first", "/third")
    await get(pool, "/first")
    for seconds in (0.0, -1.0):
        with pytest.raises(ConnectError):
            await get(pool, "/second", timeout_seconds=seconds)
    await get(pool, "/third")
    assert gate.asked == ["/first", "/third"]
    assert server.connections == 1


@pytest.mark.parametrize("parting", [b"", answer(b"nobody asked")], ids=["silent", "greeting"])
async def test_a_new_connection_that_ends_before_it_is_used_is_an_error_before_anything_left(
    parting: bytes, start_server: Any, make_pool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(parting)

    open_one = Connector._open

    async def open_slowly(connector: Connector, address: str) -> Any:
        connection = await open_one(connector, address)
        await until(lambda: not connection.is_open)
        return connection

    monkeypatch.setattr(Connector, "_open", open_slowly)
    server = await start_server(script)
    with pytest.raises(ConnectError):
        await get(make_pool(server.url))


async def test_a_time_out_is_not_early(gate: Gate, start_server: Any, make_pool: Any) -> None:
    server = await start_server(gate.script)
    pool = make_pool(server.url)
    time.sleep(0.1)  # the loop's own clock stands still meanwhile
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        await get(pool, "/never", timeout_seconds=0.3)
    assert time.monotonic() - started >= 0.15


async def test_closing_lets_the_busy_finish_and_refuses_the_rest(
    gate: Gate, start_server: Any, make_pool: Any
) -> None:
    server = await start_server(gate.script)
    pool = make_pool(server.url, limit=2)
    gate.let("/early")
    await asyncio.gather(get(pool, "/early"), get(pool, "/early"))
    busy = [asyncio.create_task(get(pool, "/busy")) for _ in range(2)]
    await gate.until_asked("/busy")
    await settled()
    waiting = asyncio.create_task(get(pool, "/waiting"))
    await settled()
    await pool.aclose()
    with pytest.raises(ConnectError):
        await waiting
    with pytest.raises(ConnectError):
        await get(pool, "/later")
    gate.let("/busy")
    assert [(await task).body for task in busy] == [b"/busy", b"/busy"]
    await until(lambda: server.open == 0)
    assert set(gate.asked) == {"/early", "/busy"}


async def test_closing_an_idle_pool_closes_its_connections(
    start_server: Any, make_pool: Any
) -> None:
    server = await start_server(echo)
    pool = make_pool(server.url)
    await asyncio.gather(*(get(pool) for _ in range(4)))
    await pool.aclose()
    await until(lambda: server.open == 0)
    assert server.connections == 4


async def test_a_pool_refuses_a_second_event_loop(start_server: Any, make_pool: Any) -> None:
    server = await start_server(echo)
    pool = make_pool(server.url)
    await get(pool)

    def elsewhere() -> None:
        with pytest.raises(RuntimeError, match="one event loop"):
            asyncio.run(get(pool))

    await asyncio.to_thread(elsewhere)
    assert (await get(pool)).status == 200

"""No request ever gets the answer to another one."""

import asyncio
import random
from typing import Any

import pytest

from tests.venues.http_pool.server import Peer, answer, echo, get, until
from venues.http_pool import ConnectError, DisconnectedError, MalformedAnswerError


async def test_an_answer_that_comes_after_the_time_out_is_nobodys(
    start_server: Any, make_pool: Any
) -> None:
    late = asyncio.Event()

    async def script(peer: Peer) -> None:
        request = await peer.request()
        if request.target == "/slow":
            await late.wait()
        await peer.send(answer(request.target.encode()))
        await echo(peer)

    server = await start_server(script)
    pool = make_pool(server.url, limit=1)
    with pytest.raises(TimeoutError):
        await get(pool, "/slow", timeout_seconds=0.05)
    late.set()
    assert (await get(pool, "/next")).body == b"/next"
    assert server.connections == 2


async def test_an_answer_to_a_cancelled_request_is_nobodys(
    start_server: Any, make_pool: Any
) -> None:
    asked, late = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        request = await peer.request()
        if request.target == "/slow":
            asked.set()
            await late.wait()
        await peer.send(answer(request.target.encode()))
        await echo(peer)

    server = await start_server(script)
    pool = make_pool(server.url, limit=1)
    slow = asyncio.create_task(get(pool, "/slow"))
    await asked.wait()
    slow.cancel()
    following = asyncio.create_task(get(pool, "/next"))
    late.set()
    assert (await following).body == b"/next"
    assert slow.cancelled()
    assert server.connections == 2


async def test_a_connection_that_may_still_bring_an_answer_is_closed_at_once(
    start_server: Any, make_pool: Any
) -> None:
    closed = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.gone()
        closed.set()

    server = await start_server(script)
    with pytest.raises(TimeoutError):
        await get(make_pool(server.url), timeout_seconds=0.05)
    await until(closed.is_set)


@pytest.mark.parametrize("fields", ["", "Connection: close\r\n"], ids=["kept", "last"])
@pytest.mark.parametrize(
    "surplus",
    [answer(b"another"), answer(b"another")[:20], b"H", b"garbage", b"\x00"],
    ids=["whole", "part", "one-byte", "garbage", "zero"],
)
async def test_an_answer_with_more_behind_it_in_one_segment_is_not_believed(
    surplus: bytes, fields: str, start_server: Any, make_pool: Any
) -> None:
    async def script(peer: Peer) -> None:
        request = await peer.request()
        if request.target == "/double":
            await peer.send(answer(b"{}", fields=fields) + surplus)
        else:
            await peer.send(answer(request.target.encode()))
        await echo(peer)

    server = await start_server(script)
    pool = make_pool(server.url)
    with pytest.raises(MalformedAnswerError):
        await get(pool, "/double")
    assert (await get(pool, "/next")).body == b"/next"
    assert server.connections == 2


async def test_what_comes_while_nobody_asks_ends_the_connection(
    start_server: Any, make_pool: Any
) -> None:
    answered, ended = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        request = await peer.request()
        await peer.send(answer(request.target.encode()))
        if peer.number > 1:
            return
        await answered.wait()
        await peer.send(answer(b"nobody asked"))
        await peer.gone()
        ended.set()

    server = await start_server(script)
    pool = make_pool(server.url)
    await get(pool, "/first")
    answered.set()
    await until(ended.is_set)
    assert (await get(pool, "/second")).body == b"/second"


@pytest.mark.parametrize(
    "parting",
    [answer(b"too late", status="408 Request Timeout"), None],
    ids=["an answer", "the end"],
)
async def test_what_the_kernel_holds_before_a_request_is_written_is_not_its_answer(
    parting: bytes | None, start_server: Any, make_pool: Any
) -> None:
    peers = []

    async def script(peer: Peer) -> None:
        peers.append(peer)
        await echo(peer)

    server = await start_server(script)
    pool = make_pool(server.url)
    await get(pool, "/first")
    if parting is not None:
        peers[0].send_now(parting)
    else:
        peers[0].end_now()
    # No await in between: the event loop has not seen it yet.
    found = await get(pool, "/second")
    assert (found.status, found.body) == (200, b"/second")
    assert server.connections == 2


async def test_a_connection_in_that_state_is_not_handed_to_a_waiting_request_either(
    start_server: Any, make_pool: Any
) -> None:
    peers = []

    async def script(peer: Peer) -> None:
        peers.append(peer)
        await echo(peer)

    server = await start_server(script)
    pool = make_pool(server.url, limit=1)

    async def first_then_surplus() -> None:
        await get(pool, "/first")
        peers[0].send_now(answer(b"too late"))  # while it is on its way to the second one

    _, second = await asyncio.gather(first_then_surplus(), get(pool, "/second"))
    assert second.body == b"/second"
    assert server.connections == 2


@pytest.mark.parametrize(
    "earlier",
    [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\n\r\n",
        answer(b"earlier"),
    ],
    ids=["204", "304", "200"],
)
async def test_a_connection_that_ends_without_an_answer_does_not_repeat_its_last_one(
    earlier: bytes, start_server: Any, make_pool: Any
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(earlier)
        await peer.request()

    server = await start_server(script)
    pool = make_pool(server.url)
    await get(pool, "/first")
    with pytest.raises(DisconnectedError):
        await get(pool, "/second")
    assert server.connections == 1


async def test_an_interim_answer_is_not_the_answer_when_nothing_follows(
    start_server: Any, make_pool: Any
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    server = await start_server(script)
    with pytest.raises(DisconnectedError):
        await get(make_pool(server.url))


async def test_a_server_that_stops_sending_before_it_answers_gives_no_answer(
    start_server: Any, make_pool: Any
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        peer.end_now()
        await peer.gone()

    server = await start_server(script)
    with pytest.raises(DisconnectedError):
        await get(make_pool(server.url))


async def test_a_request_is_answered_early_and_its_rest_never_meets_the_next_one(
    start_server: Any, make_pool: Any
) -> None:
    async def script(peer: Peer) -> None:
        if peer.number > 1:
            await echo(peer)
        await peer.request_head()
        await peer.send(answer(b"too large", status="413 Content Too Large"))
        await asyncio.sleep(20)

    server = await start_server(script)
    pool = make_pool(server.url)
    early = await pool.request("POST", "/", headers={}, body=b"x" * 32_000_000, timeout_seconds=20)
    assert early.status == 413
    assert (await get(pool, "/next")).body == b"/next"
    assert server.connections == 2


@pytest.mark.parametrize("seed", range(3))
async def test_answers_stay_with_their_requests_while_everything_goes_wrong(
    seed: int, start_server: Any, make_pool: Any
) -> None:
    """Cancellations, time-outs and a server that misbehaves in every way, all at once."""
    chance = random.Random(seed)
    limit = 8
    together = asyncio.Barrier(limit)

    async def script(peer: Peer) -> None:
        while True:
            request = await peer.request()
            own = answer(request.target.encode())
            if request.target == "/together":
                await together.wait()
                await peer.send(own)
                continue
            match chance.randrange(11):
                case 0:
                    return
                case 1:
                    await peer.reset()
                case 2:
                    await asyncio.sleep(0.03)
                    await peer.send(own)
                case 3:
                    await peer.send(own + answer(b"surplus"))
                case 4:
                    await peer.send(own[:-2])
                    await asyncio.sleep(0.01)
                    await peer.send(own[-2:])
                case 5:
                    await peer.send(own[:-2])
                    return
                case 6:
                    await peer.send(answer(request.target.encode(), fields="Connection: close\r\n"))
                case _:
                    await peer.send(own)

    server = await start_server(script)
    pool = make_pool(server.url, limit=limit)
    answered = refused = 0

    async def ask(number: int) -> None:
        nonlocal answered, refused
        await asyncio.sleep(chance.random() / 5)
        target = f"/{number}"
        task = asyncio.create_task(get(pool, target, timeout_seconds=chance.choice([0.01, 0.1, 5])))
        if chance.random() < 0.2:
            asyncio.get_running_loop().call_later(chance.random() / 50, task.cancel)
        try:
            found = await task
        except (ConnectError, DisconnectedError, MalformedAnswerError, TimeoutError):
            refused += 1
        except asyncio.CancelledError:
            refused += 1
        else:
            assert found.body == target.encode()
            answered += 1

    await asyncio.gather(*map(ask, range(400)))
    assert answered > 50
    assert refused > 50

    # No place was lost: these are only answered when all of them are there.
    crowd = await asyncio.gather(*(get(pool, "/together") for _ in range(limit)))
    assert {found.body for found in crowd} == {b"/together"}

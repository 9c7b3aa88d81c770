"""What counts as a whole answer, and what does not."""

import asyncio
from typing import Any

import pytest

from tests.venues.http_pool.server import Peer, Script, answer, echo, get
from venues.http_pool import DisconnectedError, MalformedAnswerError


def says(*pieces: bytes, then_close: bool = False) -> Script:
    """Each request is answered in these pieces, each in a segment of its own."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            for number, piece in enumerate(pieces):
                if number:
                    await asyncio.sleep(0.002)
                await peer.send(piece)
            if then_close:
                return

    return script


async def test_status_headers_and_body_come_as_they_were_sent(
    start_server: Any, make_pool: Any
) -> None:
    server = await start_server(
        says(answer(b'{"a":1}', status="429 Too Many", fields="X-One: a\r\nx-one: b\r\nY:\r\n"))
    )
    found = await get(make_pool(server.url))
    assert (found.status, found.body) == (429, b'{"a":1}')
    assert found.headers == {"content-length": "7", "x-one": "b", "y": ""}


async def test_a_request_arrives_as_it_was_given(start_server: Any, make_pool: Any) -> None:
    requests = []

    async def script(peer: Peer) -> None:
        while True:
            requests.append(await peer.request())
            await peer.send(answer())

    server = await start_server(script)
    pool = make_pool(server.url)
    target = "/api/v5/x?instId=BTC%2CETH&a=b%20c"
    await pool.request(
        "POST", target, headers={"OK-ACCESS-SIGN": "a+b/c="}, body=b"{}", timeout_seconds=20
    )
    await pool.request("POST", "/empty", headers={}, timeout_seconds=20)
    await pool.request("GET", "/read", headers={}, timeout_seconds=20)
    placed, empty, read = requests
    assert placed.line == f"POST {target} HTTP/1.1"
    assert placed.headers["Host"] == server.url.removeprefix("http://")
    assert placed.headers["OK-ACCESS-SIGN"] == "a+b/c="
    assert placed.headers["Accept-Encoding"] == "identity"
    assert placed.headers["User-Agent"]
    assert placed.body == b"{}"
    assert empty.headers["Content-Length"] == "0"
    assert "Content-Length" not in read.headers


async def test_an_answer_may_come_byte_by_byte(start_server: Any, make_pool: Any) -> None:
    whole = answer(b"ok", fields="X: y\r\n")
    server = await start_server(says(*(whole[at : at + 1] for at in range(len(whole)))))
    found = await get(make_pool(server.url))
    assert (found.status, found.body, found.headers["x"]) == (200, b"ok", "y")


async def test_chunks_are_joined_and_trailers_change_nothing(
    start_server: Any, make_pool: Any
) -> None:
    server = await start_server(
        says(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: head\r\n\r\n2;a=b\r\n{",
            b'"\r\n4\r\na":1\r\n1\r\n}\r\n0\r\nX: trailer\r\nY: z\r\n\r\n',
        )
    )
    pool = make_pool(server.url)
    for _ in range(2):
        found = await get(pool)
        assert found.body == b'{"a":1}'
        assert found.headers == {"transfer-encoding": "chunked", "x": "head"}
    assert server.connections == 1


@pytest.mark.parametrize("apart", [True, False])
async def test_interim_answers_are_passed_over(
    apart: bool, start_server: Any, make_pool: Any
) -> None:
    pieces = [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\nContent-Length: 9\r\n\r\n",
        answer(b"real"),
    ]
    server = await start_server(says(*(pieces if apart else [b"".join(pieces)])))
    pool = make_pool(server.url)
    for _ in range(2):
        found = await get(pool)
        assert (found.status, found.body) == (200, b"real")
        assert "link" not in found.headers
    assert server.connections == 1


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
async def test_some_statuses_have_no_body_and_need_no_length(
    status: str, start_server: Any, make_pool: Any
) -> None:
    server = await start_server(says(f"HTTP/1.1 {status}\r\nX: y\r\n\r\n".encode()))
    pool = make_pool(server.url)
    for _ in range(2):
        found = await get(pool)
        assert (str(found.status), found.body) == (status[:3], b"")
    assert server.connections == 1


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_a_body_that_only_ends_with_the_connection_is_no_answer(
    version: str, start_server: Any, make_pool: Any
) -> None:
    """It could have been cut anywhere."""
    head = f"HTTP/{version} 200 OK\r\nX: y\r\n\r\n".encode()
    server = await start_server(says(head, b"{}", then_close=True))
    with pytest.raises(MalformedAnswerError, match="where it ends"):
        await get(make_pool(server.url))


@pytest.mark.parametrize(
    "whole",
    [
        answer(b'{"code":"0"}'),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 100 Continue\r\n\r\n" + answer(),
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ],
    ids=["length", "chunked", "http10", "interim", "no-body"],
)
async def test_an_answer_cut_anywhere_is_an_error(
    whole: bytes, start_server: Any, make_pool: Any
) -> None:
    cuts = list(range(len(whole)))

    async def script(peer: Peer) -> None:
        request = await peer.request()
        await peer.send(whole[: int(request.target[1:])])

    server = await start_server(script)
    pool = make_pool(server.url)
    for cut in cuts:
        with pytest.raises(DisconnectedError):
            await get(pool, f"/{cut}")
    assert (await get(pool, f"/{len(whole)}")).status in (200, 204)


@pytest.mark.parametrize("sent", [b"", answer(b'{"code":"0"}')[:-1]])
async def test_a_reset_connection_is_an_error(
    sent: bytes, start_server: Any, make_pool: Any
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(sent)
        await peer.reset()

    server = await start_server(script)
    with pytest.raises(DisconnectedError):
        await get(make_pool(server.url))


@pytest.mark.parametrize(
    "wrong",
    [
        b"<html>no head</html>",
        b"\x16\x03\x01\x02\x00",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello",
    ],
)
async def test_what_is_not_http_is_no_answer(
    wrong: bytes, start_server: Any, make_pool: Any
) -> None:
    server = await start_server(says(wrong))
    pool = make_pool(server.url)
    for _ in range(2):
        with pytest.raises(MalformedAnswerError):
            await get(pool)
    assert server.connections == 2


@pytest.mark.parametrize(
    ("start", "endless"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n", b"x" * 65536),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 10_000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x" * 65536),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 10_000),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 10_000),
        (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 65536),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2_000),
    ],
    ids=["length", "chunks", "extension", "trailers", "headers", "header", "interim"],
)
async def test_an_endless_answer_is_given_up_before_it_fills_the_memory(
    start: bytes, endless: bytes, start_server: Any, make_pool: Any
) -> None:
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(start)
        while True:
            await peer.send(endless)
            sent += len(endless)

    server = await start_server(script)
    with pytest.raises(MalformedAnswerError, match="too large"):
        await get(make_pool(server.url))
    assert sent < 32 * 1024 * 1024  # what the sockets buffer comes on top of our own limit


async def test_a_large_answer_within_the_limit_is_whole(start_server: Any, make_pool: Any) -> None:
    body = bytes(range(256)) * 12_000
    server = await start_server(says(answer(body)))
    pool = make_pool(server.url)
    assert (await get(pool)).body == body
    assert (await get(pool)).body == body
    assert server.connections == 1


async def test_a_large_request_arrives_whole_at_a_slow_reader(
    start_server: Any, make_pool: Any
) -> None:
    body = bytes(range(256)) * 32_000
    arrived = bytearray()

    async def script(peer: Peer) -> None:
        await peer.request_head()
        while len(arrived) < len(body):
            arrived.extend(await peer.read_some())
            if len(arrived) % 7 == 0:
                await asyncio.sleep(0)
        await peer.send(answer(b"thanks"))

    server = await start_server(script)
    found = await make_pool(server.url).request(
        "POST", "/", headers={}, body=body, timeout_seconds=60
    )
    assert found.body == b"thanks"
    assert arrived == body


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("GET", "/a HTTP/1.1\r\nX: y", {}),
        ("GET", "/a b", {}),
        ("GET", "/a\x00", {}),
        ("GET", "/ä", {}),
        ("GET", ".evil.example/", {}),
        ("GET / HTTP/1.1\r\nX:", "/", {}),
        ("HEAD", "/", {}),
        ("CONNECT", "/", {}),
        ("POST", "/", {"X": "y\r\nZ: injected"}),
        ("POST", "/", {"X": "y\nZ: injected"}),
        ("POST", "/", {"X": "y\rZ: injected"}),
        ("POST", "/", {"X\r\nZ": "injected"}),
        ("POST", "/", {"X": "\u010a"}),
    ],
)
async def test_a_request_that_would_be_read_differently_never_leaves(
    method: str, target: str, headers: dict[str, str], start_server: Any, make_pool: Any
) -> None:
    server = await start_server(echo)
    pool = make_pool(server.url)
    with pytest.raises(ValueError):
        await pool.request(method, target, headers=headers, body=b"{}", timeout_seconds=20)
    assert server.connections == 0


@pytest.mark.parametrize(
    "origin",
    [
        "ftp://host",
        "https://",
        "host:80",
        "https://user:secret@host",
        "https://host/path",
        "https://host?query",
        "https://host#part",
        "https://host:port",
        "https://" + "x" * 64 + ".example",
    ],
)
def test_an_origin_is_a_scheme_a_host_and_a_port(origin: str, make_pool: Any) -> None:
    with pytest.raises(ValueError) as refused:
        make_pool(origin)
    assert "secret" not in str(refused.value)

"""From a name to a connection, when some of what the name stands for does not work."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.venues.http_pool.server import Peer, answer, echo, get, until
from venues.http_pool import ConnectError, connecting
from venues.http_pool.connecting import Connector, addresses_of


class Resolver:
    """Stands in for the machine's; counts how often it is asked."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked = 0
        self.answered = 0
        self.delay = 0.01

    async def __call__(self, host: str, port: int, local_address: object) -> list[str]:
        self.asked += 1
        await asyncio.sleep(self.delay)
        self.answered += 1
        if not self.addresses:
            raise OSError("Temporary failure in name resolution")
        return list(self.addresses)


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    resolver = Resolver("127.0.0.1")
    monkeypatch.setattr(connecting, "addresses_of", resolver)
    return resolver


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port of 127.0.0.2 that answers no connection attempt: its queue is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.2", 0))
        listener.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def at_name(url: str) -> str:
    return url.replace("127.0.0.1", "exchange.test")


async def test_nothing_that_listens_is_an_error_before_anything_left(make_pool: Any) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        pool = make_pool(f"http://127.0.0.1:{reserved.getsockname()[1]}", limit=1)
        for _ in range(3):
            with pytest.raises(ConnectError):
                await get(pool)


async def test_a_connection_that_is_not_made_in_time_is_given_up(
    silent_port: int, make_pool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "CONNECT_TIMEOUT_SECONDS", 0.1)
    pool = make_pool(f"http://127.0.0.2:{silent_port}", limit=1)
    for _ in range(3):
        with pytest.raises(ConnectError, match="no connection in time"):
            await get(pool)


async def test_a_request_cancelled_while_it_connects_gives_its_place_back(
    silent_port: int,
    start_server: Any,
    make_pool: Any,
    resolver: Resolver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connecting, "RESOLVE_EVERY_SECONDS", 0.0)
    server = await start_server(echo, port=silent_port)
    resolver.addresses = ["127.0.0.2"]
    pool = make_pool(f"http://exchange.test:{silent_port}", limit=1)
    for _ in range(3):
        connects = asyncio.create_task(get(pool))
        await until(lambda: resolver.answered > 0)
        await asyncio.sleep(0.01)
        connects.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connects
    resolver.addresses = ["127.0.0.1"]
    with pytest.raises(ConnectError):
        await get(pool, timeout_seconds=0.2)  # the old address, while the new one is asked for
    assert (await get(pool, "/now")).body == b"/now"
    assert server.connections == 1


@pytest.mark.parametrize("first", ["silent", "refusing"])
async def test_an_address_that_does_not_work_holds_nobody_up(
    first: str, silent_port: int, start_server: Any, make_pool: Any, resolver: Resolver
) -> None:
    server = await start_server(echo, port=silent_port)
    resolver.addresses = ["127.0.0.2" if first == "silent" else "127.0.0.3", "127.0.0.1"]
    pool = make_pool(f"http://exchange.test:{silent_port}")
    found = await asyncio.gather(*(get(pool, f"/{number}") for number in range(5)))
    assert [one.body for one in found] == [f"/{number}".encode() for number in range(5)]
    assert server.connections == 5


async def test_the_address_that_worked_is_tried_first_from_then_on(
    start_server: Any, make_pool: Any, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after its name was looked up again."""

    async def bad(peer: Peer) -> None:
        await peer.request()

    monkeypatch.setattr(connecting, "RESOLVE_EVERY_SECONDS", 0.0)
    server = await start_server(echo)
    resolver.addresses = ["127.0.0.9", "127.0.0.1"]
    pool = make_pool(at_name(server.url))
    assert (await get(pool)).status == 200
    other = await start_server(bad, host="127.0.0.9", port=server.port)
    for crowd in (4, 7, 10):  # each needs three more connections, and looks the name up
        await asyncio.gather(*(get(pool) for _ in range(crowd)))
        await until(lambda: resolver.answered == resolver.asked)
    assert resolver.answered >= 4
    assert (server.connections, other.connections) == (10, 0)


@pytest.mark.parametrize("at_once", [True, False])
async def test_of_two_connections_one_is_kept_and_the_other_closed(
    at_once: bool,
    start_server: Any,
    make_pool: Any,
    resolver: Resolver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both = asyncio.Barrier(2)
    open_one = Connector._open

    async def open_together(connector: Connector, address: str) -> Any:
        connection = await open_one(connector, address)
        await both.wait()
        return connection

    monkeypatch.setattr(connecting, "NEXT_ADDRESS_SECONDS", 0.0)  # no head start
    if at_once:
        monkeypatch.setattr(Connector, "_open", open_together)
    server = await start_server(echo)
    other = await start_server(echo, host="127.0.0.9", port=server.port)
    resolver.addresses = ["127.0.0.9", "127.0.0.1"]
    assert (await get(make_pool(at_name(server.url)))).status == 200
    await until(lambda: server.open + other.open == 1)
    assert (server.connections, other.connections) == (1, 1)


async def test_a_host_that_moved_is_found_again(
    start_server: Any, make_pool: Any, resolver: Resolver
) -> None:
    server = await start_server(echo)
    resolver.addresses = ["127.0.0.9"]
    pool = make_pool(at_name(server.url))
    with pytest.raises(ConnectError):
        await get(pool)
    resolver.addresses = ["127.0.0.1"]
    with pytest.raises(ConnectError):  # nobody waits for the resolver
        await get(pool)
    await until(lambda: resolver.answered == 2)
    assert (await get(pool, "/found")).body == b"/found"


async def test_a_crowd_asks_for_the_addresses_once(
    start_server: Any, make_pool: Any, resolver: Resolver
) -> None:
    server = await start_server(echo)
    pool = make_pool(at_name(server.url), limit=50)
    crowd = [asyncio.create_task(get(pool)) for _ in range(50)]
    await asyncio.sleep(0)
    crowd[0].cancel()  # the one that asked
    found = await asyncio.gather(*crowd[1:])
    assert {one.status for one in found} == {200}
    assert resolver.asked == 1


async def test_a_resolver_that_is_down_keeps_nobody_from_known_addresses(
    start_server: Any, make_pool: Any, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "RESOLVE_EVERY_SECONDS", 0.0)
    server = await start_server(echo)
    pool = make_pool(at_name(server.url))
    await get(pool)
    for delay in (0.0, 60.0):  # refuses, then does not answer
        resolver.addresses, resolver.delay = [], delay
        found = await asyncio.gather(*(get(pool) for _ in range(5)))
        assert {one.status for one in found} == {200}
    assert resolver.asked >= 2


async def test_a_name_that_nobody_knows_is_an_error_before_anything_left(
    make_pool: Any, resolver: Resolver
) -> None:
    resolver.addresses = []
    with pytest.raises(ConnectError, match="name resolution"):
        await get(make_pool("http://exchange.test"))


async def test_the_machines_own_resolver_is_asked(start_server: Any, make_pool: Any) -> None:
    server = await start_server(echo)
    pool = make_pool(server.url.replace("127.0.0.1", "localhost"))
    assert (await get(pool, "/named")).body == b"/named"


async def test_requests_leave_from_the_address_that_was_chosen(
    start_server: Any, make_pool: Any
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer(peer.address.encode()))

    server = await start_server(script)
    for origin in (server.url, server.url.replace("127.0.0.1", "localhost")):
        pool = make_pool(origin, local_address=("127.0.0.5", 0))
        assert (await get(pool)).body == b"127.0.0.5"


@pytest.mark.parametrize(("host", "local"), [("::1", "127.0.0.1"), ("127.0.0.1", "::1")])
async def test_a_host_is_looked_up_in_the_family_of_the_chosen_address(
    host: str, local: str
) -> None:
    assert await addresses_of(host, 80, None) == [host]
    assert await addresses_of(local, 80, (local, 0)) == [local]
    with pytest.raises(OSError):
        await addresses_of(host, 80, (local, 0))


async def test_an_origin_may_be_an_ipv6_address(start_server: Any, make_pool: Any) -> None:
    hosts = []

    async def script(peer: Peer) -> None:
        hosts.append((await peer.request()).headers["Host"])
        await peer.send(answer())

    server = await start_server(script)
    await get(make_pool(f"http://[::ffff:127.0.0.1]:{server.port}"))
    assert hosts == [f"[::ffff:127.0.0.1]:{server.port}"]

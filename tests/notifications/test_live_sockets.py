"""Real browsers' side of /ws/events/: idle sockets, frozen clients, outages, a restart."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from typing import Any

import pytest
import websockets
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings

from config.supervisor.ports import LOOPBACK
from tests.factories import MembershipFactory
from tests.notifications.conftest import Web, WebStarter
from tests.notifications.sockets import anumber, apublish, apush, arecord, session_for
from tests.processes.live import LiveProcesses
from tests.processes.proxy import Proxy, target_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]


class Staff:
    def __init__(self) -> None:
        self.membership = MembershipFactory()
        self.tenant = self.membership.tenant
        self.audience = f"tenant:{self.tenant.pk}"
        self.session = session_for(self.membership.user)


@pytest.fixture
def staff() -> Staff:
    return Staff()


async def frame_of(connection: Any, seconds: float = 10) -> dict[str, Any]:
    return json.loads(await asyncio.wait_for(connection.recv(), seconds))


async def stay_idle(web: Web, staff: Staff, *, seconds: float) -> None:
    """20 sockets, nothing said for so long; then one event reaches every one of them."""
    sockets = [await web.connect(staff.session) for _ in range(20)]
    for connection in sockets:
        assert (await frame_of(connection))["type"] == "hello"
    await asyncio.sleep(seconds)
    assert [connection.close_code for connection in sockets] == [None] * 20
    await apublish(staff.tenant, staff.audience)
    # Pushed, not found by the comparison that comes every few seconds.
    frames = await asyncio.gather(*(frame_of(connection, 2) for connection in sockets))
    assert [frame["sequence"] for frame in frames] == [1] * 20
    await asyncio.gather(*(connection.close() for connection in sockets))
    assert "Traceback" not in web.process.log()


@pytest.mark.slow
async def test_idle_sockets_stay_open(web: Web, staff: Staff) -> None:
    """Channel-layer sockets with a time-out (redis-py's default of 5 s) end most of them."""
    await stay_idle(web, staff, seconds=35)


@pytest.mark.slow
async def test_idle_sockets_stay_open_for_three_minutes(web: Web, staff: Staff) -> None:
    await stay_idle(web, staff, seconds=180)


def rest_of(connection: socket.socket) -> int:
    """How many bytes still come until the server's end of the connection."""
    connection.settimeout(15)
    total = 0
    while chunk := connection.recv(1 << 20):
        total += len(chunk)
    return total


@pytest.mark.parametrize("ws", ["websockets", "websockets-sansio"])
async def test_a_client_that_takes_nothing_is_let_go_and_harms_nobody(
    start_web: WebStarter, staff: Staff, ws: str
) -> None:
    web = await sync_to_async(start_web)(ws=ws)
    healthy = await web.connect(staff.session, max_size=None)
    await frame_of(healthy)
    frozen = socket.socket()
    frozen.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    frozen.connect((LOOPBACK, web.port))
    handshake = (
        "GET /ws/events/ HTTP/1.1",
        f"Host: {LOOPBACK}:{web.port}",
        f"Origin: http://{LOOPBACK}:{web.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        f"Cookie: sessionid={staff.session.session_key}",
    )
    frozen.sendall("\r\n".join([*handshake, "", ""]).encode())
    assert b"101 Switching" in frozen.recv(200)

    heard: list[int] = []

    async def listen() -> None:
        while not heard or heard[-1] < 800:
            heard.append((await frame_of(healthy))["sequence"])

    listening = asyncio.create_task(listen())
    slowest = 0.0
    for _ in range(8):
        await arecord(staff.tenant, staff.audience, 100, text="x" * 20_000)
        started = time.monotonic()
        events = await anumber()
        await apush(events)
        while not heard or heard[-1] < events[-1].sequence:
            await asyncio.sleep(0.01)
        slowest = max(slowest, time.monotonic() - started)
    await asyncio.wait_for(listening, 20)
    assert heard == list(range(1, 801))
    assert slowest < 5
    for _ in range(100):
        if "takes nothing" in web.process.log():
            break
        await asyncio.sleep(0.1)
    assert "takes nothing" in web.process.log()
    assert await asyncio.to_thread(rest_of, frozen) < 600 * 20_000
    await healthy.close()
    frozen.close()


async def test_a_restarted_web_process_costs_no_event(start_web: WebStarter, staff: Staff) -> None:
    first = await sync_to_async(start_web)()
    connection = await first.connect(staff.session)
    await frame_of(connection)
    await apublish(staff.tenant, staff.audience, 2)
    last = [(await frame_of(connection))["sequence"] for _ in range(2)][-1]
    first.process.kill()
    await apublish(staff.tenant, staff.audience, 3)
    second = await sync_to_async(start_web)()
    connection = await second.connect(staff.session, f"?since={last}")
    assert (await frame_of(connection))["sequence"] == 5
    assert [(await frame_of(connection))["sequence"] for _ in range(3)] == [3, 4, 5]
    await connection.close()


@pytest.mark.parametrize("failure", ["cut", "freeze"])
async def test_a_channel_layer_that_is_away_delays_and_loses_nothing(
    start_web: WebStarter, live: LiveProcesses, staff: Staff, failure: str
) -> None:
    """Relay and web lose Redis. Events go on being numbered and, at the latest a few seconds
    after it is back, heard, by a socket that stayed or by one that came again."""
    with Proxy(target_of(django_settings.REDIS_URL, default_port=6379)) as proxy:
        database = (django_settings.REDIS_URL.rpartition("/")[2] or "0").partition("?")[0]
        number = database if database.isdigit() else "0"
        env = {"REDIS_URL": f"redis://{LOOPBACK}:{proxy.port}/{number}"}
        relay = await sync_to_async(live.manage)(
            "relay", env=env, ready=lambda relay: "holds the lease" in relay.log()
        )
        web = await sync_to_async(start_web)(env=env)
        connection = await web.connect(staff.session)
        await frame_of(connection)

        getattr(proxy, failure)()
        for _ in range(3):
            await arecord(staff.tenant, staff.audience)
            await asyncio.sleep(1)
        proxy.restore()
        await arecord(staff.tenant, staff.audience)

        heard: list[int] = []
        for _ in range(20):
            try:
                while heard[-1:] != [4]:
                    frame = await frame_of(connection, 12)
                    if frame["type"] == "event":
                        heard.append(frame["sequence"])
                break
            except websockets.ConnectionClosed as closed:
                assert closed.rcvd is None or closed.rcvd.code == 1013
                await asyncio.sleep(0.3)
                since = heard[-1] if heard else 0
                connection = await web.connect(staff.session, f"?since={since}")
        assert heard == [1, 2, 3, 4], web.process.log()
        assert relay.process.poll() is None
        await connection.close()

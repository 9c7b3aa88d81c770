"""How many signed placements a second the paper exchange answers on one core.

The server is pinned to one core and the load to another. 1,000 accounts each have their own key,
requests are signed before the clock starts, and raw sockets with pipelining keep the client from
being what is measured. Every answer is read and every `sCode` counted.

    python -m tests.bench.paper [--seconds 6] [--only full|ack]
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from websockets.asyncio.client import connect

ROOT = Path(__file__).resolve().parents[2]
ACCOUNTS = 1000
SUBSCRIBERS = 20
CONNECTIONS = 32
PIPELINE = 16
# Four instruments a side, so that nobody meets the limit of 60 per user and instrument in 2 s.
INSTRUMENTS = ("BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP", "DOGE-USDT-SWAP")
TARGETS = {"full": 5_000, "ack": 20_000}
TOKEN = "bench"


@dataclass(frozen=True)
class Result:
    answered: int
    accepted: int
    seconds: float
    cpu_seconds: float
    fills: int
    pushed: int


def account_key(number: int) -> tuple[str, str, str]:
    return f"bench-key-{number}", f"bench-secret-{number}", "bench-pass"


def signed_order(number: int, index: int) -> bytes:
    key, secret, passphrase = account_key(number)
    # One buy, one sell in turn: positions stay small and margin never runs out.
    side = "buy" if index % 2 == 0 else "sell"
    body = json.dumps(
        {
            "instId": INSTRUMENTS[(index // 2) % len(INSTRUMENTS)],
            "tdMode": "cross",
            "side": side,
            "ordType": "market",
            "sz": "1",
            "clOrdId": f"b{number}x{index}",
        }
    ).encode()
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    target = "/api/v5/trade/order"
    message = stamp.encode() + b"POST" + target.encode() + body
    sign = b64encode(hmac.digest(secret.encode(), message, "sha256")).decode()
    head = (
        f"POST {target} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"OK-ACCESS-KEY: {key}\r\nOK-ACCESS-SIGN: {sign}\r\nOK-ACCESS-TIMESTAMP: {stamp}\r\n"
        f"OK-ACCESS-PASSPHRASE: {passphrase}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Loader(asyncio.Protocol):
    """Keeps a fixed number of requests in flight on one connection until they are used up."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self._requests = requests
        self.done = asyncio.get_running_loop().create_future()
        self.answered = 0
        self.accepted = 0
        self._in_flight = 0
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def start(self) -> None:
        self._send(PIPELINE)

    def _send(self, count: int) -> None:
        batch = [request for _, request in zip(range(count), self._requests, strict=False)]
        self._in_flight += len(batch)
        if batch:
            self._transport.write(b"".join(batch))
        elif not self._in_flight and not self.done.done():
            self.done.set_result(None)

    def data_received(self, data: bytes) -> None:
        # The envelope's last key ends each answer, and appears nowhere else in it.
        data = self._tail + data
        end = data.rfind(b'"outTime"')
        end = data.find(b"}", end) + 1 if end >= 0 else 0
        whole, self._tail = data[:end], data[end:]
        answers = whole.count(b'"outTime"')
        if not answers and b'"code":"5' in data and b'"outTime"' not in data:
            self.done.set_exception(RuntimeError(data.decode(errors="replace")[:500]))
            return
        self.answered += answers
        self.accepted += whole.count(b'"sCode":"0"')
        self._in_flight -= answers
        if answers:
            self._send(answers)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed the connection"))


async def subscriber(port: int, number: int, ready: asyncio.Semaphore, counts: list[int]) -> None:
    key, secret, passphrase = account_key(number)
    async with connect(f"ws://127.0.0.1:{port}/ws/v5/private", max_queue=None) as ws:
        stamp = str(int(time.time()))
        sign = b64encode(
            hmac.digest(secret.encode(), f"{stamp}GET/users/self/verify".encode(), "sha256")
        ).decode()
        login = {"apiKey": key, "passphrase": passphrase, "timestamp": stamp, "sign": sign}
        await ws.send(json.dumps({"op": "login", "args": [login]}))
        await ws.recv()
        await ws.send(
            json.dumps({"op": "subscribe", "args": [{"channel": "orders", "instType": "ANY"}]})
        )
        ready.release()
        async for message in ws:
            if '"data"' in message and '"orders"' in message:
                counts[0] += 1


async def load(port: int, pid: int, seconds: float, expected_rate: int, subscribers: int) -> Result:
    loop = asyncio.get_running_loop()
    counts = [0]
    ready = asyncio.Semaphore(0)
    tasks = []
    for number in range(subscribers):
        tasks.append(asyncio.create_task(subscriber(port, number, ready, counts)))
        await asyncio.wait_for(ready.acquire(), 10)
        if number % 3 == 2:
            await asyncio.sleep(1.05)  # three connections a second and address
    # Signatures are good for 30 s: sign, then send at once.
    total = min(int(expected_rate * seconds), ACCOUNTS * 200)
    per_account = total // ACCOUNTS
    requests = [
        [
            signed_order(number, index)
            for index in range(per_account)
            for number in range(lane, ACCOUNTS, CONNECTIONS)
        ]
        for lane in range(CONNECTIONS)
    ]
    loaders = []
    for lane in requests:
        _, protocol = await loop.create_connection(partial(Loader, iter(lane)), "127.0.0.1", port)
        loaders.append(protocol)
    cpu_before = cpu_seconds(pid)
    started = time.perf_counter()
    for loader in loaders:
        loader.start()
    await asyncio.wait_for(asyncio.gather(*(loader.done for loader in loaders)), seconds * 20 + 30)
    elapsed = time.perf_counter() - started
    cpu = cpu_seconds(pid) - cpu_before
    await asyncio.sleep(0.5)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    answered = sum(loader.answered for loader in loaders)
    accepted = sum(loader.accepted for loader in loaders)
    return Result(answered, accepted, elapsed, cpu, count_fills(port), counts[0])


def cpu_seconds(pid: int) -> float:
    """What the server has used of its core: tells its speed from a core that others share."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def count_fills(port: int) -> int:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/control/ledger", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return len({fill["ordId"] for fill in json.load(answer)["fills"]})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def pin(core: int) -> None:
    os.sched_setaffinity(0, {core})


def run(mode: str, seconds: float) -> bool:
    cores = sorted(os.sched_getaffinity(0))
    server_core, load_core = cores[0], cores[-1]
    with tempfile.TemporaryDirectory() as folder:
        accounts = Path(folder) / "accounts.json"
        specs = []
        for number in range(ACCOUNTS):
            key, secret, passphrase = account_key(number)
            specs.append(
                {
                    "apiKey": key,
                    "secretKey": secret,
                    "passphrase": passphrase,
                    "balances": {"USDT": "10000000"},
                    "permissions": ["read", "trade"],
                }
            )
        accounts.write_text(json.dumps(specs))
        port = free_port()
        server = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "venues.paper",
                "--port",
                str(port),
                "--matching",
                mode,
                "--accounts",
                str(accounts),
                "--control-token",
                TOKEN,
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            preexec_fn=lambda: pin(server_core),
        )
        try:
            assert server.stdout is not None
            if not server.stdout.readline():
                raise SystemExit("the paper exchange did not start")
            pin(load_core)
            subscribers = SUBSCRIBERS if mode == "full" else 0
            result = asyncio.run(load(port, server.pid, seconds, TARGETS[mode], subscribers))
        finally:
            os.sched_setaffinity(0, set(cores))
            server.terminate()
            server.wait(10)
    rate = result.answered / result.seconds
    holds = (
        rate >= TARGETS[mode]
        and result.accepted == result.answered
        and result.fills == result.accepted
        and (mode == "ack" or result.pushed > 0)
    )
    print(
        json.dumps(
            {
                "bench": "paper",
                "matching": mode,
                "accounts": ACCOUNTS,
                "placements": result.answered,
                "accepted": result.accepted,
                "filled": result.fills,
                "pushed": result.pushed,
                "seconds": round(result.seconds, 2),
                "placements_per_second": round(rate),
                "placements_per_cpu_second": round(result.answered / result.cpu_seconds),
                "target": TARGETS[mode],
                "holds": holds,
            }
        ),
        flush=True,
    )
    return holds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=6.0, help="of load at the target rate")
    parser.add_argument("--only", choices=tuple(TARGETS))
    options = parser.parse_args()
    modes = [options.only] if options.only else list(TARGETS)
    held = [run(mode, options.seconds) for mode in modes]  # all of them, whatever the first says
    return 0 if all(held) else 1


if __name__ == "__main__":
    raise SystemExit(main())

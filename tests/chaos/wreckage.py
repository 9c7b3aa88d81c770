"""What happens to our processes: failpoints in them, kills, stops, and a broker that forgets."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import redis

from config.supervisor.child import Child, ChildSpec
from config.supervisor.stack import WORKER_STAGE, worker_argv
from config.supervisor.supervisor import Supervisor
from customers.failpoints import MARK

ORDER_WORKERS = 2
OTHER_WORKERS = ("worker-lookups", "worker-general")
"""Workers for orders, of two processes each."""
FAILPOINTS = {
    # Passed once per order or look-up: rare, or nothing would ever get through.
    "orders.leaving": 0.1,
    "cancel.sent": 0.5,
    "stops.leaving": 0.1,
    # One process each, which takes seconds to be back.
    "relay.*": 0.2,
    "signal.*": 0.3,
    "*": 1.0,
}
"""Chance at each pass, as a part of the run's own."""
ARMED = ("worker", "relay", "web")
HARMS = {
    "worker": 6, "pool": 5, "general": 2, "beat": 1, "relay": 1, "web": 2, "streamer": 2,
    "broker": 1, "flush": 3, "stall": 2,
}  # fmt: skip
"""With their weights."""
STALL_SECONDS = (5.0, 16.0)
"""Past the leases of shards and orders, short of SQLite's patience."""


def stack_with_more_workers(specs: Sequence[ChildSpec]) -> list[ChildSpec]:
    """The embedded stack, but orders have several workers of which one may die."""
    changed = []
    for spec in specs:
        if spec.name != "worker-orders":
            changed.append(spec)
            continue
        for number in range(ORDER_WORKERS):
            name = f"worker-orders-{number}"
            changed.append(
                replace(
                    spec, name=name, argv=worker_argv(name, "signals,orders", 2), stage=WORKER_STAGE
                )
            )
    return changed


def armed(spec: ChildSpec, *, probability: float, seed: str) -> ChildSpec:
    if not spec.name.startswith(ARMED):
        return spec
    rules = " ".join(f"{name}={part * probability:.6f}" for name, part in FAILPOINTS.items())
    env = {**spec.env, "FAILPOINTS": rules, "FAILPOINTS_SEED": f"{seed}:{spec.name}"}
    return replace(spec, env=env)


def failpoints_reached(log_dir: Path) -> Counter[str]:
    """By name, from what the processes wrote before they ended."""
    reached: Counter[str] = Counter()
    for path in log_dir.glob("*.log*"):
        with path.open(encoding="utf-8", errors="replace") as log:
            for line in log:
                if MARK in line:
                    reached[line.split(MARK, 1)[1].strip()] += 1
    return reached


class Wrecker:
    """Harms the stack now and then; the supervisor puts it up again."""

    def __init__(self, supervisor: Supervisor, *, redis_url: str, seed: str) -> None:
        self._supervisor = supervisor
        self._redis_url = redis_url
        self._chance = Random(seed)
        self.kills: Counter[str] = Counter()
        self.harms: Counter[str] = Counter()
        self._stalled: set[int] = set()

    async def strike(self) -> None:
        """One random harm."""
        orders = [f"worker-orders-{number}" for number in range(ORDER_WORKERS)]
        kind = self._chance.choices(list(HARMS), list(HARMS.values()))[0]
        match kind:
            case "worker":
                self._kill(self._chance.choice(orders))
            case "pool":
                self._kill_of_pool(self._chance.choice([*orders, *OTHER_WORKERS]))
            case "general":
                self._kill(self._chance.choice(OTHER_WORKERS))
            case "broker":
                self._kill("valkey")
            case "flush":
                await asyncio.to_thread(self._flush)
            case "stall":
                await self._stall(self._chance.choice(orders))
            case _:
                self._kill(kind)

    def _kill(self, name: str) -> None:
        child = self._supervisor.child(name)
        if _runs(child) and child.pid is not None:
            os.kill(child.pid, signal.SIGKILL)
            self.kills[name] += 1

    def _kill_of_pool(self, name: str) -> None:
        processes = self._pool(name)
        if processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._chance.choice(processes), signal.SIGKILL)
                self.kills[f"{name} pool"] += 1

    def _pool(self, name: str) -> list[int]:
        child = self._supervisor.child(name)
        if not _runs(child):
            return []
        try:
            text = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text(encoding="ascii")
        except FileNotFoundError:
            return []
        return [int(pid) for pid in text.split()]

    def _flush(self) -> None:
        client = redis.Redis.from_url(self._redis_url)
        try:
            client.flushall()
            self.harms["broker flushed"] += 1
        except redis.RedisError:
            return  # it was killed a moment ago
        finally:
            client.close()

    async def _stall(self, name: str) -> None:
        """A process that stands still past its leases and then goes on, none the wiser."""
        processes = self._pool(name)
        if not processes:
            return
        pid = self._chance.choice(processes)
        seconds = self._chance.uniform(*STALL_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            self.harms["process stalled"] += 1
            try:
                await asyncio.sleep(seconds)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    async def disarm(self) -> None:
        """All processes start again without failpoints, told by SIGTERM as for a new version."""
        for child in self._supervisor.children:
            if child.spec.name.startswith(ARMED):
                env = {k: v for k, v in child.spec.env.items() if not k.startswith("FAILPOINTS")}
                child.spec = replace(child.spec, env=env)
                if _runs(child) and child.process is not None:
                    child.process.terminate()


def _runs(child: Child) -> bool:
    return child.process is not None and child.process.returncode is None

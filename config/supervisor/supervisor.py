"""Starts the processes of a stack in order, restarts what dies, ends all of it in order."""

import asyncio
import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path

from config.supervisor.child import (
    STABLE_AFTER_SECONDS,
    Child,
    ChildSpec,
    StartError,
    restart_delay,
)


class AlreadyRunningError(Exception):
    """Another supervisor works on the same state directory."""


@contextlib.contextmanager
def only_one(state_dir: Path) -> Iterator[None]:
    """Holds the state directory's lock; the kernel gives it back however we end."""
    path = state_dir / "supervisor.lock"
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            raise AlreadyRunningError(
                f"Tandem is already running on {state_dir} (process {owner})."
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode("ascii"))
        yield
    finally:
        os.close(descriptor)


def print_line(text: str) -> None:
    print(f"{datetime.now():%H:%M:%S}  {text}", flush=True)  # noqa: DTZ005  (the console's own time)


class Supervisor:
    """Watches children until `stop`. Idle, it only waits for the kernel: no polling."""

    def __init__(
        self,
        specs: Sequence[ChildSpec],
        *,
        state_dir: Path,
        say: Callable[[str], None] = print_line,
    ) -> None:
        self.log_dir = state_dir / "log"
        self.run_dir = state_dir / "run"
        for directory in (self.log_dir, self.run_dir):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.children = [
            Child(spec, log_dir=self.log_dir, run_dir=self.run_dir)
            for spec in sorted(specs, key=lambda spec: spec.stage)
        ]
        self.say = say
        self._watchers: list[asyncio.Task[None]] = []
        self._stopping = False

    def child(self, name: str) -> Child:
        return next(child for child in self.children if child.spec.name == name)

    async def start(self) -> None:
        """Start stage by stage; when one fails, end what runs and raise StartError."""
        try:
            for _, stage in groupby(self.children, key=lambda child: child.spec.stage):
                members = list(stage)
                for child in members:
                    await child.start()
                await asyncio.gather(*(child.wait_ready() for child in members))
                for child in members:
                    self._now_up(child)
        except BaseException:
            await self.stop()
            raise

    async def add(self, spec: ChildSpec) -> None:
        """Start one more child beside the running ones; its stage says when it is ended."""
        child = Child(spec, log_dir=self.log_dir, run_dir=self.run_dir)
        self.children = sorted([*self.children, child], key=lambda each: each.spec.stage)
        await child.start()
        await child.wait_ready()
        self._now_up(child)

    async def stop(self) -> None:
        """End the stages in the opposite order: first what brings work, last what keeps it."""
        self._stopping = True
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        self._watchers.clear()
        for _, stage in groupby(reversed(self.children), key=lambda child: child.spec.stage):
            await asyncio.gather(*(child.stop() for child in stage))

    def kill_all(self) -> None:
        """What an impatient second Ctrl-C does."""
        for child in self.children:
            child.signal_group(signal.SIGKILL)

    def _now_up(self, child: Child) -> None:
        took = time.monotonic() - child.started_at
        self.say(f"{child.spec.name:<16} up     pid {child.pid}  ({took:.1f} s)")
        self._watchers.append(asyncio.create_task(self._watch(child)))

    async def _watch(self, child: Child) -> None:
        failures = 0
        while not self._stopping:
            code = await child.wait()
            lived = time.monotonic() - child.started_at
            failures = 1 if lived > STABLE_AFTER_SECONDS else failures + 1
            delay = restart_delay(failures)
            self.say(
                f"{child.spec.name:<16} ended  {_describe(code)} after {lived:.0f} s, "
                f"again in {delay:.1f} s (see {child.log_path})"
            )
            await asyncio.sleep(delay)
            await child.start()
            try:
                await child.wait_ready()
            except StartError as error:
                # It keeps being watched: what it needs may come back later.
                self.say(str(error))
            else:
                self.say(f"{child.spec.name:<16} up     pid {child.pid}  (start {child.starts})")


def _describe(code: int) -> str:
    return f"by {signal.Signals(-code).name}" if code < 0 else f"with code {code}"


async def nothing_more(supervisor: Supervisor) -> None:
    """The default for what follows a start."""


async def supervise(
    specs: Sequence[ChildSpec],
    *,
    state_dir: Path,
    after_start: Callable[[Supervisor], Awaitable[None]] = nothing_more,
    say: Callable[[str], None] = print_line,
) -> None:
    """Start, run until SIGINT or SIGTERM, end in order. Returns normally: the exit code is 0."""
    supervisor = Supervisor(specs, state_dir=state_dir, say=say)
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)

    async def bring_up() -> None:
        await supervisor.start()
        await after_start(supervisor)

    starting = asyncio.create_task(bring_up())
    end = asyncio.create_task(asked.wait())
    try:
        await asyncio.wait({starting, end}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
        else:
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
        await end
    finally:
        end.cancel()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, supervisor.kill_all)
        say("stopping (again to kill)")
        await supervisor.stop()
        say("stopped")

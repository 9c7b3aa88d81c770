"""One supervised process: started in its own session, its output in its log file."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from config.supervisor.launch import launched

LOG_BYTES_KEPT = 20_000_000
FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0
STABLE_AFTER_SECONDS = 30.0


class StartError(Exception):
    """A process did not become ready; the message says which and what it logged last."""


@dataclass(frozen=True, slots=True)
class ChildSpec:
    name: str
    argv: tuple[str, ...]
    stage: int
    """Stages start one after the other and end in the opposite order."""
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] | None = None
    """Cheap, never raises; None means that running is enough."""
    ready_seconds: float = 60.0
    stop_seconds: float = 10.0
    """How long it may take to end by itself after SIGTERM."""


def restart_delay(failures: int) -> float:
    """Seconds to wait before start number `failures` + 1; doubles up to half a minute."""
    return float(min(FIRST_DELAY_SECONDS * 2 ** max(failures - 1, 0), LONGEST_DELAY_SECONDS))


class Child:
    def __init__(self, spec: ChildSpec, *, log_dir: Path, run_dir: Path) -> None:
        self.spec = spec
        self.log_path = log_dir / f"{spec.name}.log"
        self.pid_path = run_dir / f"{spec.name}.pid"
        self.starts = 0
        self.started_at = 0.0
        self.process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    async def start(self) -> None:
        self._rotate_log()
        with self.log_path.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *launched(self.spec.argv),
                cwd=settings.BASE_DIR,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self.spec.env},
                # A session of its own: Ctrl-C reaches the supervisor only, which ends all in
                # order, and what the process forks can be swept with it.
                start_new_session=True,
            )
        self.starts += 1
        self.started_at = time.monotonic()
        self.pid_path.write_text(f"{self.process.pid}\n", encoding="ascii")

    async def wait_ready(self) -> None:
        if self.spec.ready is None or self.process is None:
            return
        deadline = time.monotonic() + self.spec.ready_seconds
        while not await asyncio.to_thread(self.spec.ready):
            if self.process.returncode is not None:
                raise StartError(
                    f"{self.spec.name} ended with code {self.process.returncode} "
                    f"while starting.\n{self.log_tail()}"
                )
            if time.monotonic() > deadline:
                raise StartError(
                    f"{self.spec.name} was not ready within {self.spec.ready_seconds:.0f} s.\n"
                    f"{self.log_tail()}"
                )
            await asyncio.sleep(0.05)

    async def wait(self) -> int:
        if self.process is None:
            raise RuntimeError(f"{self.spec.name} was never started")
        code = await self.process.wait()
        self.pid_path.unlink(missing_ok=True)
        # A killed parent leaves its own children behind (a Celery pool): they go with it.
        self.signal_group(signal.SIGKILL)
        return code

    async def stop(self) -> None:
        if self.process is None or self.process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), self.spec.stop_seconds)
        except TimeoutError:
            self.signal_group(signal.SIGKILL)
            await self.process.wait()
        self.signal_group(signal.SIGKILL)
        self.pid_path.unlink(missing_ok=True)

    def signal_group(self, number: signal.Signals) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)

    def log_tail(self, lines: int = 15) -> str:
        try:
            text = self.log_path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(f"  | {line}" for line in text.splitlines()[-lines:])

    def _rotate_log(self) -> None:
        if self.log_path.exists() and self.log_path.stat().st_size > LOG_BYTES_KEPT:
            self.log_path.replace(self.log_path.with_suffix(".log.1"))

"""Real processes for tests: started bound to the test run's life, ended with the test."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.db import connection

from config.supervisor.launch import launched
from config.supervisor.stack import ALL_QUEUES, worker_argv

START_SECONDS = 30.0


def wait_for(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Poll until the condition holds; fail the test by name when it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.02)


def database_url() -> str:
    """The URL under which another process reaches this test's database."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    parts = urlsplit(os.environ["DATABASE_URL"])
    return urlunsplit(parts._replace(path=f"/{name}"))


@dataclass(slots=True)
class LiveProcess:
    name: str
    process: subprocess.Popen[bytes]
    log_path: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """SIGKILL to it and to what it forked, as when the machine loses it."""
        self._signal_group(9)
        self.process.wait(10)

    def stop(self, *, seconds: float = 35) -> int:
        """SIGTERM and its exit code; killed when it does not end in time."""
        self.process.terminate()
        try:
            return self.process.wait(seconds)
        finally:
            self._signal_group(9)
            self.process.wait(10)

    def _signal_group(self, number: int) -> None:
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return


@dataclass(slots=True)
class LiveProcesses:
    """Starts processes for one test; `stop_all` is the fixture's job."""

    directory: Path
    env: dict[str, str] = field(default_factory=dict)
    running: list[LiveProcess] = field(default_factory=list)

    def start(
        self,
        name: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        ready: Callable[[LiveProcess], bool] | None = None,
        seconds: float = START_SECONDS,
    ) -> LiveProcess:
        log_path = self.directory / f"{name}-{len(self.running)}.log"
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                launched(argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=settings.BASE_DIR,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self.env, **(env or {})},
                start_new_session=True,
            )
        live = LiveProcess(name, process, log_path)
        self.running.append(live)
        deadline = time.monotonic() + seconds
        while ready is not None and not ready(live):
            if process.poll() is not None:
                raise AssertionError(f"{name} ended with {process.returncode}:\n{live.log()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"{name} was not ready in {seconds:.0f} s:\n{live.log()}")
            time.sleep(0.02)
        return live

    def manage(
        self,
        *arguments: str,
        ready: Callable[[LiveProcess], bool] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> LiveProcess:
        """`manage.py <arguments>` on this test's database."""
        argv = (sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments)
        return self.start(
            arguments[0], argv, env={"DATABASE_URL": database_url(), **(env or {})}, ready=ready
        )

    def worker(
        self,
        queues: str = ALL_QUEUES,
        *,
        processes: int = 1,
        env: Mapping[str, str] | None = None,
    ) -> LiveProcess:
        """A real Celery worker on this test's database and broker, ready to take tasks."""
        name = f"worker{len(self.running)}"
        return self.start(
            name,
            worker_argv(name, queues, processes),
            env={"DATABASE_URL": database_url(), **(env or {})},
            ready=lambda live: " ready." in live.log(),
        )

    def stop_all(self) -> None:
        for live in reversed(self.running):
            if live.process.poll() is None:
                live.kill()

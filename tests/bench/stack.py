"""The real stack on this machine for a benchmark: N followers of one webhook, exchange included.

`prepare` sets the environment and Django up; what imports Django's world comes after it.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ORDER_WORKERS = 2


def prepare() -> tuple[Path, int]:
    """A state directory and the paper exchange's port; the database is DATABASE_URL's or SQLite."""
    from config.supervisor.ports import free_port

    state = Path(tempfile.mkdtemp(prefix="tandem-bench-"))
    port = free_port()
    os.environ["VAR_DIR"] = str(state)
    os.environ["PAPER_EXCHANGE_URL"] = f"http://127.0.0.1:{port}"
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.local"
    os.environ["FANOUT_WORKERS"] = str(ORDER_WORKERS)
    if not os.environ.get("DATABASE_URL"):
        os.environ.pop("DATABASE_URL", None)
    os.environ.pop("REDIS_URL", None)
    import django

    django.setup()
    return state, port


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class BenchStack:
    def __init__(
        self,
        *,
        followers: int,
        state: Path,
        paper_port: int,
        matching: str = "ack",
        journal: Path | None = None,
    ) -> None:
        from config.demo.paper_control import PaperControl
        from config.supervisor.ports import free_port
        from tests.bench.population import invent_accounts, write_accounts_file

        self.followers = followers
        self.state = state
        self.matching = matching
        self.journal = journal
        self.paper_port = paper_port
        self.paper_url = f"http://127.0.0.1:{paper_port}"
        self.token = "t" + secrets.token_hex(8)
        self.control = PaperControl(self.paper_url, self.token)
        self.web_port = free_port()
        self.accounts = invent_accounts(followers)
        self.accounts_file = state / "accounts.json"
        write_accounts_file(self.accounts, self.accounts_file)

    def populate(self) -> None:
        """Migrate the empty database and write the followers."""
        from django.core.management import call_command
        from django.db import connection

        from tests.bench.population import populate

        call_command("migrate", verbosity=0, interactive=False)
        try:
            self.population = populate(self.accounts)
        finally:
            connection.close()

    @asynccontextmanager
    async def running(self, outages: Sequence[Outage] = ()) -> AsyncIterator[Any]:
        """All processes, until the block ends; yields their supervisor.

        The parts that outages take away are not the supervisor's: it would bring them back.
        """
        from config.supervisor.supervisor import Supervisor

        apart = {outage.name for outage in outages}
        kept = [spec for spec in self.specs() if spec.name not in apart]
        supervisor = Supervisor(kept, state_dir=self.state, say=say)
        try:
            for outage in outages:
                await outage.end()
            await supervisor.start()
            yield supervisor
        finally:
            await supervisor.stop()
            for outage in outages:
                await outage.begin()

    def specs(self) -> list[Any]:
        from config.supervisor.stack import PaperOptions, StackOptions, stack

        paper = PaperOptions(
            self.paper_port, self.accounts_file, self.token, feed="static", state_file=self.journal
        )
        specs = stack(StackOptions(port=self.web_port, paper=paper))
        return [
            replace(spec, argv=(*spec.argv, "--matching", self.matching))
            if spec.name == "paper-exchange"
            else spec
            for spec in specs
        ]

    def send_signal(self, action: str = "open") -> str:
        """One signed webhook for all followers, an entry or `close`; its id after the 202."""
        from config.demo.webhook import post_signal

        signal = {
            "action": action,
            "symbol": "BTC/USDT:USDT",
            "emitted_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        if action == "open":
            signal |= {"side": "long", "size": "0.1", "size_basis": "base", "leverage": "5"}
        answer = post_signal(
            url=f"http://127.0.0.1:{self.web_port}/hooks/{self.population.source.pk}/",
            secret=self.population.secret,
            message_id=f"bench-{secrets.token_hex(8)}",
            signal=signal,
        )
        if answer.status != 202:
            raise SystemExit(f"the webhook answered {answer.status}: {answer.body!r}")
        return str(json.loads(answer.body)["id"])


class Outage:
    """One part of the stack, which a benchmark kills and brings back."""

    def __init__(self, stack: BenchStack, name: str) -> None:
        from config.supervisor.child import Child

        spec = next(spec for spec in stack.specs() if spec.name == name)
        log_dir, run_dir = stack.state / "log", stack.state / "run"
        for directory in (log_dir, run_dir):
            directory.mkdir(parents=True, exist_ok=True)
        self.name = name
        self._child = Child(spec, log_dir=log_dir, run_dir=run_dir)

    async def begin(self) -> None:
        """Gone as when the machine loses it: nothing is said to those that are connected."""
        self._child.signal_group(signal.SIGKILL)
        await self._child.wait()

    async def end(self) -> None:
        await self._child.start()
        await self._child.wait_ready()

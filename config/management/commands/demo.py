"""The demo: everything, with invented firms, followers, and leaders that trade by themselves."""

import asyncio
import logging
import os
import shutil
import sys
from argparse import ArgumentTypeError
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.demo.cast import AURORA, CLIENT_LOGINS, HARBOUR
from config.demo.environment import choose_paper_address, control_token, restart_with
from config.demo.run import DemoStack, accounts_read_in_thread, prepare, seed_in_thread
from config.demo.seed import SUPERUSER, DemoFiles
from config.supervisor.child import ChildSpec, StartError
from config.supervisor.ports import LOOPBACK, is_free
from config.supervisor.stack import DEMO_STAGE
from config.supervisor.supervisor import AlreadyRunningError, Supervisor, only_one, supervise

LARGEST_PORT = 65_535


def port_number(text: str) -> int:
    try:
        port = int(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a port number") from None
    if not 0 < port <= LARGEST_PORT:
        raise ArgumentTypeError(f"a port is 1 to {LARGEST_PORT}, not {port}")
    return port


class Command(BaseCommand):
    help = "Run everything with invented firms and followers on the paper exchange."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=port_number, default=8000)
        parser.add_argument("--reset", action="store_true", help="forget the demo's state and end")

    def handle(self, *args: Any, **options: Any) -> None:
        port = options["port"]
        try:
            if options["reset"]:
                with only_one(settings.VAR_DIR):
                    self._reset()
                return
            if not is_free(port):
                raise CommandError(f"Port {port} is taken; choose another: make demo PORT=8080")
            restart_with({"PAPER_EXCHANGE_URL": choose_paper_address().url})
            with only_one(settings.VAR_DIR):
                self._run(port)
        except (AlreadyRunningError, StartError) as error:
            raise CommandError(str(error)) from error

    def _run(self, port: int) -> None:
        logging.getLogger().setLevel(logging.WARNING)  # each seeded row would be a line here
        self.stdout.write("preparing the database")
        demo = prepare(port=port, token=control_token(), keep_paper_state=True)

        async def populate(supervisor: Supervisor) -> None:
            supervisor.say("seeding firms, clients and followers (nothing that exists is changed)")
            await seed_in_thread(demo.files)
            await accounts_read_in_thread()
            await supervisor.add(leader_spec(demo, port))
            self._print_logins(demo.files, port)

        asyncio.run(supervise(demo.specs, state_dir=settings.VAR_DIR, after_start=populate))

    def _print_logins(self, files: DemoFiles, port: int) -> None:
        url = f"http://{LOOPBACK}:{port}"
        client, _, worried = CLIENT_LOGINS
        self.stdout.write(
            f"""
  Tandem is running: {self.style.SUCCESS(url + "/")}

  operator's console   {url}/admin/      {AURORA.operator}
  another firm's       {url}/admin/      {HARBOUR.operator}
  administrator        {url}/admin/      {SUPERUSER}
  client's portal      {url}/            {client}
  one with a bad key   {url}/            {worried}
  password of all      {self.style.SUCCESS(files.password)}
  partner API          {url}/api/docs/   token in {files.api_token}
  logs                 {settings.VAR_DIR / "log"}

  Leaders post signed signals every few seconds. Ctrl-C ends everything.
"""
        )
        self.stdout.flush()

    def _reset(self) -> None:
        """Keys that other data may depend on are kept, and a DATABASE_URL's data is not ours."""
        for name in ("demo", "valkey", "log", "run", "mail", "smoke"):
            shutil.rmtree(settings.VAR_DIR / name, ignore_errors=True)
        for path in settings.VAR_DIR.glob("tandem.sqlite3*"):
            path.unlink()
        self.stdout.write(f"Forgot the demo under {settings.VAR_DIR}.")
        if os.environ.get("DATABASE_URL"):
            self.stdout.write("The database of DATABASE_URL was not touched.")


def leader_spec(demo: DemoStack, port: int) -> ChildSpec:
    return ChildSpec(
        name="demo-leader",
        argv=(
            *(sys.executable, "-m", "config.demo.leader"),
            *("--hooks", f"http://{LOOPBACK}:{port}/hooks/"),
            *("--venue", demo.control.url),
            *("--sources", str(demo.files.leader)),
        ),
        stage=DEMO_STAGE,
    )

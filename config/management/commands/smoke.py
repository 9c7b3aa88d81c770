"""The whole flow once: one signal, all followers, the books against the exchange's ledger."""

import asyncio
import logging
import shutil
import sys
import tempfile
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.demo.environment import PaperAddress, control_token, restart_with
from config.demo.run import prepare, seed_in_thread
from config.demo.smoke import SmokeError, SmokeResult, smoke
from config.supervisor.child import StartError
from config.supervisor.ports import LOOPBACK, free_port
from config.supervisor.supervisor import Supervisor


class Command(BaseCommand):
    help = (
        "Start everything on free ports with a state directory of its own, send one signal, wait "
        "for all followers, compare every row with the exchange's ledger, end everything. "
        "Exit code 0 only when the books agree."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--kill-worker",
            action="store_true",
            help="kill -9 the order worker while orders are on their way",
        )
        parser.add_argument(
            "--database-url", help="an empty database instead of SQLite; it is filled"
        )
        parser.add_argument("--keep", action="store_true", help="keep the state directory")
        parser.add_argument("--redis-url", help="a server instead of a private Valkey")

    def handle(self, *args: Any, **options: Any) -> None:
        # Never on the DATABASE_URL of the environment: that may be somebody's real one.
        restart_with(
            {
                "VAR_DIR": tempfile.mkdtemp(prefix="tandem-smoke-"),
                "PAPER_EXCHANGE_URL": PaperAddress(free_port()).url,
                "DATABASE_URL": options["database_url"],
                "DATABASE_URL_FILE": None,
                "REDIS_URL": options["redis_url"],
                "REDIS_URL_FILE": None,
            }
        )
        logging.getLogger().setLevel(logging.WARNING)  # the console is for the result
        try:
            result = asyncio.run(self._run(kill_worker=options["kill_worker"]))
        except (SmokeError, StartError) as error:
            raise CommandError(f"{error}\nlogs: {settings.VAR_DIR / 'log'}") from error
        self.stdout.write(result.line)
        for problem in result.problems:
            self.stderr.write(problem)
        if result.problems or result.books.duplicates:
            self.stderr.write(f"failed; its state is in {settings.VAR_DIR}")
            sys.exit(1)
        if options["keep"]:
            self.stderr.write(f"kept: {settings.VAR_DIR}")
        else:
            shutil.rmtree(settings.VAR_DIR)

    async def _run(self, *, kill_worker: bool) -> SmokeResult:
        port = free_port()
        demo = await asyncio.to_thread(
            prepare, port=port, token=control_token(), keep_paper_state=False
        )
        supervisor = Supervisor(demo.specs, state_dir=settings.VAR_DIR, say=self._say)
        await supervisor.start()
        try:
            await seed_in_thread(demo.files)
            return await smoke(
                files=demo.files,
                control=demo.control,
                url=f"http://{LOOPBACK}:{port}",
                supervisor=supervisor,
                kill_worker=kill_worker,
            )
        finally:
            await supervisor.stop()

    def _say(self, text: str) -> None:
        """Standard output carries the result line and nothing else."""
        print(text, file=sys.stderr, flush=True)

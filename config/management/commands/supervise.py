"""Run all of Tandem's processes from one command: the embedded default."""

import asyncio
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.supervisor.child import StartError
from config.supervisor.ports import LOOPBACK, is_free
from config.supervisor.stack import StackOptions, stack
from config.supervisor.supervisor import AlreadyRunningError, only_one, supervise


class Command(BaseCommand):
    help = (
        "Migrate, then run web, workers, beat and relay, and a private Valkey when REDIS_URL is "
        "not given, until Ctrl-C or SIGTERM. What dies is started again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--host", default=LOOPBACK, help="address that the web listens on")

    def handle(self, *args: Any, **options: Any) -> None:
        port, host = options["port"], options["host"]
        if not is_free(port, host):
            raise CommandError(f"Port {port} is taken; choose another with --port.")
        try:
            with only_one(settings.VAR_DIR):
                call_command("migrate", verbosity=0, interactive=False)
                specs = stack(StackOptions(port=port, host=host))
                asyncio.run(supervise(specs, state_dir=settings.VAR_DIR))
        except (AlreadyRunningError, StartError) as error:
            raise CommandError(str(error)) from error

"""Run the paper exchange: OKX's v5 protocol over REST and WebSocket, on this machine only."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from venues.paper.server import cli


class Command(BaseCommand):
    help = "Run the paper exchange (OKX v5 over REST and WebSocket). Touches no database."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        cli.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        sys.exit(cli.run(Namespace(**options)))

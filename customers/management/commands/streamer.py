"""`manage.py streamer`: see customers.services.streaming. As many as wanted share the accounts."""

import asyncio
import signal
from typing import Any

import uvloop
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from customers.services.keyring import encryption_key_verify
from customers.services.streaming.streamer import Streamer
from venues.runtime import close_gateways


class Command(BaseCommand):
    help = "Keeps private streams of accounts and hands on what they tell, until stopped."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            encryption_key_verify()
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        uvloop.run(self._run())
        close_gateways()

    async def _run(self) -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        streamer = Streamer(stop=stop)
        self.stdout.write(f"streamer {streamer.holder} started")
        self.stdout.flush()
        await streamer.run()

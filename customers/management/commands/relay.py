"""`manage.py relay`: see customers.services.relay. More than one may run; one works."""

import signal
import threading
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from customers.services.keyring import encryption_key_verify
from customers.services.relay import Relay


class Command(BaseCommand):
    help = "Numbers committed events, pushes them to browsers and hands them on, until stopped."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            encryption_key_verify()
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        relay = Relay(stop=stop)
        self.stdout.write(f"relay {relay.holder} started")
        relay.run()

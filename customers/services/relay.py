"""The outbox relay: numbers committed events, pushes them, hands them on.

One relay works at a time, by lease; more of them wait and take over. It needs neither the
database nor the channel layer to be up all the time: what is not numbered stays a row without a
number, what is not pushed is announced later.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import timedelta

from django.db import DatabaseError, InterfaceError, close_old_connections, connection
from django.db.models import Max
from django.utils import timezone

from customers.failpoints import failpoint
from customers.models import Event
from customers.services.event_numbering import BATCH_LIMIT, events_number
from customers.services.event_push import EventPusher
from customers.services.leases import (
    LeaseLostError,
    lease_acquire,
    lease_holder_name,
    lease_release,
    lease_renew,
)
from customers.tenancy import system_scope

logger = logging.getLogger(__name__)

LEASE_NAME = "relay"
LEASE_LIFETIME = timedelta(seconds=10)
RENEW_SECONDS = 3.0
WAIT_SECONDS = 1.0
BUSY_SECONDS = 0.025
IDLE_SECONDS = 0.05  # a push is due 100 ms after the commit
BUSY_FOR_SECONDS = 2.0
RETRY_SECONDS = 0.5
ANNOUNCED_ON_START = timedelta(seconds=60)


class Relay:
    """Runs until `stop` is set. One per process."""

    def __init__(self, *, stop: threading.Event) -> None:
        self.holder = lease_holder_name()
        self._stop = stop
        self._pusher = EventPusher()
        self._holds_lease = False
        self._renew_at = 0.0
        self._busy_until = 0.0
        self._database_is_down = False

    def run(self) -> None:
        with system_scope("relay: events of all tenants are numbered and pushed"):
            while not self._stop.is_set():
                self._stop.wait(self._turn())
            self._release()
        self._pusher.close()

    def _turn(self) -> float:
        """Do what is due; the seconds until the next turn. Survives a database that is away."""
        try:
            pause = self._relay() if self._holds_lease else self._wait_for_lease()
        except LeaseLostError:
            logger.warning("relay %s: another one took over", self.holder)
            self._holds_lease = False
            return WAIT_SECONDS
        except (DatabaseError, InterfaceError) as error:
            if not self._database_is_down:
                logger.warning("relay %s: the database failed: %s", self.holder, error)
            self._database_is_down = True
            connection.close()
            return RETRY_SECONDS
        if self._database_is_down:
            logger.warning("relay %s: the database is back", self.holder)
            self._database_is_down = False
        return pause

    def _wait_for_lease(self) -> float:
        close_old_connections()
        if not lease_acquire(name=LEASE_NAME, holder=self.holder, lifetime=LEASE_LIFETIME):
            return WAIT_SECONDS
        logger.info("relay %s: holds the lease", self.holder)
        self._holds_lease = True
        self._renew_at = time.monotonic() + RENEW_SECONDS
        self._pusher.announce(_recent_sequences())
        return 0.0

    def _relay(self) -> float:
        if time.monotonic() >= self._renew_at:
            # Also the place to drop a connection that is too old: asking the database whether it
            # is still there in every turn would double the cost of being idle.
            close_old_connections()
            lease_renew(name=LEASE_NAME, holder=self.holder, lifetime=LEASE_LIFETIME)
            self._renew_at = time.monotonic() + RENEW_SECONDS
        events = events_number(
            lease_name=LEASE_NAME, lease_holder=self.holder, lease_lifetime=LEASE_LIFETIME
        )
        if events:
            failpoint("relay.numbered")
            self._pusher.push(events)
            failpoint("relay.pushed")
            self._busy_until = time.monotonic() + BUSY_FOR_SECONDS
        self._pusher.settle()
        if len(events) >= BATCH_LIMIT:
            return 0.0
        return BUSY_SECONDS if time.monotonic() < self._busy_until else IDLE_SECONDS

    def _release(self) -> None:
        if not self._holds_lease:
            return
        try:
            lease_release(name=LEASE_NAME, holder=self.holder)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("relay %s: the lease will have to expire: %s", self.holder, error)


def _recent_sequences() -> dict[str, int]:
    """What a predecessor that crashed between commit and push may not have pushed."""
    since = timezone.now() - ANNOUNCED_ON_START
    return dict(
        Event.objects.filter(created_at__gte=since, sequence__isnull=False)
        .values_list("audience")
        .annotate(Max("sequence"))
    )

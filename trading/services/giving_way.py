"""Work that can wait gives way to a fan-out: both would take turns on the same cores and rows, and
the last followers would pay for it with slippage."""

from __future__ import annotations

import time

from django.db.models import Q
from django.utils import timezone

from customers.tenancy import system_scope
from trading.models import SignalShard

LOOK_SECONDS = 0.05


class Courtesy:
    """How long one piece of work stands back, all in all: with many small signals there is always
    one, and what was asked of a venue is not to grow old."""

    def __init__(self, seconds: float = 2.0) -> None:
        self.seconds_left = seconds

    def give_way(self) -> None:
        """Wait until no signal is being planned. Not inside a transaction."""
        while self.seconds_left > 0 and fanout_is_running():
            began = time.monotonic()
            time.sleep(LOOK_SECONDS)
            self.seconds_left -= time.monotonic() - began


def fanout_is_running() -> bool:
    """What a dead worker left counts until its lease is over."""
    status = SignalShard.Status
    with system_scope("is a signal being planned"):
        shards = SignalShard.objects.filter(status__in=[status.PENDING, status.CLAIMED])
        return shards.filter(Q(claimed_until=None) | Q(claimed_until__gt=timezone.now())).exists()

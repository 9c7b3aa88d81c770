"""How often this process may connect to a venue: its part of the limit of the address."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from django.conf import settings

from venues.domain.okx_limits import retry_after_seconds
from venues.domain.rate_windows import Budget, RateWindow, share_of
from venues.streams.line import TOO_MANY_REQUESTS, LineEnd

WINDOW_SECONDS = 1.0
SHORTEST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.5


class ConnectPace:
    """Exact however long handshakes travel: a turn counts until a window after its answer."""

    def __init__(self) -> None:
        self._window = RateWindow(_share(1))

    def share_with(self, processes: int) -> None:
        """So many streamers connect from this address."""
        self._window.budget = _share(max(processes, 1))

    def take(self) -> bool:
        """A turn now, or none."""
        return self._window.take(_now(), True)

    def pause(self) -> float:
        """Seconds until there may be a turn, looked at again before long."""
        wait = self._window.free_at(_now(), True) - _now()
        return min(max(wait, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)

    async def turn(self) -> None:
        while not self.take():  # noqa: ASYNC110  (time passes, nobody could set an event)
            await asyncio.sleep(self.pause())

    def unused(self) -> None:
        self._window.give_back()

    def answered(self, end: LineEnd | None) -> None:
        """The handshake is over; `end` when there was none."""
        now = _now()
        if end is not None and end.http_status == TOO_MANY_REQUESTS:
            told = retry_after_seconds(end.retry_after, datetime.now(UTC))
            self._window.refuse(now, told)
        else:
            self._window.answer(now)


def _share(processes: int) -> Budget:
    connects = int(settings.STREAM_CONNECTS_A_SECOND)
    return share_of(connects, WINDOW_SECONDS, percent=100, processes=processes)


def _now() -> float:
    return asyncio.get_running_loop().time()

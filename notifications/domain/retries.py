"""When a delivery is tried again."""

from __future__ import annotations

from datetime import timedelta

_DELAYS = tuple(timedelta(seconds=s) for s in (10, 30, 120, 600, 1800, 7200))
ATTEMPTS = len(_DELAYS) + 1


def retry_delay(attempts: int) -> timedelta | None:
    """The wait after this many failed attempts (1 = the first one failed); None: give up."""
    return _DELAYS[attempts - 1] if attempts <= len(_DELAYS) else None

"""Whose turn it is to write, where only one can write at a time.

A waiting SQLite connection asks again after pauses that grow to 100 ms, and whoever happens to ask
next has it: a sender of signals stood behind busy workers for half a second. Who is ahead of the
others asks all the time (customers/sqlite3), so it is the next; whoever has waited for a second
does the same. Servers have row locks, and no use for this.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_here = threading.local()


@contextmanager
def ahead_of_others() -> Iterator[None]:
    """For short transactions that somebody waits for: signals coming in, orders going out, kill
    switches."""
    before = is_ahead()
    _here.is_ahead = True
    try:
        yield
    finally:
        _here.is_ahead = before


def is_ahead() -> bool:
    return getattr(_here, "is_ahead", False)

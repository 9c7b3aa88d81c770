"""Running a transaction again when the database chose it as the victim of a deadlock."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import OperationalError, connection

# InnoDB: lock wait timeout and deadlock. The loser's work is undone, so it simply runs again.
_CODES = {1205, 1213}
_ATTEMPTS = 6
_PAUSE_SECONDS = 0.01
"""Doubled with each attempt and shaken, so that the same ones do not meet again."""

_Result = TypeVar("_Result")


def retry_on_deadlock(work: Callable[[], _Result]) -> _Result:
    """`work` opens its own transaction. Inside another one only the outermost may run again."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return work()
        except OperationalError as error:
            is_deadlock = bool(error.args) and error.args[0] in _CODES
            if not is_deadlock or connection.in_atomic_block or attempt == _ATTEMPTS:
                raise
            time.sleep(_PAUSE_SECONDS * 2**attempt * random.random())  # noqa: S311  (no secret)
    raise AssertionError("unreachable")

"""Identifiers: 26-character lower-case ULIDs, made by the application before the insert.

Time-ordered (milliseconds, then a counter within the process), so that primary keys append;
letters and digits only, so that an order's id is at once its client order id on every venue
(OKX allows 1 to 32 letters and digits).

A fan-out makes half a dozen ids per follower, so a process takes its randomness once and counts
up from there: making an id costs half a microsecond instead of ten.
"""

from __future__ import annotations

import os
import threading
import time
from datetime import datetime

ID_LENGTH = 26

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_COUNTER_BITS = 20
_COUNTER_END = 1 << _COUNTER_BITS


class _Sequence:
    """The ids of one process: 48 bits of time, 60 of its own randomness, 20 that count."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._milliseconds = -1
        self._time_text = ""
        # The highest bit stays free for the carry.
        self._random = int.from_bytes(os.urandom(10), "big") >> (_COUNTER_BITS + 1)
        self._random_text = _text(self._random, 12)
        self._counter = 0

    def next(self) -> str:
        with self._lock:
            now = time.time_ns() // 1_000_000
            if now > self._milliseconds:  # a clock that is set back keeps the last time
                self._milliseconds = now
                self._time_text = _text(now, 10)
            self._counter += 1
            if self._counter == _COUNTER_END:
                self._counter = 0
                self._random += 1
                self._random_text = _text(self._random, 12)
            counter = self._counter
            return (
                f"{self._time_text}{self._random_text}"
                f"{_PAIRS[counter >> 10]}{_PAIRS[counter & 1023]}"
            )


def first_id_of(moment: datetime) -> str:
    """Not larger than any id that is made from then on."""
    return _text(int(moment.timestamp() * 1000), 10) + "0" * (ID_LENGTH - 10)


def _text(number: int, length: int) -> str:
    """Crockford's base 32, most significant first; `length` is even."""
    pairs = []
    for _ in range(length // 2):
        pairs.append(_PAIRS[number & 1023])
        number >>= 10
    return "".join(reversed(pairs))


_sequence = _Sequence()


def _start_anew() -> None:
    global _sequence
    _sequence = _Sequence()


# A forked child would go on with its parent's ids.
os.register_at_fork(after_in_child=_start_anew)


def new_id() -> str:
    """A fresh id. Ids made by one process are strictly increasing."""
    return _sequence.next()

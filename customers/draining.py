"""Whether this worker is about to end: then it finishes what has left and begins nothing new.

The pool's processes get no signal of their own when the worker is told to stop, so the flag is a
byte of memory that they share with it from the fork on.
"""

from __future__ import annotations

import mmap

_flag = mmap.mmap(-1, 1)


def drain_begin() -> None:
    """For this process and all that were forked from it since this module was imported."""
    _flag[0] = 1


def drain_end() -> None:
    """For tests: a process that drains ends with it."""
    _flag[0] = 0


def is_draining() -> bool:
    return _flag[0] != 0

"""Django's SQLite backend, except for how its connections wait for their turn to write.

Who is ahead of others does not sleep between two tries, and who has slept for a second does not
either: those who are ahead would otherwise have every turn for as long as there are some.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.db.backends.sqlite3 import base

from customers.turns import is_ahead

PAUSE_SECONDS = 0.0005
SLEEPS_MS = 1000
"""So long SQLite's own way of waiting is left to those who are not ahead."""
_WRITES = ("BEGIN", "INSERT", "UPDATE", "DELETE", "REPLACE")

_Result = TypeVar("_Result")


class _Cursor(base.SQLiteCursorWrapper):
    def execute(self, query: str, params: Any = None) -> Any:
        run = super().execute
        if self.connection.in_transaction or not query.startswith(_WRITES):
            return run(query, params)
        return _in_turn(self.connection, lambda: run(query, params))


def _in_turn(connection: sqlite3.Connection, write: Callable[[], _Result]) -> _Result:
    """`write` begins a transaction, or is one. Raises SQLite's error when patience is over."""
    patience_ms = connection.execute("PRAGMA busy_timeout").fetchone()[0]
    give_up_at = time.monotonic() + patience_ms / 1000
    sleeps_ms = 0 if is_ahead() else min(patience_ms, SLEEPS_MS)
    connection.execute(f"PRAGMA busy_timeout = {sleeps_ms}")
    try:
        while True:
            is_last_try = time.monotonic() > give_up_at
            try:
                return write()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or is_last_try:
                    raise
            connection.execute("PRAGMA busy_timeout = 0")
            time.sleep(PAUSE_SECONDS)
    finally:
        connection.execute(f"PRAGMA busy_timeout = {patience_ms}")


class DatabaseWrapper(base.DatabaseWrapper):
    def create_cursor(self, name: str | None = None) -> Any:
        return self.connection.cursor(factory=_Cursor)

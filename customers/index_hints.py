"""Telling MariaDB and MySQL by which index to find rows that are to be locked.

They lock what they read on their way, and wait for rows that another one has locked, whether or not
these match in the end. When a statement names a part of a small table, their optimizer would rather
walk all of it in the order asked for, or an index on a state that all these rows share: two workers
with followers of their own would take turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, models


@contextmanager
def rows_found_by(model: type[models.Model], index: str) -> Iterator[None]:
    """SELECTs of this thread that begin with the model's table find its rows by this index."""
    if connection.vendor != "mysql":
        yield
        return
    table = f"FROM {connection.ops.quote_name(model._meta.db_table)}"
    hinted = f"{table} FORCE INDEX ({connection.ops.quote_name(index)})"

    def execute(run: Callable, sql: str, params: Any, many: bool, context: dict) -> Any:
        return run(sql.replace(table, hinted, 1), params, many, context)

    connection.ensure_connection()  # whose own wrapper comes before
    with connection.execute_wrapper(execute):
        yield


def by_primary_key() -> str:
    """To follow the table's name in an UPDATE."""
    return " FORCE INDEX (PRIMARY)" if connection.vendor == "mysql" else ""

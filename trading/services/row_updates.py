"""Writing many rows with different values in one statement.

Django's `bulk_update` builds expression trees and does 3,000 rows/s; this does over 50,000
(docs/performance.md). Callers hold the rows' locks or pass a guard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection, models

_ROWS_PER_STATEMENT = 250


def rows_update(
    model: type[models.Model], changes: Mapping[str, Mapping[str, Any]], fields: Sequence[str]
) -> int:
    """Write `changes[pk][field]` for the given fields of every row; returns rows matched.

    Every change carries all the fields. Values are converted as `save()` would. Runs in chunks,
    so call it inside a transaction.
    """
    if not changes:
        return 0
    table = connection.ops.quote_name(model._meta.db_table)
    pk = model._meta.pk
    assert pk is not None
    pk_column = connection.ops.quote_name(pk.column)
    columns = [model._meta.get_field(name) for name in fields]
    matched = 0
    items = list(changes.items())
    with connection.cursor() as cursor:
        for start in range(0, len(items), _ROWS_PER_STATEMENT):
            chunk = items[start : start + _ROWS_PER_STATEMENT]
            params: list[Any] = []
            assignments = []
            for name, field in zip(fields, columns, strict=True):
                branches = " ".join(["WHEN %s THEN %s"] * len(chunk))
                column = connection.ops.quote_name(field.column)
                assignments.append(f"{column} = CASE {pk_column} {branches} END")
                for key, values in chunk:
                    params += (key, field.get_db_prep_save(values[name], connection))
            marks = ", ".join(["%s"] * len(chunk))
            params += [key for key, _ in chunk]
            cursor.execute(
                f"UPDATE {table} SET {', '.join(assignments)} WHERE {pk_column} IN ({marks})",  # noqa: S608  (names are the model's own)
                params,
            )
            matched += cursor.rowcount
    return matched


def rows_upsert(
    model: type[models.Model],
    rows: Sequence[models.Model],
    unique_fields: Sequence[str],
    update_fields: Sequence[str],
) -> None:
    """Insert, or update what the unique key finds. MySQL takes any unique key and names none."""
    if not rows:
        return
    named = unique_fields if connection.features.supports_update_conflicts_with_target else None
    model._default_manager.bulk_create(
        rows, update_conflicts=True, unique_fields=named, update_fields=update_fields
    )

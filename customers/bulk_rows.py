"""Writing many rows in few statements, past the ORM's per-row cost (docs/performance.md).

Django's `bulk_update` builds expression trees and does 3,000 rows/s, `bulk_create` spends most of
its time on model instances; these do several times as many. They know nothing of the domain:
callers hold the rows' locks, or name the states that a row must still be in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson
from django.db import connection, models

from customers.domain.ids import new_id
from customers.fields import AmountField, amount_to_db
from customers.tenancy import ScopeError, required_scope

_ROWS_PER_STATEMENT = 250


def _same(value: Any) -> Any:
    return value


def _amount(value: Any) -> Any:
    return None if value is None else amount_to_db(value)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _converter(field: models.Field[Any, Any]) -> Callable[[Any], Any]:
    """What `save()` would do to a value of this field, without its generality."""
    if isinstance(field, AmountField):
        return _amount
    if isinstance(field, models.JSONField):
        return _json
    if isinstance(field, models.DateTimeField):
        return connection.ops.adapt_datetimefield_value
    if isinstance(field, (models.CharField, models.IntegerField, models.BooleanField)):
        return _same
    if isinstance(field, models.ForeignKey):
        return _same
    raise TypeError(f"{field} is not written in bulk here.")


@cache
def _insert_plan(
    model: type[models.Model], vendor: str
) -> tuple[str, list[tuple[str, Callable[[Any], Any], Any]]]:
    """The INSERT and, per column: attribute, converter, default of a row that does not say."""
    columns = []
    for field in model._meta.concrete_fields:
        default = field.to_python(field.get_default()) if field.has_default() else None
        if default is None and not field.null and field.empty_strings_allowed:
            default = ""
        columns.append((field.attname, _converter(field), default))
    quote = connection.ops.quote_name
    names = ", ".join(quote(str(field.column)) for field in model._meta.concrete_fields)
    marks = ", ".join(["%s"] * len(columns))
    return f"INSERT INTO {quote(model._meta.db_table)} ({names}) VALUES ({marks})", columns  # noqa: S608  (names are the model's own)


def rows_insert(model: type[models.Model], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows given by attribute name (`tenant_id`, …); what is left out gets its default.

    A row without an id gets one. All belong to the tenant of the scope, or ScopeError is raised.
    """
    if not rows:
        return
    scope = required_scope()
    if scope.tenant_id is not None and any(row["tenant_id"] != scope.tenant_id for row in rows):
        raise ScopeError(f"{model.__name__} of another tenant in this tenant's scope.")
    statement, columns = _insert_plan(model, connection.vendor)
    values = [
        [convert(row.get(name, default)) for name, convert, default in columns]
        if "id" in row
        else [
            new_id() if name == "id" else convert(row.get(name, default))
            for name, convert, default in columns
        ]
        for row in rows
    ]
    with connection.cursor() as cursor:
        cursor.executemany(statement, values)


def rows_update(
    model: type[models.Model],
    changes: Mapping[str, Mapping[str, Any]],
    fields: Sequence[str],
    *,
    same: Mapping[str, Any] | None = None,
    only_if: Mapping[str, Any] | None = None,
) -> int:
    """Write `changes[pk][field]` for the given fields of every row; returns rows matched.

    Every change carries all the fields. `same` are further values that all rows get, `only_if`
    what a row must still say to be written. Runs in chunks, so call it inside a transaction.
    """
    if not changes:
        return 0
    quote = connection.ops.quote_name
    constants = [(_column(model, name), value) for name, value in (same or {}).items()]
    guards = [(_column(model, name), value) for name, value in (only_if or {}).items()]
    columns = [(name, _column(model, name)) for name in fields]
    key_column = _column(model, "pk").name
    matched = 0
    items = list(changes.items())
    with connection.cursor() as cursor:
        for start in range(0, len(items), _ROWS_PER_STATEMENT):
            chunk = items[start : start + _ROWS_PER_STATEMENT]
            params: list[Any] = []
            assignments = []
            branches = " ".join(["WHEN %s THEN %s"] * len(chunk))
            for name, column in columns:
                assignments.append(f"{column.name} = CASE {key_column} {branches} END")
                for key, values in chunk:
                    params += (key, column.convert(values[name]))
            for column, value in constants:
                assignments.append(f"{column.name} = %s")
                params.append(column.convert(value))
            params += [key for key, _ in chunk]
            marks = ", ".join(["%s"] * len(chunk))
            conditions = [f"{key_column} IN ({marks})"]
            for column, value in guards:
                conditions.append(f"{column.name} = %s")
                params.append(column.convert(value))
            cursor.execute(
                f"UPDATE {quote(model._meta.db_table)} SET {', '.join(assignments)}"  # noqa: S608  (names are the model's own)
                f" WHERE {' AND '.join(conditions)}",
                params,
            )
            matched += cursor.rowcount
    return matched


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    convert: Callable[[Any], Any]


def _column(model: type[models.Model], name: str) -> _Column:
    field: Any = model._meta.pk if name == "pk" else model._meta.get_field(name)
    return _Column(connection.ops.quote_name(field.column), _converter(field))


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

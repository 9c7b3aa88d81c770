"""Writing many rows in few statements, past the ORM's per-row cost (docs/performance.md).

Django's `bulk_update` builds expression trees and does 3,000 rows/s, `bulk_create` spends most of
its time on model instances; these do several times as many. They know nothing of the domain:
callers hold the rows' locks, or name the states that a row must still be in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

import orjson
from django.db import connection, models

from customers.domain.ids import new_id
from customers.fields import AmountField, amount_to_db
from customers.index_hints import by_primary_key
from customers.lookups import mostly_true
from customers.tenancy import ScopeError, required_scope

_ROWS_PER_STATEMENT = 250


def _same(value: Any) -> Any:
    return value


def _text(value: Any) -> Any:
    """Members of enumerations as bare text: drivers treat other classes the slow way."""
    return value if value is None or type(value) is str else str(value)


def _amount(value: Any) -> Any:
    if value is None:
        return None
    # What is no number at all has no hash, and is refused.
    return amount_to_db(value) if value.is_snan() else _known_amount(value)


_known_amount = lru_cache(maxsize=4096)(amount_to_db)
"""Rows written together mostly carry the same few amounts."""


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


@lru_cache(maxsize=1024)
def _moment(value: datetime | None) -> Any:
    """Rows written together mostly carry the same few times."""
    return connection.ops.adapt_datetimefield_value(value)


def _converter(field: models.Field[Any, Any]) -> Callable[[Any], Any]:
    """What `save()` would do to a value of this field, without its generality."""
    if isinstance(field, AmountField):
        return _amount
    if isinstance(field, models.JSONField):
        return _json
    if isinstance(field, models.DateTimeField):
        return _moment
    if isinstance(field, models.CharField):
        return _text
    if isinstance(field, (models.IntegerField, models.BooleanField)):
        return _same
    if isinstance(field, models.ForeignKey):
        return _same
    raise TypeError(f"{field} is not written in bulk here.")


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    convert: Callable[[Any], Any]
    default: Any = None
    null: bool = False


@cache
def _insert_columns(model: type[models.Model], vendor: str) -> dict[str, _Column]:
    """By attribute name, in the table's order."""
    columns = {}
    for field in model._meta.concrete_fields:
        own_default = field.has_default() and not field.primary_key
        default = field.to_python(field.get_default()) if own_default else None
        if default is None and not field.null and field.empty_strings_allowed:
            default = None if field.primary_key else ""
        name = connection.ops.quote_name(str(field.column))
        columns[field.attname] = _Column(name, _converter(field), default, field.null)
    return columns


def rows_insert(
    model: type[models.Model],
    rows: Sequence[Mapping[str, Any]],
    *,
    same: Mapping[str, Any] | None = None,
) -> None:
    """Insert rows given by attribute name (`tenant_id`, …); `same` are values that all share.

    What is left out gets its default, a row without an id gets one. All belong to the tenant of
    the scope, or ScopeError is raised.
    """
    if not rows:
        return
    shared = dict(same or {})
    _check_tenant(model, rows, shared)
    columns = _insert_columns(model, connection.vendor)
    own = set().union(*rows)
    if not own.isdisjoint(shared) or not own.union(shared) <= columns.keys():
        raise TypeError(f"{model.__name__} rows and what they share do not fit: {own}, {shared}")
    varying = [(name, column) for name, column in columns.items() if name in own]
    constant = [(name, column) for name, column in columns.items() if name not in own]
    if "id" not in own:
        constant = [(name, column) for name, column in constant if name != "id"]
    # Of a column that may be NULL the database's own default is.
    tail = {
        column.name: value
        for name, column in constant
        if (value := column.convert(shared.get(name, column.default))) is not None
        or not column.null
    }
    order = [column.name for _, column in varying]
    getters = [(name, column.convert, column.default) for name, column in varying]
    if "id" in own:
        values = [_own_values(row, getters) for row in rows]
    else:
        order.insert(0, columns["id"].name)
        values = [[new_id(), *_own_values(row, getters)] for row in rows]
    table = connection.ops.quote_name(model._meta.db_table)
    head = f"INSERT INTO {table} ({', '.join([*order, *tail])}) VALUES "  # noqa: S608  (names are the model's own)
    with connection.cursor() as cursor:
        if connection.vendor == "mysql":
            _insert_together(cursor, head, values, list(tail.values()))
            return
        marks = ", ".join(["%s"] * (len(order) + len(tail)))
        cursor.executemany(f"{head}({marks})", [[*row, *tail.values()] for row in values])


def _insert_together(
    cursor: Any, head: str, values: Sequence[Sequence[Any]], tail: Sequence[Any]
) -> None:
    """What all rows share is escaped once; the driver's own way does it for each of them."""
    escaped = [connection.connection.literal(value).decode().replace("%", "%%") for value in tail]
    marks = f"({', '.join([*['%s'] * len(values[0]), *escaped])})"
    for start in range(0, len(values), _ROWS_PER_STATEMENT):
        chunk = values[start : start + _ROWS_PER_STATEMENT]
        cursor.execute(
            head + ", ".join([marks] * len(chunk)), [value for row in chunk for value in row]
        )


def _own_values(
    row: Mapping[str, Any], getters: Sequence[tuple[str, Callable[[Any], Any], Any]]
) -> list[Any]:
    return [convert(row.get(name, default)) for name, convert, default in getters]


def _check_tenant(
    model: type[models.Model], rows: Sequence[Mapping[str, Any]], shared: Mapping[str, Any]
) -> None:
    scope = required_scope()
    if scope.tenant_id is None:
        return
    if "tenant_id" in shared:
        foreign = shared["tenant_id"] != scope.tenant_id
    else:
        foreign = any(row["tenant_id"] != scope.tenant_id for row in rows)
    if foreign:
        raise ScopeError(f"{model.__name__} of another tenant in this tenant's scope.")


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
    what a row must still say (None: nothing) to be written. Runs in chunks, so call it inside a
    transaction.
    """
    if not changes:
        return 0
    own = [(name, _column(model, name)) for name in fields]
    shared = [(_column(model, name), value) for name, value in (same or {}).items()]
    guards = [(_column(model, name), value) for name, value in (only_if or {}).items()]
    if own and connection.vendor == "sqlite":
        return _update_one_by_one(model, changes, own, shared, guards)
    return _update_together(model, list(changes.items()), own, shared, guards)


def _update_one_by_one(
    model: type[models.Model],
    changes: Mapping[str, Mapping[str, Any]],
    own: Sequence[tuple[str, _Column]],
    shared: Sequence[tuple[_Column, Any]],
    guards: Sequence[tuple[_Column, Any]],
) -> int:
    """One prepared statement, run for each row: the fastest where no network lies between."""
    conditions, guard_params = _conditions(f"{_column(model, 'pk').name} = %s", guards)
    assignments = [f"{column.name} = %s" for column, _ in shared]
    assignments += [f"{column.name} = %s" for _, column in own]
    constants = [column.convert(value) for column, value in shared]
    with connection.cursor() as cursor:
        cursor.executemany(
            _update_sql(model, assignments, conditions),
            [
                (
                    *constants,
                    *(column.convert(values[name]) for name, column in own),
                    key,
                    *guard_params,
                )
                for key, values in changes.items()
            ],
        )
        return int(cursor.rowcount)


def _update_together(
    model: type[models.Model],
    items: Sequence[tuple[str, Mapping[str, Any]]],
    own: Sequence[tuple[str, _Column]],
    shared: Sequence[tuple[_Column, Any]],
    guards: Sequence[tuple[_Column, Any]],
) -> int:
    """Many rows in each statement."""
    key_column = _column(model, "pk").name
    # Each row looks for its key among all keys: compared as bytes, in half the time.
    key_bytes = f"BINARY {key_column}" if connection.vendor == "mysql" else key_column
    matched = 0
    with connection.cursor() as cursor:
        for start in range(0, len(items), _ROWS_PER_STATEMENT):
            chunk = items[start : start + _ROWS_PER_STATEMENT]
            params: list[Any] = []
            assignments = []
            branches = " ".join(["WHEN %s THEN %s"] * len(chunk)) if own else ""
            for name, column in own:
                assignments.append(f"{column.name} = CASE {key_bytes} {branches} END")
                for key, values in chunk:
                    params += (key, column.convert(values[name]))
            for column, value in shared:
                assignments.append(f"{column.name} = %s")
                params.append(column.convert(value))
            params += [key for key, _ in chunk]
            marks = ", ".join(["%s"] * len(chunk))
            conditions, guard_params = _conditions(f"{key_column} IN ({marks})", guards)
            cursor.execute(_update_sql(model, assignments, conditions), params + guard_params)
            matched += cursor.rowcount
    return matched


def _conditions(of_key: str, guards: Sequence[tuple[_Column, Any]]) -> tuple[str, list[Any]]:
    conditions, params = [of_key], []
    for column, value in guards:
        if value is None:
            conditions.append(f"{column.name} IS NULL")
            continue
        guard = f"{column.name} = %s"
        # The key finds the rows; SQLite would rather walk an index on the guard.
        conditions.append(mostly_true(guard) if connection.vendor == "sqlite" else guard)
        params.append(column.convert(value))
    return " AND ".join(conditions), params


def _update_sql(model: type[models.Model], assignments: Sequence[str], conditions: str) -> str:
    table = connection.ops.quote_name(model._meta.db_table)
    return f"UPDATE {table}{by_primary_key()} SET {', '.join(assignments)} WHERE {conditions}"  # noqa: S608  (names are the model's own)


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

"""Lookups that a fan-out lives by: many ids at the cost of a list, and a hint about tenants.

`field__id_in=ids`: Django prepares every value of its `in` for itself, several microseconds each:
in a fan-out that asks for six things of each follower, more than the database takes to answer. Ids
are text of our own making and need no preparation.

`tenant__of_tenant=id`: equality that SQLite is told to expect nearly always true. Every query
names its tenant; without statistics SQLite takes that for the most selective condition, and reads
all that a tenant ever did instead of the few rows whose ids are given.

`field__among=ids`: of rows that another condition finds. SQLite would search by the ids all the
same, and read the history of each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import EmptyResultSet
from django.db.models import CharField, ForeignKey, Lookup

if TYPE_CHECKING:
    _Base = Lookup[Any]
else:
    _Base = Lookup


class IdIn(_Base):
    """Takes a collection of ids, as text. Empty finds nothing."""

    lookup_name = "id_in"
    prepare_rhs = False

    def get_db_prep_lookup(self, value: Any, connection: Any) -> tuple[str, Any]:
        if not value:
            raise EmptyResultSet
        return f"({', '.join(['%s'] * len(value))})", list(value)

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        column, column_params = self.process_lhs(compiler, connection)
        ids, id_params = self.get_db_prep_lookup(self.rhs, connection)
        return f"{column} IN {ids}", [*column_params, *id_params]


class OfTenant(_Base):
    """Takes a tenant's id, or the column of another query's tenant."""

    lookup_name = "of_tenant"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        column, column_params = self.process_lhs(compiler, connection)
        if not self.rhs_is_direct_value():
            other, other_params = self.process_rhs(compiler, connection)
            return f"{column} = {other}", (*column_params, *other_params)
        return f"{column} = %s", (*column_params, self.rhs)

    def as_sqlite(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        sql, params = self.as_sql(compiler, connection)
        return mostly_true(sql), params


class Among(IdIn):
    """As `id_in`, where another condition finds the rows: SQLite is told to search by that one."""

    lookup_name = "among"

    def as_sqlite(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        sql, params = self.as_sql(compiler, connection)
        return mostly_true(sql), params


def mostly_true(condition: str) -> str:
    """The condition, with the hint that it selects little. SQLite only."""
    return f"likelihood({condition}, 0.95)"


def register() -> None:
    CharField.register_lookup(IdIn)
    ForeignKey.register_lookup(IdIn)
    ForeignKey.register_lookup(Among)
    ForeignKey.register_lookup(OfTenant)

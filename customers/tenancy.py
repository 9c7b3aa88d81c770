"""Tenant scoping and its tripwire.

Code runs in `tenant_scope(tenant_id)`, or across tenants in a logged `system_scope(reason)`.
`TenantModel.objects` carries the scope as a condition that is resolved when SQL is compiled:
with no scope any use of it raises, whichever method asked. `install_tripwire` adds a second
check at the connection, which also sees inserts, base managers and raw SQL. Both are the second
wall; the first is explicit: `.for_tenant(...)` and `.for_customer(...)`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.apps import apps
from django.core.exceptions import FullResultSet
from django.db import NotSupportedError, connection, models
from django.db.backends.signals import connection_created
from django.db.models.expressions import Expression
from django.db.models.signals import post_migrate, pre_migrate

from customers.lookups import mostly_true

logger = logging.getLogger(__name__)


class ScopeError(RuntimeError):
    """Tenant data was touched outside a scope, or in another tenant's scope."""


@dataclass(frozen=True, slots=True)
class Scope:
    tenant_id: str | None
    """None is the system scope: all tenants."""
    reason: str = ""


_scope: ContextVar[Scope | None] = ContextVar("tenant_scope", default=None)


def current_scope() -> Scope | None:
    return _scope.get()


@contextmanager
def tenant_scope(tenant_id: str) -> Iterator[None]:
    """Everything inside sees and writes this tenant only."""
    if not tenant_id:
        raise ScopeError("A tenant scope needs a tenant.")
    token = _scope.set(Scope(tenant_id=str(tenant_id)))
    try:
        yield
    finally:
        _scope.reset(token)


@contextmanager
def system_scope(reason: str) -> Iterator[None]:
    """Read across tenants; the reason is logged. What is written is written in a tenant's scope."""
    if not reason:
        raise ScopeError("A system scope needs a reason.")
    logger.debug("system scope: %s", reason)
    token = _scope.set(Scope(tenant_id=None, reason=reason))
    try:
        yield
    finally:
        _scope.reset(token)


def required_scope() -> Scope:
    scope = _scope.get()
    if scope is None:
        raise ScopeError("No tenant scope: use tenant_scope(...) or system_scope(...).")
    return scope


class InScope(Expression):
    """`tenant_id = <the scope's tenant>`, decided when the statement is compiled."""

    conditional = True
    output_field = models.BooleanField()

    def __init__(self, tenant_column: Any) -> None:
        super().__init__()
        self.tenant_column = tenant_column

    def get_source_expressions(self) -> list[Any]:
        return [self.tenant_column]

    def set_source_expressions(self, exprs: Any) -> None:
        (self.tenant_column,) = exprs

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:  # type: ignore[override]  # the stub's parameters are narrower than Django's
        scope = required_scope()
        if scope.tenant_id is None:
            raise FullResultSet
        sql, params = compiler.compile(self.tenant_column)
        return f"{sql} = %s", (*params, scope.tenant_id)

    def as_sqlite(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        sql, params = self.as_sql(compiler, connection)
        return mostly_true(sql), params


class TenantQuerySet(models.QuerySet):
    def for_tenant(self, tenant: Any) -> TenantQuerySet:
        return self.filter(tenant__of_tenant=getattr(tenant, "pk", tenant))

    def for_customer(self, customer: Any) -> TenantQuerySet:
        path: str | None = getattr(self.model, "customer_path", None)
        if path is None:
            raise ScopeError(f"{self.model.__name__} does not belong to a customer.")
        return self.filter(**{path: getattr(customer, "pk", customer)})

    def bulk_create(self, objs: Any, *args: Any, **kwargs: Any) -> Any:
        rows = list(objs)
        for row in rows:
            assert_in_scope(row)
        return super().bulk_create(rows, *args, **kwargs)

    def update(self, **kwargs: Any) -> int:
        if "tenant" in kwargs or "tenant_id" in kwargs:
            raise ScopeError("A row's tenant does not change.")
        for name in kwargs:
            if getattr(self.model._meta.get_field(name), "is_secret", False):
                raise TypeError(f"{name} is secret and is stored by save() or bulk_create() only.")
        return super().update(**kwargs)

    update.alters_data = True  # type: ignore[attr-defined]

    def bulk_update(self, *args: Any, **kwargs: Any) -> Any:
        # Slow (PERFORMANCE) and destructive on encrypted fields (STACK P2).
        raise NotSupportedError("bulk_update is refused here; use customers.bulk_rows.rows_update.")


class TenantManager(models.Manager.from_queryset(TenantQuerySet)):  # type: ignore[misc]
    use_in_migrations = False

    def get_queryset(self) -> TenantQuerySet:
        return super().get_queryset().filter(InScope(models.F("tenant_id")))


def assert_in_scope(row: Any) -> None:
    scope = required_scope()
    if scope.tenant_id is not None and row.tenant_id != scope.tenant_id:
        raise ScopeError(f"{type(row).__name__} of another tenant in this tenant's scope.")


def same_tenant(*rows: Any) -> str:
    """The one tenant id that all rows share. Services call it first; raises ScopeError."""
    tenant_ids = {row.tenant_id for row in rows if row is not None}
    if len(tenant_ids) != 1:
        raise ScopeError("The arguments belong to different tenants.")
    return tenant_ids.pop()


# --- the tripwire at the connection ---------------------------------------------------------


@cache
def _tenant_tables() -> re.Pattern[str]:
    names = [
        re.escape(model._meta.db_table)
        for model in apps.get_models()
        if getattr(model, "tenant_owned", False)
    ]
    # As SQL reads names: quoted or not, in any case.
    return re.compile(r"\b(?:" + "|".join(sorted(names)) + r")\b", re.IGNORECASE)


_tripwire_off: ContextVar[bool] = ContextVar("tripwire_off", default=False)


@contextmanager
def tripwire_disabled() -> Iterator[None]:
    """For the test runner's own flushes only."""
    token = _tripwire_off.set(True)
    try:
        yield
    finally:
        _tripwire_off.reset(token)


_migrating = False


def _migration_starts(**_: Any) -> None:
    global _migrating
    _migrating = True


def _migration_ended(**_: Any) -> None:
    global _migrating
    _migrating = False


def _tripwire(execute: Callable, sql: str, params: Any, many: bool, context: dict) -> Any:
    unguarded = _migrating or _tripwire_off.get()
    if _scope.get() is None and not unguarded and _tenant_tables().search(sql):
        raise ScopeError(f"Tenant data without a scope: {sql[:120]}")
    return execute(sql, params, many, context)


def _guard(connection: Any, **_: Any) -> None:
    if _tripwire not in connection.execute_wrappers:
        connection.execute_wrappers.append(_tripwire)


def install_tripwire() -> None:
    connection_created.connect(_guard, dispatch_uid="tenant-tripwire")
    # Schema changes and SQLite's table copies name our tables; data migrations name their scope.
    pre_migrate.connect(_migration_starts, dispatch_uid="tenant-tripwire-migrating")
    post_migrate.connect(_migration_ended, dispatch_uid="tenant-tripwire-migrated")
    if connection.connection is not None:
        _guard(connection)

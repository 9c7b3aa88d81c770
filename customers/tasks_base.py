"""The base of tenant tasks: opens the tenant's scope."""

from __future__ import annotations

from typing import Any

from celery import Task

from customers.tenancy import tenant_scope


class TenantTask(Task):
    """Keyword-only ids; `tenant_id` is one of them and opens the scope for the body."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if args:
            raise TypeError(f"{self.name} takes keyword arguments only.")
        with tenant_scope(kwargs["tenant_id"]):
            return super().__call__(**kwargs)

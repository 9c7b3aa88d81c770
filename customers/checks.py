"""What `migrate` looks at before it begins."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Any

from django.core.checks import CheckMessage, Error
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder


def squashed_migrations_check(
    databases: Iterable[str] | None = None, **kwargs: Any
) -> Sequence[CheckMessage]:
    """Refuse a database that has some of the migrations that were squashed into one, but not all.

    Django would say that there is nothing to do, and leave the tables as they are.
    """
    return [
        message
        for alias in databases or ()
        for message in between_versions(MigrationRecorder(connections[alias]).applied_migrations())
    ]


def between_versions(applied: Container[tuple[str, str]]) -> list[CheckMessage]:
    """`applied`: app and name of each migration that the database has."""
    squashed = MigrationLoader(None, ignore_no_migrations=True).disk_migrations
    return [
        Error(
            f"The tables of “{app}” are from a version before the migrations were put together:"
            f" {len(missing)} of them are missing, the first is {missing[0][1]}.",
            hint="Check out the version that still has them, run its `manage.py migrate`, then"
            " come back to this one.",
            id="customers.E001",
        )
        for (app, name), migration in sorted(squashed.items())
        if (app, name) not in applied
        and (missing := [each for each in migration.replaces if each not in applied])
        and len(missing) < len(migration.replaces)
    ]

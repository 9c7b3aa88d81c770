"""Other tests make their tables from the models; here migrations make the same ones."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler

from customers.tenancy import tripwire_disabled

Table = tuple[set[tuple[str, bool]], set[tuple[str, ...]]]


@pytest.fixture
def migrated(db: None, tmp_path: Path) -> Iterator[BaseDatabaseWrapper]:
    """An empty database beside that of the tests, after `manage.py migrate`."""
    values: dict[str, Any] = dict(connection.settings_dict)
    if connection.vendor == "mysql":
        values["NAME"] += "_migrated"
        url = urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{values['NAME']}"))
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS `{values['NAME']}`")
            cursor.execute(f"CREATE DATABASE `{values['NAME']}` CHARACTER SET utf8mb4")
    else:
        values["NAME"] = str(tmp_path / "migrated.sqlite3")
        url = f"sqlite:///{values['NAME']}"
    environment = {
        **os.environ,
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "config.settings.local",
        "VAR_DIR": str(tmp_path),
    }
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        check=True,
        cwd=settings.BASE_DIR,
        env=environment,
    )
    other = ConnectionHandler({"default": values})["default"]
    try:
        yield other
    finally:
        other.close()
        if connection.vendor == "mysql":
            with connection.cursor() as cursor:
                cursor.execute(f"DROP DATABASE `{values['NAME']}`")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_they_make_the_tables_of_the_models(migrated: BaseDatabaseWrapper) -> None:
    tables = [model._meta.db_table for model in apps.get_models(include_auto_created=True)]
    assert len(tables) > 60
    with tripwire_disabled():
        differing = {
            table: (_table(connection, table), _table(migrated, table))
            for table in tables
            if _table(connection, table) != _table(migrated, table)
        }
    assert differing == {}


def _table(database: Any, name: str) -> Table:
    """Its columns and whether they may be null, and what is unique in it."""
    with database.cursor() as cursor:
        columns = database.introspection.get_table_description(cursor, name)
        constraints = database.introspection.get_constraints(cursor, name)
    return (
        {(column.name, bool(column.null_ok)) for column in columns},
        {tuple(entry["columns"]) for entry in constraints.values() if entry["unique"]},
    )

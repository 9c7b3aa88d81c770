"""Other tests make their tables from the models; here migrations make the same ones."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
Migrate = Callable[..., subprocess.CompletedProcess[str]]
OwnDatabase = tuple[dict[str, Any], str]
"""The settings of a connection to it, and its URL."""


@pytest.fixture
def own_database(db: None, tmp_path: Path) -> Iterator[OwnDatabase]:
    """An empty one beside that of the tests: its settings and its URL."""
    values: dict[str, Any] = dict(connection.settings_dict)
    if connection.vendor != "mysql":
        values["NAME"] = str(tmp_path / "migrated.sqlite3")
        yield values, f"sqlite:///{values['NAME']}"
        return
    values["NAME"] += "_migrated"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS `{values['NAME']}`")
        cursor.execute(f"CREATE DATABASE `{values['NAME']}` CHARACTER SET utf8mb4")
    parts = urlsplit(os.environ["DATABASE_URL"])
    try:
        yield values, urlunsplit(parts._replace(path=f"/{values['NAME']}"))
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE `{values['NAME']}`")


@pytest.fixture
def migrate(own_database: OwnDatabase, tmp_path: Path) -> Migrate:
    """Runs `manage.py migrate` on it. In a process of its own: these tests have no migrations."""
    environment = {
        **os.environ,
        "DATABASE_URL": own_database[1],
        "DJANGO_SETTINGS_MODULE": "config.settings.local",
        "VAR_DIR": str(tmp_path),
    }
    return lambda *options: subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0", *options],
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def migrated(own_database: OwnDatabase, migrate: Migrate) -> Iterator[BaseDatabaseWrapper]:
    migrate().check_returncode()
    with _connected(own_database) as database:
        yield database


@contextmanager
def _connected(own_database: OwnDatabase) -> Iterator[BaseDatabaseWrapper]:
    database = ConnectionHandler({"default": own_database[0]})["default"]
    try:
        yield database
    finally:
        database.close()


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


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_database_between_two_versions_is_refused(
    own_database: OwnDatabase, migrate: Migrate
) -> None:
    """Django itself would find nothing to do and leave tables missing."""
    migrate("--fake").check_returncode()
    with _connected(own_database) as database:
        _forget(database, "0001_squashed")
        assert migrate("--check").returncode == 0  # all that it replaces are there
        _forget(database, "0001_squashed")
        _forget(database, "0026_followed_changes")
        refused = migrate()
    assert refused.returncode != 0
    assert "1 of them are missing, the first is 0026_followed_changes" in refused.stderr


def _forget(database: BaseDatabaseWrapper, name: str) -> None:
    with tripwire_disabled(), database.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'trading' AND name = %s", [name])


def _table(database: Any, name: str) -> Table:
    """Its columns and whether they may be null, and what is unique in it."""
    with database.cursor() as cursor:
        columns = database.introspection.get_table_description(cursor, name)
        constraints = database.introspection.get_constraints(cursor, name)
    return (
        {(column.name, bool(column.null_ok)) for column in columns},
        {tuple(entry["columns"]) for entry in constraints.values() if entry["unique"]},
    )

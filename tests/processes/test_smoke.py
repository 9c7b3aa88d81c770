"""The whole stack from the webhook to the exchange's ledger, on the database of this test run."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.db import connection

RESULT = re.compile(
    r"followers=60 filled=58 skipped=2 rejected=0 unknown=0 duplicates=0 seconds=\d+\.\d\n"
)


@pytest.fixture
def services(transactional_db, valkey) -> Iterator[list[str]]:
    """Options that put smoke on the run's servers: none for SQLite, an empty database else."""
    if connection.vendor == "sqlite":
        yield []
        return
    name = f"{settings.DATABASES['default']['NAME']}_smoke"
    parts = urlsplit(os.environ["DATABASE_URL"])
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS `{name}`")
        cursor.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
    try:
        url = urlunsplit(parts._replace(path=f"/{name}"))
        yield ["--database-url", url, "--redis-url", settings.REDIS_URL]
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE `{name}`")
        valkey.flushdb()


def smoke(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("VAR_DIR", "DATABASE_URL", "REDIS_URL")
    }
    return subprocess.run(
        [sys.executable, "manage.py", "smoke", *arguments],
        cwd=settings.BASE_DIR,
        env={**environment, "DJANGO_SETTINGS_MODULE": "config.settings.local"},
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killing_the_order_worker_midway_changes_no_figure(services):
    run = smoke("--kill-worker", *services)
    assert run.returncode == 0, run.stdout + run.stderr
    assert RESULT.fullmatch(run.stdout), run.stdout
    assert re.search(r"worker-orders +ended  by SIGKILL", run.stderr), run.stderr


def test_smoke_leaves_the_checkouts_state_alone():
    before = _entries(settings.BASE_DIR / "var")
    run = smoke("--help")
    assert run.returncode == 0
    assert _entries(settings.BASE_DIR / "var") == before


def _entries(directory: Path) -> set[str]:
    return {path.name for path in directory.glob("*")} if directory.exists() else set()

"""Failpoints end a process where a test says so, and nowhere that a test did not."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from customers import failpoints

PASS = "import django; django.setup(); from customers.failpoints import failpoint; {}"


def run(code: str, rules: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PASS.format(code)],
        cwd=settings.BASE_DIR,
        env={**os.environ, "FAILPOINTS": rules, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_named_place_ends_the_process_at_its_pass() -> None:
    code = "print('x', flush=True); [failpoint(n) for n in ('b', 'a', 'a')]; print('y')"
    ended = run(code, "a=#2")
    assert ended.returncode == failpoints.EXIT_CODE
    assert ended.stdout == "x\n"
    assert f"{failpoints.MARK} a" in ended.stderr
    assert run(code, "a=#3").returncode == 0
    assert run(code, "*=#3").returncode == failpoints.EXIT_CODE
    assert run(code, "c=1").returncode == 0


def test_production_settings_refuse_to_start_with_failpoints() -> None:
    production = {
        "DJANGO_SETTINGS_MODULE": "config.settings.production",
        "SECRET_KEY": "x" * 60,
        "FIELD_ENCRYPTION_KEY": settings.FIELD_ENCRYPTION_KEY[0],
        "ALLOWED_HOSTS": "example.com",
        "DATABASE_URL": "sqlite:///:memory:",
        "REDIS_URL": "redis://127.0.0.1:1/0",
    }
    ended = run("print('y')", "a=1", **production)
    assert ended.returncode == 1
    assert "do not allow it" in ended.stderr
    assert run("print('y')", "", **production).stdout == "y\n"


def test_what_is_no_rule_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured):
        failpoints.arm("orders.leaving=often", allowed=True)
    failpoints.arm("", allowed=True)

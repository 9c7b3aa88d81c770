"""What the settings make of the environment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from config.settings.env import Env

EMPTY = ["", "  "]


@pytest.mark.parametrize("value", EMPTY)
def test_a_variable_set_to_nothing_is_not_set(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("TANDEM_TEST", value)
    env = Env()
    assert env.text("TANDEM_TEST", default="x") == "x"
    assert env.flag("TANDEM_TEST", default=True) is True
    assert env.number("TANDEM_TEST", default=7) == 7
    assert env.items("TANDEM_TEST", default="a,b") == ["a", "b"]
    with pytest.raises(ImproperlyConfigured, match="Set the environment variable TANDEM_TEST"):
        env.text("TANDEM_TEST")


def _check(settings_module: str, state: Path, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=settings.BASE_DIR,
        env={
            **os.environ,
            "VAR_DIR": str(state),
            "DJANGO_SETTINGS_MODULE": settings_module,
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_embedded_default_starts_with_empty_urls(tmp_path: Path) -> None:
    done = _check("config.settings.local", tmp_path, DATABASE_URL="", REDIS_URL="")
    assert done.returncode == 0, done.stderr


def test_production_names_the_variable_that_is_empty(tmp_path: Path) -> None:
    done = _check(
        "config.settings.production",
        tmp_path,
        SECRET_KEY="x" * 60,
        FIELD_ENCRYPTION_KEY="b25seS1mb3ItdGVzdHMtb25seS1mb3ItdGVzdHMtMzI=",
        ALLOWED_HOSTS="tandem.example",
        DATABASE_URL="",
    )
    assert done.returncode != 0
    assert "Set the environment variable DATABASE_URL" in done.stderr.splitlines()[-1]


def test_every_thread_sends_to_tandems_broker_whenever_the_settings_were_named() -> None:
    code = (
        "import threading, config\n"
        "from celery import current_app\n"
        "thread = threading.Thread(target=lambda: print(current_app.main))\n"
        "thread.start(); thread.join()\n"
    )
    environment = {n: v for n, v in os.environ.items() if n != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.strip() == "tandem", done.stderr

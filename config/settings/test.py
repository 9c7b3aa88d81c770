"""Tests: the same code paths as local, throw-away state, cheap password hashing.

Each run has a directory of its own, so that two runs in one checkout never meet. Its path is
left in the environment for the processes that a test starts; `make test-services` gives
DATABASE_URL and REDIS_URL, otherwise it is SQLite and a Valkey that tests/conftest.py starts.

The workers of one run (pytest-xdist) share nothing: each has a directory inside the run's, and of
a Redis that was given the numbered database in the URL or one of those after it. pytest-django
names their SQL databases apart.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

if "VAR_DIR" not in os.environ:
    os.environ["VAR_DIR"] = tempfile.mkdtemp(prefix="tandem-test-")
    atexit.register(shutil.rmtree, os.environ["VAR_DIR"], ignore_errors=True)

# The processes that a worker's tests start inherit both variables as the worker left them.
if (worker := os.getenv("PYTEST_XDIST_WORKER")) and Path(os.environ["VAR_DIR"]).name != worker:
    os.environ["VAR_DIR"] += f"/{worker}"
    Path(os.environ["VAR_DIR"]).mkdir(parents=True, exist_ok=True)
    if "REDIS_URL" in os.environ:
        parts = urlsplit(os.environ["REDIS_URL"])
        number = int(parts.path.strip("/") or 0) + int(worker.removeprefix("gw"))
        os.environ["REDIS_URL"] = urlunsplit(parts._replace(path=f"/{number}"))

from config.settings.base import *  # noqa: F403  (base reads VAR_DIR)
from config.settings.base import (
    PAPER_EXCHANGE_URL,
    VAR_DIR,
    VENUES,
    channel_layer_from,
    database_from,
    env,
)
from config.settings.paths import socket_path

DEBUG = False
# The process of the tests does all of it by itself.
LOOKUP_WORKERS = ACCOUNT_WORKERS = 1
FAILPOINTS_ALLOWED = True
SECRET_KEY = "only-for-tests-" + "x" * 50
# Fixed, because the processes that a test starts must read what the test wrote.
FIELD_ENCRYPTION_KEY = ["b25seS1mb3ItdGVzdHMtb25seS1mb3ItdGVzdHMtMzI="]
ALLOWED_HOSTS = ["*"]

DATABASES = {
    "default": database_from(
        env.text("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'test.sqlite3'}")
    )
}
# A file, not :memory:, so that threads and child processes of a test share it.
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": str(VAR_DIR / "test_tandem.sqlite3")}
else:
    DATABASES["default"]["TEST"] = {"CHARSET": "utf8mb4"}  # a server's own default may be latin1

REDIS_URL = env.text("REDIS_URL", default=f"unix://{socket_path(VAR_DIR, 'valkey.sock')}")
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
CHANNEL_LAYERS = channel_layer_from(REDIS_URL)
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
VENUES["paper"] = {
    "label": "Paper",
    "adapter": "okx",
    "rest_url": PAPER_EXCHANGE_URL,
    "simulated": True,
}

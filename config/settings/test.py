"""Tests: the same code paths as local, throw-away state, cheap password hashing.

The runner (`make test`, `make test-services`) gives DATABASE_URL and REDIS_URL.
"""

from cryptography.fernet import Fernet

from config.settings.base import *  # noqa: F403
from config.settings.base import VAR_DIR, VENUES, channel_layer_from, database_from, env

VAR_DIR.mkdir(mode=0o700, exist_ok=True)

DEBUG = False
SECRET_KEY = "only-for-tests-" + "x" * 50  # noqa: S105  (a throw-away database's key)
FIELD_ENCRYPTION_KEY = [Fernet.generate_key().decode()]
ALLOWED_HOSTS = ["*"]

DATABASES = {
    "default": database_from(
        env.text("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'test.sqlite3'}")
    )
}
# A file, not :memory:, so that threads and child processes of a test share it.
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": str(VAR_DIR / "test_tandem.sqlite3")}

REDIS_URL = env.text("REDIS_URL", default=f"unix://{VAR_DIR / 'test-valkey.sock'}")
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
CHANNEL_LAYERS = channel_layer_from(REDIS_URL)
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
VENUES["paper"] = {"label": "Paper", "adapter": "okx", "rest_url": "", "simulated": True}

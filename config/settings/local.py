"""The embedded default: SQLite and a private Valkey under var/, demo secrets made on first use.

DATABASE_URL and REDIS_URL replace either. Never use these settings for real money: DEBUG-like
conveniences and secrets kept in var/ are for one developer's machine.
"""

import secrets
from collections.abc import Callable

from cryptography.fernet import Fernet

from config.settings.base import *  # noqa: F403
from config.settings.base import VAR_DIR, channel_layer_from, database_from, env
from config.settings.paths import socket_path

VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)


def _kept(name: str, make: Callable[[], str]) -> str:
    """A secret that is made once and kept in var/, readable by its owner only."""
    path = VAR_DIR / name
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(make(), encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()


DEBUG = env.flag("DEBUG", default=False)
FAILPOINTS_ALLOWED = True  # `make chaos` runs on these settings
SECRET_KEY = env.text("SECRET_KEY", default="") or _kept(
    "secret_key", lambda: secrets.token_urlsafe(64)
)
FIELD_ENCRYPTION_KEY = env.items("FIELD_ENCRYPTION_KEY", default="") or [
    _kept("field_encryption_key", lambda: Fernet.generate_key().decode())
]
ALLOWED_HOSTS = env.items("ALLOWED_HOSTS", default="localhost,127.0.0.1,[::1]")

DATABASES = {
    "default": database_from(
        env.text("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'tandem.sqlite3'}")
    )
}

# The supervisor starts a Valkey here when REDIS_URL is not given.
REDIS_URL = env.text("REDIS_URL", default=f"unix://{socket_path(VAR_DIR, 'valkey.sock')}")
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
CHANNEL_LAYERS = channel_layer_from(REDIS_URL)
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
}

EMAIL_BACKEND = env.text(
    "EMAIL_BACKEND", default="django.core.mail.backends.filebased.EmailBackend"
)
EMAIL_FILE_PATH = VAR_DIR / "mail"

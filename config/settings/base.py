"""Settings shared by every environment. No secret and no insecure value has a default here."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from csp.constants import NONCE, NONE, SELF
from django.utils.translation import gettext_lazy as _

from config.log_redaction import redact_tokens
from config.settings.env import Env
from config.settings.unfold import UNFOLD  # noqa: F401  (the operator console)
from customers import schedule as customers_schedule
from notifications import schedule as notifications_schedule
from signals_app import schedule as signals_schedule
from trading import schedule as trading_schedule
from trading.domain.breaker import BreakerRule

BASE_DIR = Path(__file__).resolve().parent.parent.parent
env = Env()
# Everything that a run writes lives here; another directory makes an independent second run.
VAR_DIR = Path(env.text("VAR_DIR", default=str(BASE_DIR / "var"))).absolute()

# --- applications -------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",  # the default one would put its own admin site in place
    "unfold.contrib.filters",
    "customers.console_config.ConsoleConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "csp",
    "channels",
    "django_celery_beat",
    "django_filters",
    "django_htmx",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "rest_framework",
    "venues",
    "customers",
    "signals_app",
    "strategies",
    "trading",
    "notifications",
    "config",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.csp.PolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "customers.middleware.TenantMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
# Requests that one web process works on at once; each keeps a database connection.
WEB_THREADS = env.number("WEB_THREADS", default=8)
AUTH_USER_MODEL = "customers.User"
LOGIN_URL = "portal:login"
LOGIN_REDIRECT_URL = "portal:home"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"  # third-party tables only; ours use IdField

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.debug",
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# --- language and time --------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [BASE_DIR / "templates" / "locale"]
FORMAT_MODULE_PATH = ["config.formats"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"  # MySQL truncates dates in other zones only with its time zone tables loaded

# --- database -----------------------------------------------------------------------------

SQLITE_OPTIONS = {
    # WAL plus IMMEDIATE transactions: several processes write without "database is locked".
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
}


def database_from(url: str) -> dict[str, Any]:
    """Django's database entry for a URL, with the options each backend needs here."""
    entry = env.db_config(url)
    if entry["ENGINE"].endswith("sqlite3"):
        entry["ENGINE"] = "customers.sqlite3"
        entry["OPTIONS"] = {**SQLITE_OPTIONS, **entry.get("OPTIONS", {})}
    elif entry["ENGINE"].endswith("mysql"):
        entry["OPTIONS"] = {
            "charset": "utf8mb4",
            "isolation_level": "read committed",
            **entry.get("OPTIONS", {}),
        }
    entry["CONN_MAX_AGE"] = 60
    entry["CONN_HEALTH_CHECKS"] = True
    return entry


# --- Celery -------------------------------------------------------------------------------

QUEUES = ("signals", "orders", "sync", "accounts", "notify", "default")
CANARY_SECONDS = env.number("CANARY_SECONDS", default=10)
CELERY_TASK_DEFAULT_QUEUE = "default"
PLANNING = 3
"""A priority; 0 goes first. When workers are behind, sweeps and what is written already (exits that
nobody signalled among it) do not wait behind signals, which keep their order."""
CELERY_TASK_ROUTES = {
    "signals_app.tasks.leader_check": {"queue": "accounts"},
    "signals_app.*": {"queue": "signals"},
    "trading.tasks.signal_dispatch": {"queue": "signals", "priority": PLANNING},
    "trading.tasks.signal_settle": {"queue": "sync"},
    "trading.tasks.sweep": {"queue": "signals"},  # recovery never waits behind account checks
    "trading.tasks.shard_*": {"queue": "orders", "priority": PLANNING},
    "trading.tasks.orders_submit": {"queue": "orders"},
    "trading.tasks.orders_check": {"queue": "sync"},
    "trading.tasks.stops_sweep": {"queue": "signals"},
    "trading.tasks.stops_*": {"queue": "sync"},
    "trading.tasks.copies_sweep": {"queue": "signals"},
    "trading.tasks.risk_sweep": {"queue": "signals"},
    # What ends a loss waits behind no reading of accounts either.
    "trading.tasks.copies_watch": {"queue": "sync"},
    "trading.tasks.copy_end": {"queue": "sync"},
    "trading.tasks.risk_watch": {"queue": "sync"},
    # Of all accounts, and a venue may hang: 9 is the lowest priority, the check of a new key and
    # what a stream missed go before it.
    "trading.tasks.accounts_refresh": {"queue": "accounts", "priority": 9},
    "trading.tasks.accounts_reread": {"queue": "accounts", "priority": 9},
    "trading.tasks.accounts_orders_reread": {"queue": "accounts", "priority": 9},
    "trading.tasks.account*": {"queue": "accounts"},
    "notifications.*": {"queue": "notify"},
}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# Else Celery closes them before and after each task; config.celery looks after them.
CELERY_DB_REUSE_MAX = 1_000_000
CELERY_WORKER_CONSUMER = "config.broker:SteadyConsumer"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # for ever
# A server that is gone without a word is noticed, too: kombu has no limits of its own.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 10.0,
    "socket_connect_timeout": 3.0,
    "health_check_interval": 8,
}
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 1  # the sweep runs every two seconds
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    **customers_schedule.SCHEDULE,
    **signals_schedule.SCHEDULE,
    **trading_schedule.SCHEDULE,
    **notifications_schedule.SCHEDULE,
    **{
        f"config: canary of {queue}": {
            "task": "config.tasks.canary",
            "schedule": float(CANARY_SECONDS),
            "kwargs": {"queue": queue},
            "options": {"queue": queue},
        }
        for queue in QUEUES
    },
}
for _entry in CELERY_BEAT_SCHEDULE.values():
    if isinstance(_entry["schedule"], float):
        # Dropped when no worker took it for two periods: after an outage of the workers one
        # sweep is as good as a hundred.
        _entry["options"] = {
            **_entry.get("options", {}),
            "expire_seconds": int(2 * _entry["schedule"]),
        }
CELERY_TIMEZONE = "UTC"
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]

# --- channels: STACK P1, without socket_timeout=None idle sockets die within seconds --------


def channel_layer_from(redis_url: str) -> dict[str, Any]:
    return {
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {
                "hosts": [{"address": redis_url, "socket_timeout": None}],
                # Per process, not per socket, and dropped silently past it; a socket's own limit
                # is in notifications.consumers, which also finds what was dropped.
                "capacity": 1000,
                "prefix": "tandem",
            },
        }
    }


# --- fan-out ------------------------------------------------------------------------------

# How many worker processes send orders (queues signals and orders): into so many parts a small
# fan-out is cut. How many look orders up (sync), and how many read accounts (accounts). Each
# takes its part of a venue's rate limits (ADR 6): more than are said here would ask too often.
FANOUT_WORKERS = max(env.number("FANOUT_WORKERS", default=2), 1)
LOOKUP_WORKERS = max(env.number("LOOKUP_WORKERS", default=2), 1)
ACCOUNT_WORKERS = max(env.number("ACCOUNT_WORKERS", default=2), 1)

# Private streams (docs/streams.md): into so many parts the accounts are cut that streamers share.
# Never changed while streamers run: two of them would each have an account.
STREAM_SHARDS = max(env.number("STREAM_SHARDS", default=64), 1)
# What a venue takes of one address; streamers of a host share it.
STREAM_CONNECTS_A_SECOND = max(env.number("STREAM_CONNECTS_A_SECOND", default=3), 1)

# --- failpoints ---------------------------------------------------------------------------

# Whether FAILPOINTS in the environment may end processes (customers/failpoints.py): chaos tests.
FAILPOINTS_ALLOWED = False

# --- circuit breaker: docs/breaker.md ------------------------------------------------------

BREAKER_RULE = BreakerRule(
    percent=env.number("BREAKER_REJECT_PERCENT", default=50),
    min_answers=env.number("BREAKER_MIN_ANSWERS", default=20),
    window=timedelta(seconds=env.number("BREAKER_WINDOW_SECONDS", default=60)),
    # 0: entries stay stopped until an operator resets the breaker.
    cool_down=timedelta(seconds=env.number("BREAKER_COOL_DOWN_SECONDS", default=120)),
)

# --- venues -------------------------------------------------------------------------------

# Each venue: the adapter that speaks its protocol and, when it is not the real one, its address.
VENUES: dict[str, dict[str, Any]] = {
    "okx": {"label": "OKX", "adapter": "okx", "rest_url": "", "simulated": False},
}
PAPER_EXCHANGE_URL = env.text("PAPER_EXCHANGE_URL", default="")
if PAPER_EXCHANGE_URL:
    VENUES["paper"] = {
        "label": _("Paper exchange"),
        "adapter": "okx",
        "rest_url": PAPER_EXCHANGE_URL,
        "simulated": True,
    }

# --- API ----------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["customers.api.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["customers.api.permissions.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["customers.api.parsers.TextParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "customers.api.pagination.IdCursorPagination",
    "PAGE_SIZE": 100,
    "EXCEPTION_HANDLER": "customers.api.errors.exception_handler",
    "COERCE_DECIMAL_TO_STRING": True,
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_THROTTLE_CLASSES": ["customers.api.throttling.ApiKeyThrottle"],
    "DEFAULT_THROTTLE_RATES": {"api_key": "600/min"},
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Tandem partner API",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",  # its schemas are JSON Schema 2020-12, as the signal's is
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SCHEMA_PATH_PREFIX": r"/api/v[0-9]+",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    # Of accounts and strategies alike, which have one set of words.
    "ENUM_NAME_OVERRIDES": {"OpenStatusEnum": "customers.models.ExchangeAccount.Status"},
}

# --- security headers ---------------------------------------------------------------------

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "object-src": [NONE],
    },
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576  # a signal is a few hundred bytes; larger bodies are abuse

# --- static files -------------------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True

# --- logs ---------------------------------------------------------------------------------

redact_tokens()
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.text("LOG_LEVEL", default="INFO")},
    "loggers": {
        "httpx": {"level": "WARNING"},
        # Two lines for each task, several times a second, say nothing that the rows do not.
        "celery.app.trace": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        # That a sweep's message lapsed.
        "celery.worker.request": {"level": "WARNING"},
    },
}

# --- mail ---------------------------------------------------------------------------------

DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", default="tandem@localhost")
EMAIL_TIMEOUT = 10  # a mail server that hangs must not hold a worker

# Whom a robot's URL may address; another one only for tests against a server of our own.
DINGTALK_ORIGINS = env.items("DINGTALK_ORIGINS", default="https://oapi.dingtalk.com")

"""The web process: HTTP by Django, WebSockets by notifications.routing."""

import os
from concurrent.futures import ThreadPoolExecutor

import django
from channels.routing import ProtocolTypeRouter
from django.conf import settings
from django.db import connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
django.setup(set_prefix=False)

from config.body_limit import BodyLimit  # noqa: E402
from config.health import HealthChecks  # noqa: E402
from config.lanes import LaneHandler  # noqa: E402
from customers.services.keyring import encryption_key_verify  # noqa: E402  (needs the apps)
from notifications.routing import application as _websocket  # noqa: E402
from signals_app.domain.canonical import MAX_BODY_BYTES  # noqa: E402
from signals_app.services.sources import sources_warm_up  # noqa: E402


def _verify() -> None:
    try:
        encryption_key_verify()
        sources_warm_up()
    finally:
        connections.close_all()


# A server may import this inside its event loop, where Django refuses to query.
with ThreadPoolExecutor(1) as _executor:
    _executor.submit(_verify).result()

application = ProtocolTypeRouter(
    {
        "http": HealthChecks(
            BodyLimit(
                LaneHandler(lanes=settings.WEB_THREADS),
                limits={"/hooks/": MAX_BODY_BYTES, "/api/": MAX_BODY_BYTES},
                otherwise=10 * 1024 * 1024,
            )
        ),
        "websocket": _websocket,
    }
)

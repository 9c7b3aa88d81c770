"""A browser's WebSocket must come from a page of this very site.

Stricter than Channels' AllowedHostsOriginValidator: another site on an allowed host (another
port, say) is another origin, as it is for Django's own CSRF check.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.http.request import split_domain_port, validate_host


class SameOriginValidator:
    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        headers = {name: value.decode("latin-1") for name, value in scope.get("headers", [])}
        allowed = origin_allowed(origin=headers.get(b"origin"), host=headers.get(b"host"))
        application = self.application if allowed else WebsocketDenier()
        return await application(scope, receive, send)


def origin_allowed(*, origin: str | None, host: str | None) -> bool:
    """Whether the Origin is the requested host itself, or one of CSRF_TRUSTED_ORIGINS."""
    if not origin or not host:
        return False
    domain, _port = split_domain_port(host)
    if not domain or not validate_host(domain, settings.ALLOWED_HOSTS):
        return False
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    parts = urlsplit(origin)
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()

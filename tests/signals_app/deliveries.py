"""Senders of other formats, as they look from outside."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client

from customers.tenancy import system_scope, tenant_scope
from signals_app.models import RawDelivery, Signal, SignalSource
from signals_app.services.parsing import deliveries_parse
from signals_app.services.sources import source_rotate_token
from tests.factories import SourceFactory

BUY = {
    "ticker": "BTCUSDT.P",
    "action": "buy",
    "contracts": "0.25",
    "market_position": "long",
    "prev_market_position": "flat",
}


def message_source(parser: str = "tradingview", **fields: Any) -> tuple[SignalSource, str]:
    """A source of another format, and its token."""
    source = SourceFactory(parser=parser, secret="", **fields)
    with tenant_scope(source.tenant_id):
        token = source_rotate_token(source=source, actor=None)
        source.refresh_from_db()
    return source, token


def send(source: SignalSource, token: str, message: Any, **more: Any) -> Any:
    """Posted as a chart does: no headers, the token in the address."""
    body = message if isinstance(message, (str, bytes)) else json.dumps(message)
    content_type = "application/json" if isinstance(message, dict) else "text/plain"
    url = f"/hooks/{source.pk}/{token}/" if token else f"/hooks/{source.pk}/"
    return Client(raise_request_exception=False).post(url, body, content_type, **more)


def read(source: SignalSource) -> int:
    """What the worker does when it is woken."""
    with tenant_scope(source.tenant_id):
        return deliveries_parse(source_id=source.pk, tenant_id=source.tenant_id)


def deliveries_of(source: SignalSource) -> list[RawDelivery]:
    with system_scope("test"):
        return list(RawDelivery.objects.filter(source=source).order_by("pk"))


def signals_of(source: SignalSource) -> list[Signal]:
    with system_scope("test"):
        return list(Signal.objects.filter(source=source).order_by("pk"))

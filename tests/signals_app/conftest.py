"""What tests of signal intake share: a source, a signer that is not our code, a quiet venue."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from standardwebhooks import Webhook

from signals_app.services import parsing, rejections, signals
from tests.factories import WEBHOOK_SECRET, SourceFactory

SYMBOLS = frozenset({"BTC/USDT:USDT", "ETH/USDT:USDT", "BTC/USDT"})


@pytest.fixture(autouse=True)
def listed_symbols(monkeypatch) -> frozenset[str]:
    """The venue lists these; nothing is loaded over the network."""
    monkeypatch.setattr(signals, "known_symbols", lambda venue: SYMBOLS)
    monkeypatch.setattr(parsing.markets, "instruments", lambda venue: dict.fromkeys(SYMBOLS))
    return SYMBOLS


@pytest.fixture(autouse=True)
def wakes(monkeypatch) -> list[tuple[str, dict[str, Any]]]:
    """The tasks that were asked for, once their transaction was committed."""
    asked: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr("customers.wakeup.wake", lambda name, **ids: asked.append((name, ids)))
    return asked


@pytest.fixture(autouse=True)
def _fresh_rejection_budget() -> None:
    rejections.budget.clear()


@pytest.fixture
def source(db):
    return SourceFactory()


def signal_json(**changes: Any) -> dict[str, Any]:
    return {
        "action": "open",
        "symbol": "BTC/USDT:USDT",
        "side": "long",
        "size": "0.1",
        "size_basis": "base",
        "emitted_at": datetime.now(UTC).isoformat(),
        **changes,
    }


def signed(
    body: bytes,
    *,
    delivery_id: str = "msg_1",
    seconds_ago: int = 0,
    secret: str = WEBHOOK_SECRET,
) -> dict[str, str]:
    """The three headers, made by the reference library of Standard Webhooks."""
    at = datetime.fromtimestamp(int(time.time()) - seconds_ago, tz=UTC)
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": _signature(body, delivery_id, at, secret),
    }


def _signature(body: bytes, delivery_id: str, at: datetime, secret: str) -> str:
    try:
        return str(Webhook(secret).sign(delivery_id, at, body.decode()))
    except UnicodeDecodeError:  # the library signs text only
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = f"{delivery_id}.{int(at.timestamp())}.".encode() + body
        return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


@pytest.fixture
def deliver(source) -> Callable[..., Any]:
    """Post a body to the source's hook; signed unless headers are given."""

    def post(body: Any = None, *, to: str | None = None, headers=None, **signing: Any):
        raw = body if isinstance(body, bytes) else json.dumps(body or signal_json()).encode()
        return Client().post(
            f"/hooks/{to or source.pk}/",
            data=raw,
            content_type="application/json",
            headers=signed(raw, **signing) if headers is None else headers,
        )

    return post

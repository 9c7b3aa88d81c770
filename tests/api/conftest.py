"""Three worlds that must not see each other: a partner's, the rest of its tenant, a stranger's."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.test import Client

from customers.api.throttling import ApiKeyThrottle
from customers.models import ApiKey
from signals_app.models import SignalSource
from signals_app.services import signals
from tests import factories as make


@pytest.fixture(autouse=True)
def _quiet(monkeypatch) -> None:
    """No venue over the network, no broker, a fresh limit."""
    monkeypatch.setattr(signals, "known_symbols", lambda venue: frozenset({"BTC/USDT:USDT"}))
    monkeypatch.setattr("customers.wakeup.wake", lambda name, **ids: None)
    ApiKeyThrottle.reset()


class Caller:
    """A client that sends one key."""

    def __init__(self, token: str = "") -> None:
        self._client = Client(headers={"Authorization": f"Bearer {token}"} if token else None)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str):
        return self._client.generic(
            method.upper(),
            path,
            data=body if isinstance(body, bytes) else b"",
            content_type="application/json",
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )

    def get(self, path: str):
        return self("GET", path)

    def put(self, path: str, body: Any):
        return self("PUT", path, json.dumps(body).encode())

    def ids(self, path: str) -> set[str]:
        answer = self.get(path)
        assert answer.status_code == 200, answer.content
        return {row["id"] for row in answer.json()["results"]}


@dataclass
class World:
    """One follower's rows, from its customer to its trade, by the route that shows them."""

    tenant: Any
    partner: Any
    rows: dict[str, Any] = field(default_factory=dict)


def build_world(tenant: Any, partner: Any) -> World:
    customer = make.CustomerFactory(tenant=tenant, partner=partner)
    account = make.AccountFactory(customer=customer)
    make.CredentialFactory(account=account)
    strategy = make.StrategyFactory(source=make.SourceFactory(tenant=tenant), visibility="invite")
    make.StrategyInvitationFactory(strategy=strategy, customer=customer)
    subscription = make.SubscriptionFactory(strategy=strategy, account=account)
    intent = make.IntentFactory(subscription=subscription, status="filled")
    order = make.OrderFactory(intent=intent, state="filled")
    copied = make.CopiedPositionFactory(subscription=subscription)
    return World(
        tenant,
        partner,
        {
            "customers": customer,
            "accounts": account,
            "strategies": strategy,
            "subscriptions": subscription,
            "signals": intent.signal,
            "orders": order,
            "fills": make.FillFactory(order=order),
            "positions": make.PositionFactory(account=account),
            "copied-positions": copied,
            "trades": make.TradeFactory(copied_position=copied),
            "intents": intent,
        },
    )


@dataclass
class Scene:
    partners: World
    """Customers of the partner."""
    house: World
    """The same tenant's customers of nobody."""
    rivals: World
    """Another partner's in the same tenant."""
    strangers: World
    """Another tenant's."""
    partner_key: Caller
    tenant_key: Caller
    read_key: Caller
    """A tenant's key that may only read."""
    stranger_key: Caller
    nobody: Caller
    partner_source: Any
    manual_source: Any


@pytest.fixture
def scene(db) -> Scene:
    tenant = make.TenantFactory()
    partner, rival = make.PartnerFactory(tenant=tenant), make.PartnerFactory(tenant=tenant)
    stranger = make.TenantFactory()
    both = [ApiKey.Scope.READ, ApiKey.Scope.SIGNALS_WRITE]

    def key(token: str, **fields: Any) -> Caller:
        make.ApiKeyFactory(token=token, **{"scopes": both, **fields})
        return Caller(token)

    return Scene(
        partners=build_world(tenant, partner),
        house=build_world(tenant, None),
        rivals=build_world(tenant, rival),
        strangers=build_world(stranger, None),
        partner_key=key("partner-token", tenant=tenant, partner=partner),
        tenant_key=key("tenant-token", tenant=tenant),
        read_key=key("read-token", tenant=tenant, scopes=[ApiKey.Scope.READ]),
        stranger_key=key("stranger-token", tenant=stranger),
        nobody=Caller(),
        partner_source=make.SourceFactory(
            tenant=tenant, kind=SignalSource.Kind.PARTNER, partner=partner, secret=""
        ),
        manual_source=make.SourceFactory(tenant=tenant, kind=SignalSource.Kind.MANUAL, secret=""),
    )


LISTS = [
    "customers",
    "accounts",
    "strategies",
    "subscriptions",
    "signals",
    "orders",
    "fills",
    "positions",
    "copied-positions",
    "trades",
]

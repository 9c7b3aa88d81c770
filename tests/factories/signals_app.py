"""Factories of the models of signals_app."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import factory
from django.utils import timezone

from signals_app.models import (
    IntakeState,
    Leader,
    LeaderCredential,
    LeaderOrder,
    LeaderPosition,
    LeaderStop,
    LeaderTrade,
    RawDelivery,
    Signal,
    SignalSource,
    WebhookRejection,
)
from tests.factories.base import WEBHOOK_SECRET, TenantOwnedFactory, sha256, tenant_of


class SourceFactory(TenantOwnedFactory):
    class Meta:
        model = SignalSource

    name = factory.Sequence(lambda n: f"Source {n}")
    kind = SignalSource.Kind.WEBHOOK
    venue = "paper"
    secret = WEBHOOK_SECRET


class SignalFactory(TenantOwnedFactory):
    class Meta:
        model = Signal

    source = factory.SubFactory(SourceFactory)
    tenant = tenant_of("source")
    external_id = factory.Sequence(lambda n: f"msg_{n}")
    external_id_hash = factory.LazyAttribute(lambda made: sha256(made.external_id))
    action = Signal.Action.OPEN
    symbol = "BTC/USDT:USDT"
    side = Signal.Side.LONG
    size = Decimal("0.1")
    size_basis = Signal.SizeBasis.BASE
    emitted_at = factory.LazyFunction(timezone.now)
    received_at = factory.LazyAttribute(lambda made: made.emitted_at)
    expires_at = factory.LazyAttribute(lambda made: made.received_at + timedelta(seconds=60))


class RawDeliveryFactory(TenantOwnedFactory):
    class Meta:
        model = RawDelivery

    source = factory.SubFactory(SourceFactory, parser="channel_text")
    tenant = tenant_of("source")
    received_at = factory.LazyFunction(timezone.now)
    due_at = factory.LazyAttribute(lambda made: made.received_at)
    body = b"LONG 64000"
    body_bytes = factory.LazyAttribute(lambda made: len(made.body))
    content_hash = factory.LazyAttribute(lambda made: sha256(made.body.decode("latin-1")))


class IntakeStateFactory(TenantOwnedFactory):
    class Meta:
        model = IntakeState

    source = factory.SubFactory(SourceFactory)
    tenant = tenant_of("source")


class WebhookRejectionFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = WebhookRejection

    source_reference = "unknown"
    code = "unknown_source"
    received_at = factory.LazyFunction(timezone.now)


class LeaderSourceFactory(SourceFactory):
    kind = SignalSource.Kind.LEADER
    secret = ""


class LeaderFactory(TenantOwnedFactory):
    class Meta:
        model = Leader

    source = factory.SubFactory(LeaderSourceFactory)
    tenant = tenant_of("source")


class LeaderCredentialFactory(TenantOwnedFactory):
    class Meta:
        model = LeaderCredential

    leader = factory.SubFactory(LeaderFactory)
    tenant = tenant_of("leader")
    api_key = factory.Sequence(lambda n: f"leader-api-key-{n}")
    api_secret = factory.Sequence(lambda n: f"leader-api-secret-{n}")
    passphrase = "leader-passphrase"
    api_key_fingerprint = factory.LazyAttribute(lambda made: sha256(str(made.api_key)))
    status = LeaderCredential.Status.ACTIVE
    permissions = ["read_only"]


class LeaderPositionFactory(TenantOwnedFactory):
    class Meta:
        model = LeaderPosition

    leader = factory.SubFactory(LeaderFactory)
    tenant = tenant_of("leader")
    symbol = "BTC/USDT:USDT"
    quantity = Decimal(5)
    leverage = Decimal(3)
    margin_mode = "cross"
    changed_at = factory.LazyFunction(timezone.now)


class LeaderOrderFactory(TenantOwnedFactory):
    class Meta:
        model = LeaderOrder

    leader = factory.SubFactory(LeaderFactory)
    tenant = tenant_of("leader")
    venue_order_id = factory.Sequence(lambda n: f"resting-{n}")
    symbol = "BTC/USDT:USDT"
    side = "buy"
    price = Decimal(40_000)
    quantity = Decimal(5)
    exposure_before = Decimal(0)
    changed_at = factory.LazyFunction(timezone.now)


class LeaderTradeFactory(TenantOwnedFactory):
    class Meta:
        model = LeaderTrade

    leader = factory.SubFactory(LeaderFactory)
    tenant = tenant_of("leader")
    symbol = "BTC/USDT:USDT"
    trade_id = factory.Sequence(str)
    venue_order_id = factory.Sequence(lambda n: f"order-{n}")
    side = "buy"
    quantity = Decimal(5)
    price = Decimal(50_000)
    filled_at = factory.LazyFunction(timezone.now)
    recorded_at = factory.LazyFunction(timezone.now)


class LeaderStopFactory(TenantOwnedFactory):
    class Meta:
        model = LeaderStop

    leader = factory.SubFactory(LeaderFactory)
    tenant = tenant_of("leader")
    venue_stop_id = factory.Sequence(lambda n: f"stop-{n}")
    symbol = "BTC/USDT:USDT"
    stop_loss = Decimal(40_000)
    changed_at = factory.LazyFunction(timezone.now)

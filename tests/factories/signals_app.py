"""Factories of the models of signals_app."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import factory
from django.utils import timezone

from signals_app.models import Signal, SignalSource, WebhookRejection
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


class WebhookRejectionFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = WebhookRejection

    source_reference = "unknown"
    code = "unknown_source"
    received_at = factory.LazyFunction(timezone.now)

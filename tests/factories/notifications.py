"""Factories of the models of notifications."""

from __future__ import annotations

import factory
from django.utils import timezone

from notifications.models import Delivery, NotificationChannel
from tests.factories.base import TenantOwnedFactory, tenant_of


class NotificationChannelFactory(TenantOwnedFactory):
    class Meta:
        model = NotificationChannel

    name = factory.Sequence(lambda n: f"Channel {n}")
    kind = NotificationChannel.Kind.EMAIL
    addresses = ["ops@example.com"]


class DeliveryFactory(TenantOwnedFactory):
    class Meta:
        model = Delivery

    channel = factory.SubFactory(NotificationChannelFactory)
    tenant = tenant_of("channel")
    dedupe_key = factory.Sequence(lambda n: f"dedupe-{n}")
    subject = "Signal done"
    body = "57 filled"
    due_at = factory.LazyFunction(timezone.now)
    created_at = factory.LazyFunction(timezone.now)

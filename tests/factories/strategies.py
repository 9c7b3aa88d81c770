"""Factories of the models of strategies."""

from __future__ import annotations

import factory
from django.utils import timezone

from strategies.models import (
    CustomerSettings,
    PlatformSettings,
    SettingsVersion,
    Strategy,
    StrategyInvitation,
    Subscription,
    TenantSettings,
)
from tests.factories.base import TenantFactory, TenantOwnedFactory, tenant_of
from tests.factories.customers import AccountFactory, CustomerFactory
from tests.factories.signals_app import SourceFactory


class StrategyFactory(TenantOwnedFactory):
    class Meta:
        model = Strategy

    source = factory.SubFactory(SourceFactory)
    tenant = tenant_of("source")
    name = factory.Sequence(lambda n: f"Strategy {n}")


class StrategyInvitationFactory(TenantOwnedFactory):
    class Meta:
        model = StrategyInvitation

    strategy = factory.SubFactory(StrategyFactory)
    tenant = tenant_of("strategy")
    customer = factory.SubFactory(
        CustomerFactory, tenant=factory.SelfAttribute("..strategy.tenant")
    )


class SubscriptionFactory(TenantOwnedFactory):
    class Meta:
        model = Subscription

    strategy = factory.SubFactory(StrategyFactory)
    tenant = tenant_of("strategy")
    account = factory.SubFactory(
        AccountFactory, customer__tenant=factory.SelfAttribute("...strategy.tenant")
    )
    customer = factory.LazyAttribute(lambda made: made.account.customer)


class PlatformSettingsFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = PlatformSettings


class TenantSettingsFactory(TenantOwnedFactory):
    class Meta:
        model = TenantSettings

    tenant = factory.SubFactory(TenantFactory)


class CustomerSettingsFactory(TenantOwnedFactory):
    class Meta:
        model = CustomerSettings

    customer = factory.SubFactory(CustomerFactory)
    tenant = tenant_of("customer")


class SettingsVersionFactory(TenantOwnedFactory):
    class Meta:
        model = SettingsVersion

    tenant = factory.SubFactory(TenantFactory)
    level = SettingsVersion.Level.TENANT
    owner_id = factory.LazyAttribute(lambda made: made.tenant.pk)
    version = factory.Sequence(lambda n: n + 1)
    settings = factory.Dict({})
    changed_by = "staff@example.test"
    changed_at = factory.LazyFunction(timezone.now)

"""Factories of the models of strategies."""

from __future__ import annotations

import factory

from strategies.models import Strategy, Subscription
from tests.factories.base import TenantOwnedFactory, tenant_of
from tests.factories.customers import AccountFactory
from tests.factories.signals_app import SourceFactory


class StrategyFactory(TenantOwnedFactory):
    class Meta:
        model = Strategy

    source = factory.SubFactory(SourceFactory)
    tenant = tenant_of("source")
    name = factory.Sequence(lambda n: f"Strategy {n}")


class SubscriptionFactory(TenantOwnedFactory):
    class Meta:
        model = Subscription

    strategy = factory.SubFactory(StrategyFactory)
    tenant = tenant_of("strategy")
    account = factory.SubFactory(
        AccountFactory, customer__tenant=factory.SelfAttribute("...strategy.tenant")
    )
    customer = factory.LazyAttribute(lambda made: made.account.customer)

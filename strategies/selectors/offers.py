"""The strategies that somebody may see and begin to copy by himself."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from customers.models import ApiKey, Customer
from customers.tenancy import TenantQuerySet
from strategies.domain.admission import Visibility
from strategies.models import Strategy, StrategyInvitation, Subscription


def offered_to(customer: Customer) -> TenantQuerySet:
    """What this client may begin to copy now."""
    strategies = Strategy.objects.for_tenant(customer.tenant_id)
    invited = StrategyInvitation.objects.for_tenant(customer.tenant_id).filter(
        strategy_id=OuterRef("pk"), customer_id=customer.pk
    )
    return strategies.filter(
        Q(visibility=Visibility.PUBLIC) | Q(Exists(invited), visibility=Visibility.INVITE),
        status=Strategy.Status.ACTIVE,
    )


def offered_to_key(api_key: ApiKey) -> TenantQuerySet:
    """The firm's own key sees what any client may see, a partner's what its customers may."""
    invited = StrategyInvitation.objects.for_tenant(api_key.tenant_id).filter(
        strategy_id=OuterRef("pk")
    )
    if api_key.partner_id is not None:
        invited = invited.filter(customer__partner_id=api_key.partner_id)
    return Strategy.objects.for_tenant(api_key.tenant_id).filter(
        Q(visibility=Visibility.PUBLIC) | Q(Exists(invited), visibility=Visibility.INVITE)
    )


def with_copiers(strategies: QuerySet) -> QuerySet:
    """Each row says in `copiers` how many copies are not over."""
    running = (
        Subscription.objects.filter(strategy=OuterRef("pk"))
        .exclude(status=Subscription.Status.STOPPED)
        .order_by()
        .values("strategy")
        .annotate(count=Count("pk"))
        .values("count")
    )
    return strategies.annotate(copiers=Coalesce(Subquery(running), 0))


def places_left(strategy: Any) -> int | None:
    """Of a row of `with_copiers`; None where it is not limited."""
    most = strategy.max_copiers
    return None if most is None else max(most - strategy.copiers, 0)

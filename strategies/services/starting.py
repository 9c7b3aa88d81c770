"""The beginning of a copy: by staff, by the client in the portal, by API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import transaction

from customers.models import ExchangeAccount, User
from customers.services.audit import audit_record
from customers.services.events import EventDraft, customer_audience, events_record, staff_audience
from customers.tenancy import same_tenant
from strategies.admission_texts import refusal_text, refused_field
from strategies.domain.admission import Asked, Offer, Refusal, Visibility, start_refusal
from strategies.models import Strategy, StrategyInvitation, Subscription
from strategies.services.settings import SettingsRefusedError, content_take, settings_problems
from strategies.services.subscriptions import SubscriptionRefusedError
from strategies.signals import account_worth_asked, subscription_started


@dataclass(frozen=True, slots=True)
class Starter:
    """Who begins a copy; `actor` is None for an API key, which acts as its client does."""

    actor: User | None
    by_staff: bool
    ip_address: str | None = None


def subscription_draft(
    *, strategy: Strategy, account: ExchangeAccount, content: Mapping[str, Any]
) -> Subscription:
    """A copy that is not stored yet, with what it states. Raises SettingsRefusedError. Network: a
    venue's markets, if not known."""
    draft = Subscription(
        tenant_id=same_tenant(strategy, account),
        strategy=strategy,
        account=account,
        customer_id=account.customer_id,
    )
    problems = settings_problems(draft, content)
    if problems:
        raise SettingsRefusedError(problems)
    content_take(draft, content)
    return draft


def admission_refusal(
    *, strategy: Strategy, account: ExchangeAccount, by_staff: bool
) -> Refusal | None:
    """Why this account may not begin to copy this strategy now. Takes the strategy's row until the
    end of the transaction: whoever wants the same place asks after that."""
    assert transaction.get_connection().in_atomic_block
    tenant_id = same_tenant(strategy, account)
    locked = Strategy.objects.for_tenant(tenant_id).select_for_update().get(pk=strategy.pk)
    copies = Subscription.objects.for_tenant(tenant_id).filter(strategy_id=strategy.pk)
    running = copies.exclude(status=Subscription.Status.STOPPED)
    invited = StrategyInvitation.objects.for_tenant(tenant_id).filter(
        strategy_id=strategy.pk, customer_id=account.customer_id
    )
    offer = Offer(
        visibility=Visibility(locked.visibility),
        is_active=locked.status == Strategy.Status.ACTIVE,
        max_copiers=locked.max_copiers,
        copiers=0 if locked.max_copiers is None else running.count(),
        min_equity=locked.min_equity,
    )
    asked = Asked(
        by_staff=by_staff,
        is_invited=invited.exists(),
        account_is_open=account.status != ExchangeAccount.Status.CLOSED,
        copies_already=running.filter(account_id=account.pk).exists(),
        worth=None if locked.min_equity is None else _worth(account),
    )
    return start_refusal(offer, asked)


def _worth(account: ExchangeAccount) -> Decimal | None:
    answers = account_worth_asked.send(sender=ExchangeAccount, account=account)
    known: list[Any] = [worth for _, worth in answers if worth is not None]
    return known[0] if known else None


@transaction.atomic
def subscription_start(*, subscription: Subscription, starter: Starter) -> Subscription:
    """Store a new copy whose settings are checked already, if the strategy admits it; what its
    leader holds already is entered if its settings say so. Raises SubscriptionRefusedError."""
    refusal = admission_refusal(
        strategy=subscription.strategy, account=subscription.account, by_staff=starter.by_staff
    )
    if refusal is not None:
        raise SubscriptionRefusedError(refusal.code, refusal_text(refusal), refused_field(refusal))
    subscription.save(force_insert=True)
    audit_record(
        action="subscription.started",
        actor=starter.actor,
        tenant_id=subscription.tenant_id,
        target=f"strategies.subscription:{subscription.pk}",
        details={"strategy": subscription.strategy_id, "account": subscription.account_id},
        ip_address=starter.ip_address,
    )
    payload = {"subscription": subscription.pk, "status": subscription.status}
    audiences = staff_audience(subscription.tenant_id), customer_audience(subscription.customer_id)
    events_record(
        EventDraft(subscription.tenant_id, audience, "subscription.changed", payload)
        for audience in audiences
    )
    subscription_started.send(sender=Subscription, subscription=subscription)
    return subscription

"""The latest that a client was told, as lines to read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from customers.models import Customer, Event, ExchangeAccount
from customers.services.events import customer_audience
from strategies.models import Subscription
from trading.models import Intent, Order
from trading.order_texts import action_text, change_text, followed_text
from trading.reason_texts import reason_text

FEED_SIZE = 20
# Positions change with every fill, which has a line of its own.
FEED_KINDS = (
    "order.changed",
    "account.health",
    "account.key",
    "subscription.changed",
    "copy.leader_changed",
)


@dataclass(frozen=True, slots=True)
class FeedLine:
    at: datetime
    kind: str
    title: str
    status: str = ""
    status_label: str = ""
    detail: str = ""
    account: str = ""
    intent_id: str = ""
    quantity: str = ""
    price: str = ""


def feed_lines(customer: Customer, *, size: int = FEED_SIZE) -> list[FeedLine]:
    """Newest first; only what the relay has numbered, in the order in which it was pushed."""
    events = list(
        Event.objects.for_tenant(customer.tenant_id)
        .filter(
            audience=customer_audience(customer.pk), kind__in=FEED_KINDS, sequence__isnull=False
        )
        .order_by("-sequence")[:size]
    )
    intents = {
        intent.pk: intent
        for intent in Intent.objects.for_customer(customer)
        .filter(pk__in=_named(events, "intent"))
        .select_related("signal")
    }
    accounts = dict(ExchangeAccount.objects.for_customer(customer).values_list("pk", "label"))
    copies = {
        copy.pk: copy.strategy.name
        for copy in Subscription.objects.for_customer(customer)
        .filter(pk__in=_named(events, "subscription"))
        .select_related("strategy")
    }
    lines = [_line(event, intents, accounts, copies) for event in events]
    return [line for line in lines if line.title]


def _named(events: list[Event], key: str) -> set[str]:
    """The ids under a key of the payloads; an empty set costs no query."""
    return {str(event.payload[key]) for event in events if event.payload.get(key)}


def _line(
    event: Event, intents: dict[str, Intent], accounts: dict[str, str], copies: dict[str, str]
) -> FeedLine:
    payload = event.payload
    account = accounts.get(payload.get("account", ""), "")
    if event.kind == "order.changed":
        return _order_line(
            event.created_at, payload, intents.get(payload.get("intent", "")), account
        )
    detail = copies.get(payload.get("subscription", ""), "")
    if event.kind in ("account.health", "account.key"):
        detail = reason_text(payload.get("code", ""), payload.get("params"))
    if event.kind == "copy.leader_changed":
        detail = f"{detail}: {followed_text(payload)}"
    return FeedLine(
        at=event.created_at,
        kind=event.kind,
        title=change_text(event.kind, payload),
        status=str(payload.get("health") or payload.get("status") or ""),
        detail=detail,
        account=account,
    )


def _order_line(
    at: datetime, payload: dict[str, Any], intent: Intent | None, account: str
) -> FeedLine:
    status = str(payload.get("status", ""))
    symbol = str(payload.get("symbol", ""))
    signal = intent.signal if intent else None
    action = action_text(
        symbol=symbol,
        side=str(payload.get("side", "")),
        is_entry=intent.is_entry if intent else True,
        position_side=signal.side if signal else "",
    )
    filled = payload.get("filled") or ""
    return FeedLine(
        at=at,
        kind="order.changed",
        title=f"{action} {symbol.partition(':')[0]}",
        status=status,
        status_label=_status_label(status),
        detail=reason_text(payload.get("reason_code", ""), payload.get("reason_params")),
        account=account,
        intent_id=intent.pk if intent else "",
        quantity="" if str(filled) in ("", "0") else str(filled),
        price=str(payload.get("average_price") or ""),
    )


def _status_label(status: str) -> str:
    for choices in (Intent.Status, Order.State):
        if status in choices.values:
            return str(choices(status).label)
    return status

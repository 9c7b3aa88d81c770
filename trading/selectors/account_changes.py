"""What was done on an account at the exchange, not by copying, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from customers.models import Customer, ExchangeAccount
from trading.finding_texts import finding_text
from trading.models import Finding

NEWEST = 20


@dataclass(frozen=True, slots=True)
class AccountChange:
    at: datetime
    text: str
    copy: str
    """The strategy whose copy it concerns, if it is one's."""


def account_changes(customer: Customer, account: ExchangeAccount) -> list[AccountChange]:
    """The newest first. One query."""
    rows = (
        Finding.objects.for_customer(customer)
        .filter(account=account)
        .select_related("subscription__strategy")
        .order_by("-pk")[:NEWEST]
    )
    return [
        AccountChange(
            at=row.first_seen_at,
            text=finding_text(row.kind, {**row.params, "symbol": row.symbol}),
            copy="" if row.subscription is None else row.subscription.strategy.name,
        )
        for row in rows
    ]

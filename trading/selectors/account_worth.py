"""What an account is worth, for who asks before a copy begins."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from django.utils import timezone

from customers.models import ExchangeAccount
from trading.domain.portfolio.figures import Coins, account_equity
from trading.models import Balance

READ_WITHIN = timedelta(minutes=15)
"""Longer than between two readings of an account that can be read."""


def account_worth(account: ExchangeAccount) -> Decimal | None:
    """In dollars, as it was read last; None when that is too long ago, or a part has no value."""
    if account.synced_at is None or timezone.now() - account.synced_at > READ_WITHIN:
        return None
    rows = Balance.objects.for_tenant(account.tenant_id).filter(account_id=account.pk)
    coins = [Coins(*row) for row in rows.values_list("currency", "equity", "equity_usd")]
    worth, _ = account_equity(coins, {}, {})
    return worth

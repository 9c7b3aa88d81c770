"""Deposits to the customer's wallet at the exchange, and withdrawals from it: named once each."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from customers.deadlocks import retry_on_deadlock
from trading.domain.reconciliation import FindingKind
from trading.models import AccountBill, AccountBooks
from trading.services.reconciliation.findings import Found, findings_note
from trading.services.reconciliation.readings import AccountReading

logger = logging.getLogger(__name__)


def wallet_moves_take(*, tenant_id: str, readings: Sequence[AccountReading]) -> None:
    """Of those that were asked for them. In the tenant's scope."""
    for reading in readings:
        if reading.wallet_moves is not None and not reading.wallet_moves.unreadable:
            _take_one(reading)


def _take_one(reading: AccountReading) -> None:
    """What fails holds up no other: it is asked for again."""
    try:
        retry_on_deadlock(lambda: _take(reading))
    except (OperationalError, InterfaceError):
        raise  # the database, not an account
    except Exception:
        logger.exception("deposits of account %s could not be taken", reading.account.pk)


@transaction.atomic
def _take(reading: AccountReading) -> None:
    account, now = reading.account, timezone.now()
    rows = AccountBooks.objects.for_tenant(account.tenant_id).select_for_update()
    books = rows.filter(account_id=account.pk).first()
    if books is None:
        return
    moves = list(reading.wallet_moves or ())
    known = set(
        AccountBill.objects.for_tenant(account.tenant_id)
        .filter(account_id=account.pk, bill_id__in=[move.move_id for move in moves])
        .values_list("bill_id", flat=True)
    )
    found = []
    for move in sorted(moves, key=lambda move: move.moved_at_ms):
        moved_at = datetime.fromtimestamp(move.moved_at_ms / 1000, tz=UTC)
        if move.move_id in known or moved_at < books.since:
            continue
        is_deposit = move.amount > 0
        kinds = AccountBill.Kind
        AccountBill.objects.create(
            tenant_id=account.tenant_id,
            account_id=account.pk,
            bill_id=move.move_id,
            kind=kinds.DEPOSIT if is_deposit else kinds.WITHDRAWAL,
            currency=move.currency,
            amount=move.amount,
            occurred_at=moved_at,
            created_at=now,
        )
        kind = FindingKind.DEPOSIT if is_deposit else FindingKind.WITHDRAWAL
        params = {"quantity": _text(abs(move.amount)), "currency": move.currency}
        found.append(Found(kind, ("", "net"), params))
    findings_note(account, found, now)
    books.wallet_read_until = reading.asked_at_venue
    books.save(update_fields=["wallet_read_until"])


def _text(amount: Decimal) -> str:
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text

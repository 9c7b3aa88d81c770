"""The second opinion on working orders: all that an account has open, in one question.

What the list says otherwise than we do is looked up; nothing is concluded from the list itself.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from django.utils import timezone

from customers.models import ExchangeAccount
from customers.wakeup import wake
from trading.domain.order_states import OrderState
from trading.domain.reconciliation import needs_a_look
from trading.models import AccountBooks, Order
from trading.services.credentials import credentials_of_accounts
from trading.services.reconciliation.readings import AccountReading
from trading.services.reconciliation.unknown_orders import (
    unknown_orders_note,
    unknown_orders_repair,
)
from venues.domain.types import Credentials, VenueError
from venues.gateway import UnknownVenueError
from venues.runtime import gateway_for, run_batches

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 8.0
"""One that answers later has its turn again by then."""
_AT_VENUE = (OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED)
_UNPROVEN = (OrderState.UNKNOWN, OrderState.NOT_PLACED)


def open_orders_reread(*, tenant_id: str, account_ids: Sequence[str]) -> int:
    """List what is open on these accounts and compare; how many answered.

    One that does not is no failure of it: its next reading finds out. In the tenant's scope.
    """
    accounts = list(
        ExchangeAccount.objects.for_tenant(tenant_id)
        .filter(pk__in=account_ids)
        .exclude(status=ExchangeAccount.Status.CLOSED)
    )
    keys = credentials_of_accounts(tenant_id=tenant_id, account_ids=[row.pk for row in accounts])
    asking = [
        _ask(account, opened)
        for account in accounts
        if isinstance(opened := keys.get(account.pk), Credentials)
    ]
    answered = 0
    if asking:
        for batch in run_batches(asking, timeout_seconds=TIMEOUT_SECONDS):
            readings = [reading for reading in batch if reading is not None]
            open_orders_compare(tenant_id=tenant_id, readings=readings)
            answered += len(readings)
    return answered


async def _ask(account: ExchangeAccount, credentials: Credentials) -> AccountReading | None:
    try:
        gateway = gateway_for(account.venue)
        asked_at = timezone.now()
        now_ms = gateway.clock.now_ms()
        open_orders = await gateway.open_orders(credentials)
    except (VenueError, UnknownVenueError) as error:
        logger.warning("open orders of account %s: %s", account.pk, error)
        return None
    at_venue = datetime.fromtimestamp(now_ms / 1000, tz=asked_at.tzinfo)
    return AccountReading(account, asked_at, at_venue, open_orders=open_orders)


def open_orders_compare(*, tenant_id: str, readings: Sequence[AccountReading]) -> None:
    """Whatever of ours the lists show otherwise is looked up at once; what has an id like ours and
    is not is noted. A fixed number of statements while there is nothing to say."""
    if not readings:
        return
    _look_up(tenant_id, _doubtful(tenant_id, readings))
    unknown_orders_note(tenant_id, readings)
    unknown_orders_repair(tenant_id, readings)
    books = AccountBooks.objects.for_tenant(tenant_id).filter(
        account_id__in=[reading.account.pk for reading in readings]
    )
    asked_at = min(reading.asked_at for reading in readings)
    books.update(orders_read_at=asked_at, orders_tried_at=asked_at)


def _doubtful(tenant_id: str, readings: Sequence[AccountReading]) -> list[str]:
    """Our orders that are shown otherwise than we know them, as of now: what a stream told since
    the question is in the rows."""
    by_account = {reading.account.pk: reading for reading in readings}
    shown = {reading.account.pk: reading.shown_filled() for reading in readings}
    rows = Order.objects.for_tenant(tenant_id).filter(
        account_id__in=list(by_account),
        state__in=[str(state) for state in (*_AT_VENUE, *_UNPROVEN)],
    )
    found = []
    columns = ("pk", "account_id", "state", "filled_quantity", "acknowledged_at")
    for pk, account_id, state, filled, acknowledged_at in rows.values_list(*columns):
        listed = shown[account_id].get(pk)
        if state in _UNPROVEN:
            # What becomes of it when it is not listed is the look-ups' to prove.
            if listed is not None:
                found.append(pk)
            continue
        reading = by_account[account_id]
        if listed is None and (
            reading.open_orders.unreadable
            or acknowledged_at is None
            or acknowledged_at >= reading.asked_at
        ):
            continue  # the list may not have had it
        if needs_a_look(filled, listed):
            found.append(pk)
    return found


def _look_up(tenant_id: str, order_ids: Sequence[str]) -> None:
    if not order_ids:
        return
    now = timezone.now()
    rows = Order.objects.for_tenant(tenant_id).filter(pk__id_in=order_ids)
    rows.exclude(check_at__lte=now).update(check_at=now)
    wake("trading.tasks.orders_check", order_ids=list(order_ids), tenant_id=tenant_id)

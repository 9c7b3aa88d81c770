"""Orders at the exchange with an id like ours that we did not place.

By the policy to repair they are cancelled, after a grace and only when nothing of ours can be
behind them: docs/reconciliation.md says what is asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from customers.models import ExchangeAccount
from customers.tenancy import system_scope
from trading.domain.reconciliation import FindingKind, Policy, has_our_form
from trading.models import Finding, Order
from trading.services.credentials import credentials_of_accounts
from trading.services.reconciliation.deciding import FindingDecisionError, finding_settle
from trading.services.reconciliation.findings import Found, findings_note
from trading.services.reconciliation.readings import AccountReading
from venues.domain.types import (
    Credentials,
    Lookup,
    LookupResult,
    OrderSnapshot,
    VenueError,
    VenueOrderState,
)
from venues.gateway import UnknownVenueError
from venues.runtime import gateway_for, run_batches

logger = logging.getLogger(__name__)

GRACE = timedelta(minutes=2)
"""An order of ours is in our books before it leaves. This is longer than a database that is behind
or was away, another installation's hand-over, or a sender's last answer takes."""
TIMEOUT_SECONDS = 15.0
_ENDED = frozenset({VenueOrderState.CANCELLED, VenueOrderState.FILLED})
_Doomed = tuple[AccountReading, OrderSnapshot, Finding]


def unknown_orders_note(tenant_id: str, readings: Sequence[AccountReading]) -> None:
    """Each is found once, however often it is listed. In the tenant's scope."""
    shown = [
        (reading.account, order)
        for reading in readings
        for order in reading.open_orders
        if has_our_form(order.client_order_id)
    ]
    if not shown:
        return
    ids = {order.client_order_id for _, order in shown}
    ours = set(
        Order.objects.for_tenant(tenant_id).filter(pk__id_in=ids).values_list("pk", "account_id")
    )
    for account, order in shown:
        if (order.client_order_id, account.pk) not in ours:
            _note(account, order)


def _note(account: ExchangeAccount, order: OrderSnapshot) -> None:
    now = timezone.now()
    open_key = f"order:{account.pk}:{order.venue_order_id}"
    rows = Finding.objects.for_tenant(account.tenant_id).filter(
        account_id=account.pk,
        kind=FindingKind.UNKNOWN_ORDER,
        params__venue_order=order.venue_order_id,
    )
    if rows.update(last_seen_at=now):
        return
    params = {"order": order.client_order_id, "venue_order": order.venue_order_id}
    found = Found(
        FindingKind.UNKNOWN_ORDER,
        (order.symbol, order.position_side),
        params,
        open_key=open_key,
    )
    with transaction.atomic():
        findings_note(account, [found], now)


def unknown_orders_repair(tenant_id: str, readings: Sequence[AccountReading]) -> None:
    """Cancel those of these that are proven nobody's of ours, where that is the policy.

    The finding is closed when the exchange says that the order has ended. In the tenant's scope.
    """
    doomed = _doomed(tenant_id, readings)
    if not doomed:
        return
    accounts = {reading.account.pk for reading, _, _ in doomed}
    keys = credentials_of_accounts(tenant_id=tenant_id, account_ids=sorted(accounts))
    asking = [
        _cancel(reading.account, opened, order, finding)
        for reading, order, finding in doomed
        if isinstance(opened := keys.get(reading.account.pk), Credentials)
    ]
    if not asking:
        return
    for batch in run_batches(asking, timeout_seconds=TIMEOUT_SECONDS):
        for finding, lookup in batch:
            _conclude(finding, lookup)


def _doomed(tenant_id: str, readings: Sequence[AccountReading]) -> list[_Doomed]:
    """Working now, found and placed longer ago than the grace, and in nobody's books."""
    now = timezone.now()
    rows = Finding.objects.for_tenant(tenant_id).filter(
        account_id__in=[reading.account.pk for reading in readings],
        kind=FindingKind.UNKNOWN_ORDER,
        state=Finding.State.OPEN,
        policy=Policy.REPAIR,
        first_seen_at__lte=now - GRACE,
    )
    findings = {(row.account_id, row.params.get("venue_order")): row for row in rows}
    if not findings:
        return []
    found = []
    for reading in readings:
        placed_before_ms = (reading.asked_at_venue - GRACE).timestamp() * 1000
        for order in reading.open_orders:
            finding = findings.get((reading.account.pk, order.venue_order_id))
            if finding is not None and 0 < order.created_at_ms <= placed_before_ms:
                found.append((reading, order, finding))
    # The same exchange account may be another customer's or firm's here, too.
    with system_scope("reconciliation: whether an order at the exchange is anybody's here"):
        ids = [order.client_order_id for _, order, _ in found]
        known = set(Order.objects.filter(pk__id_in=ids).values_list("pk", flat=True))
    return [each for each in found if each[1].client_order_id not in known]


async def _cancel(
    account: ExchangeAccount, credentials: Credentials, order: OrderSnapshot, finding: Finding
) -> tuple[Finding, Lookup]:
    """Only what it says afterwards proves it, whatever the request was answered."""
    symbol, client_order_id = order.symbol, order.client_order_id
    try:
        gateway = gateway_for(account.venue)
    except UnknownVenueError as error:
        return finding, Lookup(LookupResult.NO_EVIDENCE, detail=str(error))
    try:
        await gateway.cancel_order(credentials, symbol=symbol, client_order_id=client_order_id)
    except VenueError as error:
        logger.warning("cancelling order %s of others: %s", order.venue_order_id, error)
    lookup = await gateway.find_order(credentials, symbol=symbol, client_order_id=client_order_id)
    return finding, lookup


def _conclude(finding: Finding, lookup: Lookup) -> None:
    """Anything else than its end is tried again by the next look."""
    order = lookup.order
    if order is None or order.venue_order_id != finding.params["venue_order"]:
        return
    if order.state not in _ENDED:
        return
    cancelled = order.state is VenueOrderState.CANCELLED
    try:
        finding_settle(
            tenant_id=finding.tenant_id,
            finding_id=finding.pk,
            outcome=Finding.Outcome.REPAIRED if cancelled else Finding.Outcome.PASSED,
            actor=None,
            note=finding.note,
        )
    except FindingDecisionError:
        logger.info("finding %s was closed meanwhile", finding.pk)

"""Stop orders of ours that went without our asking, while what they guarded is still held.

Another one takes its place at once, whatever the policy (services/stops): the copy's settings ask
for it, and who wants none changes them. That it happened is found here, when the venue still shows
the position: stops go with their position, too, and that may be heard of first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from trading.domain.reconciliation import FindingKind, Policy
from trading.domain.stops.states import StopState
from trading.models import Finding, StopOrder
from trading.services.reconciliation.deciding import finding_settle
from trading.services.reconciliation.extra_stops import amount_text
from trading.services.reconciliation.findings import Found, findings_note
from trading.services.reconciliation.readings import AccountReading

LASTS = timedelta(days=1)
"""What went longer ago was found by then."""


def stops_missing_note(*, tenant_id: str, readings: Sequence[AccountReading]) -> None:
    """Each is found once. One query while there is none. In the tenant's scope."""
    by_account = {reading.account.pk: reading for reading in readings if reading.is_complete}
    gone = _gone(tenant_id, by_account)
    if not gone:
        return
    noted = Finding.objects.for_tenant(tenant_id).filter(
        account_id__in={stop.account_id for stop in gone},
        kind=FindingKind.STOP_MISSING,
        first_seen_at__gt=timezone.now() - 2 * LASTS,
    )
    known = {params.get("stop") for params in noted.values_list("params", flat=True)}
    for stop in gone:
        if stop.pk not in known:
            _note(by_account[stop.account_id], stop)


def _gone(tenant_id: str, readings: Mapping[str, AccountReading]) -> list[StopOrder]:
    if not readings:
        return []
    rows = StopOrder.objects.for_tenant(tenant_id).filter(
        ~Q(copied_position__filled=Decimal(0)),
        account_id__in=list(readings),
        state=StopState.CANCELLED,
        cancel_requested_at=None,
        finished_at__gt=timezone.now() - LASTS,
        opened_at=F("copied_position__opened_at"),
    )
    return [stop for stop in rows if _is_still_held(stop, readings[stop.account_id])]


def _is_still_held(stop: StopOrder, reading: AccountReading) -> bool:
    if stop.finished_at is None or stop.finished_at > reading.asked_at:
        return False
    return (stop.symbol, stop.position_side) in reading.held()


def _note(reading: AccountReading, stop: StopOrder) -> None:
    params = {
        "stop": stop.pk,
        "side": stop.side,
        "quantity": amount_text(stop.quantity),
        "stop_loss": amount_text(stop.stop_loss),
        "take_profit": amount_text(stop.take_profit),
    }
    found = Found(
        FindingKind.STOP_MISSING,
        (stop.symbol, stop.position_side),  # type: ignore[arg-type]  # written by ourselves
        params,
        subscription_id=stop.subscription_id,
        open_key=f"stop_missing:{stop.pk}",
    )
    now = timezone.now()
    with transaction.atomic():
        (finding,) = findings_note(reading.account, [found], now)
        stored = Finding.objects.for_tenant(finding.tenant_id).filter(pk=finding.pk)
        if finding.policy == Policy.REPAIR and stored.exists():
            finding_settle(
                tenant_id=finding.tenant_id,
                finding_id=finding.pk,
                outcome=Finding.Outcome.REPAIRED,
                actor=None,
                note="",
            )

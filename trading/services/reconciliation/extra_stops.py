"""Stop orders on an account that are not ours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from customers.models import ExchangeAccount
from trading.domain.reconciliation import FindingKind
from trading.models import Finding
from trading.services.reconciliation.deciding import FindingDecisionError, finding_settle
from trading.services.reconciliation.findings import Found, findings_note
from trading.services.reconciliation.readings import AccountReading
from trading.services.stops.strangers import stops_listed
from venues.domain.types import StopSnapshot

LASTS = timedelta(days=7)
"""What was not listed for so long is found anew."""


def stops_compare(*, tenant_id: str, readings: Sequence[AccountReading]) -> None:
    """Each is found once while it is listed; the finding passes when it is gone. Two statements
    while nothing changes. In the tenant's scope."""
    told = {
        reading.account.pk: (reading.account, reading.stops)
        for reading in readings
        if reading.stops is not None and not reading.stops.unreadable
    }
    if not told:
        return
    now = timezone.now()
    rows = Finding.objects.for_tenant(tenant_id).filter(
        account_id__in=list(told), kind=FindingKind.STOP_EXTRA, last_seen_at__gt=now - LASTS
    )
    known = {(row.account_id, row.params.get("stop")): row for row in rows}
    ours = stops_listed(
        tenant_id=tenant_id,
        listings={
            reading.account.pk: (reading.asked_at, reading.stops)
            for reading in readings
            if reading.stops is not None and reading.account.pk in told
        },
    )
    seen = []
    for account_id, (account, stops) in told.items():
        listed = {stop.venue_stop_id: stop for stop in stops if stop.client_stop_id not in ours}
        for stop_id, stop in listed.items():
            row = known.get((account_id, stop_id))
            if row is None:
                _note(account, stop)
            else:
                seen.append(row.pk)
        for (of_account, stop_id), row in known.items():
            if of_account == account_id and stop_id not in listed:
                _pass(row)
    if seen:
        rows.filter(pk__in=seen).update(last_seen_at=now)


def _note(account: ExchangeAccount, stop: StopSnapshot) -> None:
    params = {
        "stop": stop.venue_stop_id,
        "side": stop.side or "",
        "quantity": amount_text(stop.quantity),
        "stop_loss": amount_text(stop.stop_loss_trigger),
        "take_profit": amount_text(stop.take_profit_trigger),
    }
    found = Found(
        FindingKind.STOP_EXTRA,
        (stop.symbol, stop.position_side),
        params,
        open_key=f"stop:{account.pk}:{stop.venue_stop_id}",
    )
    with transaction.atomic():
        findings_note(account, [found], timezone.now())


def _pass(finding: Finding) -> None:
    if finding.state != Finding.State.OPEN:
        return
    try:
        finding_settle(
            tenant_id=finding.tenant_id,
            finding_id=finding.pk,
            outcome=Finding.Outcome.PASSED,
            actor=None,
            note="",
        )
    except FindingDecisionError:
        return  # closed meanwhile


def amount_text(amount: Decimal | None) -> str:
    """For a reader, who may be told that there is none."""
    if amount is None:
        return "–"
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text

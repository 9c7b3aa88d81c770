"""Leverages that a venue refused, while orders or stops were there that may have been why."""

from __future__ import annotations

from collections.abc import Sequence

from trading.models import LeverageRefusal
from trading.services.reconciliation.readings import AccountReading


def refused_leverages_compare(*, tenant_id: str, readings: Sequence[AccountReading]) -> None:
    """Forget those in whose symbol there are fewer by now, the client's own counted as well. One
    query while nothing is refused."""
    told = {
        reading.account.pk: reading
        for reading in readings
        if reading.is_complete and reading.stops is not None and not reading.stops.unreadable
    }
    refusals = LeverageRefusal.objects.for_tenant(tenant_id)
    for row in refusals.filter(account_id__id_in=list(told)):
        reading = told[row.account_id]
        if row.refused_at >= reading.asked_at:
            continue
        working = [*reading.open_orders, *(reading.stops or ())]
        count = sum(each.symbol == row.symbol for each in working)
        same = refusals.filter(pk=row.pk, refused_at=row.refused_at)
        if row.in_the_way is None:
            same.update(in_the_way=count)
        elif count < row.in_the_way:
            same.delete()

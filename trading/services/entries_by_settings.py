"""Entries that wait although their copy opens nothing any more: a level was set to close only or
monitor only after they were decided."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from django.db.models import Q
from django.utils import timezone

from customers.tenancy import system_scope, tenant_scope
from strategies.selectors.entry_flags import entry_flags
from trading.domain.order_states import LIVE_STATES
from trading.domain.reasons import Reason, ReasonCode
from trading.models import Order
from trading.services.cancelling import entries_stop
from trading.services.outgoing import OutgoingOrder

CHUNK = 2000
_LIVE = [str(state) for state in LIVE_STATES]


def entries_stop_where_settings_say() -> int:
    """Waiting entries of these copies and symbols are to be cancelled; returns how many."""
    after, marked = "", 0
    while True:
        with system_scope("sweep: entries that wait although nothing is opened any more"):
            rows = list(
                Order.objects.filter(
                    Q(withdrawn_by="") | Q(amended_price__isnull=False),
                    pk__gt=after,
                    is_entry=True,
                    state__in=_LIVE,
                    cancel_requested_at=None,
                )
                .order_by("pk")
                .values_list("pk", "tenant_id", "subscription_id", "symbol")[:CHUNK]
            )
            flags = entry_flags({(copy, symbol) for _, _, copy, symbol in rows})
        due: dict[str, list[str]] = defaultdict(list)
        for pk, tenant_id, copy, symbol in rows:
            if (copy, symbol) in flags:
                due[tenant_id].append(pk)
        now = timezone.now()
        for tenant_id, ids in due.items():
            with tenant_scope(tenant_id):
                marked += entries_stop(tenant_id=tenant_id, entries=Q(pk__in=ids), now=now)
        if len(rows) < CHUNK:
            return marked
        after = rows[-1][0]


def settings_denials(orders: Sequence[OutgoingOrder]) -> dict[str, Reason]:
    """Of entries that are about to leave long after they were decided. In the tenant's scope."""
    flags = entry_flags({(order.subscription_id, order.symbol) for order in orders})
    return {
        order.id: Reason(ReasonCode.CANCELLED_BY_PAUSE)
        for order in orders
        if (order.subscription_id, order.symbol) in flags
    }

"""The common case of an answer, written in bulk: SENDING orders that the venue accepted.

Everything else goes through order_updates; this is its ACCEPT step without its generality, for
an acceptance moves no target, no holding and no intent. It is no event either: the row has its time
(`trading/selectors/order_events.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction
from django.utils import timezone

from customers.bulk_rows import rows_update
from trading.domain.order_states import OrderState, OrderTrigger, advance
from trading.models import Order


def acknowledgements_apply(*, tenant_id: str, venue_order_ids: Mapping[str, str]) -> set[str]:
    """Write ACCEPTED with the venue's id for these orders; returns the ids written.

    All or nothing: when one of them is not SENDING any more, nothing is written and the caller
    takes the general way, which looks at each order's own state.
    """
    if not venue_order_ids:
        return set()
    now = timezone.now()
    accepted = advance(OrderState.SENDING, OrderTrigger.ACCEPT)
    with transaction.atomic():
        written = rows_update(
            Order,
            {pk: {"venue_order_id": venue_id} for pk, venue_id in venue_order_ids.items()},
            ("venue_order_id",),
            same={"state": accepted, "acknowledged_at": now, "check_at": now},
            only_if={"state": OrderState.SENDING},
        )
        if written != len(venue_order_ids):
            transaction.set_rollback(True)
            return set()
    return set(venue_order_ids)

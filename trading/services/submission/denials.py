"""What time or an operator may change at any moment until an order leaves."""

from __future__ import annotations

import logging

from django.db import DatabaseError, connection
from django.db.models import Q
from django.utils import timezone

from customers.tenancy import tenant_scope
from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk import control_denial
from trading.models import Order
from trading.services.control_state import controls_for, leaving_denial
from trading.services.outgoing import OutgoingOrder
from trading.services.waiting import withdrawal_reason

logger = logging.getLogger(__name__)


def expiry_denial(order: OutgoingOrder) -> Reason | None:
    if not order.is_entry or order.expires_at is None:
        return None
    late = (timezone.now() - order.expires_at).total_seconds()
    if late <= 0:
        return None
    return Reason(ReasonCode.SIGNAL_EXPIRED, {"late_seconds": f"{late:.1f}"})


def cancel_denial(withdrawn_by: str = "") -> Reason:
    """Of an entry that is not wanted any more; `withdrawn_by`: if a person or a pause asked."""
    if withdrawn_by:
        return withdrawal_reason(withdrawn_by)
    return Reason(ReasonCode.OVERTAKEN)


def switch_denial(order: OutgoingOrder) -> Reason | None:
    """By kill switches and breakers."""
    controls = controls_for(
        tenant_id=order.tenant_id,
        strategy_id=order.strategy_id,
        customer_id=order.customer_id,
        venue=order.venue,
    )
    return control_denial(controls, is_entry=order.is_entry)


def denial_after_waiting(order: OutgoingOrder) -> Reason | None:
    """All of these once more, for an order that waited. In a thread of its own: it asks the
    database. An entry that cannot be asked for does not leave."""
    try:
        with tenant_scope(order.tenant_id):
            rows = Order.objects.for_tenant(order.tenant_id).filter(pk=order.id)
            unwanted = rows.filter(Q(cancel_requested_at__isnull=False) | ~Q(withdrawn_by=""))
            for withdrawn_by in unwanted.values_list("withdrawn_by", flat=True):
                return cancel_denial(withdrawn_by)
            return expiry_denial(order) or switch_denial(order)
    except DatabaseError as error:
        logger.error("order %s could not be checked before it leaves: %s", order.id, error)
        return Reason(ReasonCode.CONTROL_STALE) if order.is_entry else None
    finally:
        connection.close()


def denial_at_the_last(order: OutgoingOrder) -> Reason | None:
    """In the moment in which the order leaves, by what this process knows: no database, no wait."""
    return expiry_denial(order) or leaving_denial(order)

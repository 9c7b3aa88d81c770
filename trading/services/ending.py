"""Ending a copy: what it holds is closed, or its exits are followed, until it holds nothing."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from django.db.models import Q
from django.utils import timezone

from customers.domain.ids import new_id
from strategies.models import Subscription
from strategies.services.subscriptions import subscription_ended
from trading.domain.order_sizes import smallest_exit
from trading.domain.order_states import LIVE_STATES
from trading.domain.risk import control_denial
from trading.models import CopiedPosition, Intent, Order
from trading.services.cancelling import entries_cancel
from trading.services.closing import Selection, positions_close
from trading.services.control_state import controls_for
from trading.services.instruments import instrument_of_order

CLOSE_AGAIN = timedelta(seconds=30)
"""What did not close a position is tried anew after this; single exits are retried by themselves
before."""
_CAUSES = {
    Subscription.EndCode.CLIENT: Intent.Cause.CLIENT,
    Subscription.EndCode.OPERATOR: Intent.Cause.OPERATOR,
}


def copy_end(*, tenant_id: str, subscription_id: str) -> bool:
    """One step; True when the copy is over with it.

    Under HALTED nothing is closed, and the next step comes back to it. Runs in the tenant's scope.
    """
    copy = (
        Subscription.objects.for_tenant(tenant_id).select_related("account").get(pk=subscription_id)
    )
    if copy.status != Subscription.Status.ENDING:
        return False
    entries_cancel(tenant_id=tenant_id, subscription_ids=[copy.pk], now=timezone.now())
    if _is_over(copy):
        return subscription_ended(subscription=copy)
    if copy.closes_positions and not _is_halted(copy) and not _was_just_closed(copy):
        code = Subscription.EndCode(copy.end_code)
        positions_close(
            tenant_id=tenant_id,
            selection=Selection(subscription_id=copy.pk),
            cause=_CAUSES.get(code, Intent.Cause.RISK),
            action_id=new_id(),
            cause_id=copy.pk,
        )
    return False


def _is_halted(copy: Subscription) -> bool:
    controls = controls_for(
        tenant_id=copy.tenant_id,
        strategy_id=copy.strategy_id,
        customer_id=copy.customer_id,
        venue=copy.account.venue,
    )
    return control_denial(controls, is_entry=False) is not None


def _was_just_closed(copy: Subscription) -> bool:
    return (
        Intent.objects.for_tenant(copy.tenant_id)
        .filter(
            subscription_id=copy.pk,
            cause_id=copy.pk,
            created_at__gt=timezone.now() - CLOSE_AGAIN,
        )
        .exists()
    )


def _is_over(copy: Subscription) -> bool:
    """Nothing is under way, and nothing is held that the venue would still take."""
    live = [str(state) for state in LIVE_STATES]
    orders = Order.objects.for_tenant(copy.tenant_id).filter(subscription_id=copy.pk)
    if orders.filter(state__in=live).exists():
        return False
    held = CopiedPosition.objects.for_tenant(copy.tenant_id).filter(
        ~Q(filled=Decimal(0)), subscription_id=copy.pk
    )
    for symbol, filled in held.values_list("symbol", "filled"):
        instrument = instrument_of_order(copy.account.venue, symbol)
        if instrument is None or abs(filled) >= smallest_exit(instrument, None):
            return False
    return True

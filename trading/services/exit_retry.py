"""A new attempt for an exit that did not happen. Entries never get one by themselves."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from customers.bulk_rows import rows_update
from customers.domain.ids import new_id
from customers.wakeup import wake_on_commit
from trading.domain.order_states import LIVE_STATES, OrderState
from trading.models import CopiedPosition, Intent, Order, OrderEvent
from venues import markets
from venues.domain.types import VenueError

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
TRY_LATER = timedelta(seconds=5)


def exit_try_again(*, tenant_id: str, order_id: str) -> Order | None:
    """A new Order of the same Intent for what is still to be closed, or None.

    Capped by the sub-ledger: never more than is held and not yet being closed, so an exit that
    happened after all is not repeated. Safe to call twice: the newest attempt decides.
    """
    failed = (
        Order.objects.for_tenant(tenant_id).select_related("account", "intent").get(pk=order_id)
    )
    if failed.is_entry or not failed.subscription_id or failed.attempt >= MAX_ATTEMPTS:
        _stop_retrying(failed)
        return None
    try:
        instrument = markets.instrument(failed.account.venue, failed.symbol)
    except (VenueError, TimeoutError):
        instrument = None
    if instrument is None:
        Order.objects.for_tenant(tenant_id).filter(pk=failed.pk, state=OrderState.REJECTED).update(
            check_at=timezone.now() + TRY_LATER
        )
        return None
    with transaction.atomic():
        position = (
            CopiedPosition.objects.for_tenant(tenant_id)
            .select_for_update()
            .get(subscription_id=failed.subscription_id, symbol=failed.symbol)
        )
        attempts = Order.objects.for_tenant(tenant_id).filter(intent_id=failed.intent_id)
        if attempts.filter(attempt__gt=failed.attempt).exists():
            _stop_retrying(failed)
            return None
        sign = 1 if failed.side == "buy" else -1
        working = _working_exits(tenant_id, failed)
        closable = -sign * (position.filled + working)
        quantity = instrument.quantity_down(
            max(min(failed.quantity - failed.filled_quantity, closable), instrument.lot * 0)
        )
        if quantity < instrument.min_size:
            _stop_retrying(failed)
            return None
        now = timezone.now()
        order = _copy(failed, quantity, now)
        order.save(force_insert=True)
        OrderEvent.objects.create(
            tenant_id=tenant_id,
            order=order,
            kind="create",
            from_state="",
            to_state=order.state,
            details={"attempt": order.attempt, "after": failed.pk},
            occurred_at=now,
        )
        rows_update(
            CopiedPosition,
            {
                position.pk: {
                    "target": position.target + sign * quantity,
                    "version": position.version + 1,
                    "changed_at": now,
                }
            },
            ("target", "version", "changed_at"),
        )
        Intent.objects.for_tenant(tenant_id).filter(pk=failed.intent_id).update(
            status=Intent.Status.WORKING, reason_code="", reason_params={}, finished_at=None
        )
        _stop_retrying(failed)
        wake_on_commit("trading.tasks.orders_submit", order_ids=[order.pk], tenant_id=tenant_id)
    logger.info("exit %s is tried again as %s", failed.pk, order.pk)
    return order


def _working_exits(tenant_id: str, failed: Order):
    """Signed sum of the unfilled rest of this subscription's live exits in the symbol."""
    rows = (
        Order.objects.for_tenant(tenant_id)
        .filter(
            subscription_id=failed.subscription_id,
            symbol=failed.symbol,
            is_entry=False,
            state__in=[str(state) for state in LIVE_STATES],
        )
        .values_list("side", "quantity", "filled_quantity")
    )
    return sum(
        (quantity - filled) * (1 if side == "buy" else -1) for side, quantity, filled in rows
    )


def _stop_retrying(order: Order) -> None:
    """Clears the due time of a refused order; a lost one stays watched."""
    Order.objects.for_tenant(order.tenant_id).filter(pk=order.pk, state=OrderState.REJECTED).update(
        check_at=None
    )


def _copy(failed: Order, quantity, now) -> Order:
    return Order(
        id=new_id(),
        tenant_id=failed.tenant_id,
        intent_id=failed.intent_id,
        account_id=failed.account_id,
        signal_id=failed.signal_id,
        subscription_id=failed.subscription_id,
        strategy_id=failed.strategy_id,
        customer_id=failed.customer_id,
        attempt=failed.attempt + 1,
        wave=failed.wave,
        symbol=failed.symbol,
        side=failed.side,
        position_side=failed.position_side,
        is_entry=False,
        reduce_only=failed.reduce_only,
        order_type=failed.order_type,
        quantity=quantity,
        price=failed.price,
        margin_mode=failed.margin_mode,
        state=OrderState.READY,
        created_at=now,
    )

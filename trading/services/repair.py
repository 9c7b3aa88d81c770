"""Exits that nobody signalled: what filled although it was not wanted any more."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from customers.domain.ids import new_id
from customers.failpoints import failpoint
from customers.wakeup import wake_on_commit
from trading.domain.order_states import OrderState
from trading.models import Intent, Order, OrderEvent
from venues.domain.types import Instrument, InstrumentKind


def overtaken_fill_exit(
    *, entry: Order, excess: Decimal, instrument: Instrument, now: datetime
) -> Order | None:
    """Exit `excess` (signed, native unit) that an entry filled while an exit overtook it.

    Written in the caller's transaction; one per entry (`key`). None when it is below what the
    venue takes. The position's target already leaves the excess out, so it does not move.
    """
    quantity = instrument.quantity_down(abs(excess))
    if quantity < instrument.min_size:
        return None
    key = f"repair:{entry.pk}"
    if Intent.objects.for_tenant(entry.tenant_id).filter(key=key).exists():
        return None
    spot = instrument.kind is InstrumentKind.SPOT
    side = "sell" if excess > 0 else "buy"
    intent = Intent(
        id=new_id(),
        tenant_id=entry.tenant_id,
        key=key,
        cause=Intent.Cause.REPAIR,
        cause_id=entry.pk,
        subscription_id=entry.subscription_id,
        account_id=entry.account_id,
        customer_id=entry.customer_id,
        symbol=entry.symbol,
        is_entry=False,
        side=side,
        quantity=quantity,
        status=Intent.Status.WORKING,
        created_at=now,
    )
    order = Order(
        id=new_id(),
        tenant_id=entry.tenant_id,
        intent=intent,
        account_id=entry.account_id,
        subscription_id=entry.subscription_id,
        strategy_id=entry.strategy_id,
        customer_id=entry.customer_id,
        symbol=entry.symbol,
        side=side,
        position_side=entry.position_side,
        is_entry=False,
        reduce_only=not spot,
        order_type="market",
        quantity=quantity,
        margin_mode=entry.margin_mode,
        state=OrderState.READY,
        created_at=now,
    )
    intent.save(force_insert=True)
    order.save(force_insert=True)
    OrderEvent.objects.create(
        tenant_id=entry.tenant_id,
        order=order,
        kind="create",
        from_state="",
        to_state=order.state,
        details={"repairs": entry.pk},
        occurred_at=now,
    )
    failpoint("repair.before_commit")
    wake_on_commit("trading.tasks.orders_submit", order_ids=[order.pk], tenant_id=entry.tenant_id)
    return order

"""Exits that nobody signalled, and what filled although it was not wanted any more."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

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
    return repair_exit_write(
        key=key,
        cause_id=entry.pk,
        order=Order(
            tenant_id=entry.tenant_id,
            account_id=entry.account_id,
            subscription_id=entry.subscription_id,
            strategy_id=entry.strategy_id,
            customer_id=entry.customer_id,
            symbol=entry.symbol,
            side="sell" if excess > 0 else "buy",
            position_side=entry.position_side,
            reduce_only=instrument.kind is not InstrumentKind.SPOT,
            quantity=quantity,
            margin_mode=entry.margin_mode,
        ),
        details={"repairs": entry.pk},
        now=now,
    )


def repair_exit_write(
    *, key: str, cause_id: str, order: Order, details: dict[str, str], now: datetime
) -> Order:
    """Write an exit with an intent of its own, and ask a worker to send it on commit.

    As `exit_write`, which says what `order` is.
    """
    exit_write(
        key=key,
        cause=Intent.Cause.REPAIR,
        cause_id=cause_id,
        order=order,
        details=details,
        now=now,
    )
    failpoint("repair.before_commit")
    wake_on_commit("trading.tasks.orders_submit", order_ids=[order.pk], tenant_id=order.tenant_id)
    return order


def exit_write(
    *,
    key: str,
    cause: Intent.Cause,
    cause_id: str,
    order: Order,
    details: dict[str, str],
    now: datetime,
    leg: int = 0,
    target_before: Decimal | None = None,
    target_after: Decimal | None = None,
) -> None:
    """Write an exit with an intent of its own; the caller has it sent.

    `order` is not saved yet and says whose it is, where, and how much; it becomes a market order
    that is ready to send. In the caller's transaction, which sees to it that `key` is new;
    `details` are those of its first event.
    """
    intent = Intent(
        tenant_id=order.tenant_id,
        key=key,
        cause=cause,
        cause_id=cause_id,
        subscription_id=order.subscription_id or None,
        account_id=order.account_id,
        customer_id=order.customer_id,
        leg=leg,
        symbol=order.symbol,
        is_entry=False,
        side=order.side,
        quantity=order.quantity,
        target_before=target_before,
        target_after=target_after,
        status=Intent.Status.WORKING,
        created_at=now,
    )
    order.intent = intent
    order.is_entry, order.order_type = False, "market"
    order.state, order.created_at = OrderState.READY, now
    intent.save(force_insert=True)
    order.save(force_insert=True)
    OrderEvent.objects.create(
        tenant_id=order.tenant_id,
        order=order,
        kind="create",
        from_state="",
        to_state=order.state,
        details=details,
        occurred_at=now,
    )

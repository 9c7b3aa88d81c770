"""The orders that stops become: placed by the venue when one went off, or by us in its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from customers.bulk_rows import rows_update
from customers.domain.ids import new_id
from customers.failpoints import failpoint
from customers.wakeup import wake_on_commit
from trading.domain.order_states import LIVE_STATES, OrderState
from trading.models import CopiedPosition, Intent, Order, OrderEvent, StopOrder
from trading.services.cancelling import entries_overtake
from venues.domain.types import Instrument, InstrumentKind

_LIVE = [str(state) for state in LIVE_STATES]
WATCHED_PROFIT = ":tp"
"""Ends the keys of take profits that we watched ourselves: there is no stop order that says so."""


@dataclass(frozen=True, slots=True)
class Exit:
    """A part of a position that is closed at the market, once for each `key`."""

    key: str
    cause_id: str
    quantity: Decimal
    side: str
    position_side: str
    margin_mode: str
    price: Decimal | None = None
    """The trigger that asks for it."""


def exit_of_stop(stop: StopOrder, quantity: Decimal | None = None, *, part: str = "") -> Exit:
    """`part`: names a further exit for the same stop order."""
    return Exit(
        key=f"stop:{stop.pk}{part}",
        cause_id=stop.pk,
        quantity=stop.quantity if quantity is None else quantity,
        side=stop.side,
        position_side=stop.position_side,
        margin_mode=stop.margin_mode,
        price=stop.stop_loss if stop.take_profit is None else stop.take_profit,
    )


def position_exit(
    position: CopiedPosition,
    wanted: Exit,
    instrument: Instrument,
    now: datetime,
    *,
    overtakes: bool = True,
) -> Order | None:
    """A reduce-only market order for it, never more than is held and not yet being closed.

    In the caller's transaction, which holds the position. `overtakes`: entries that wait are not
    wanted any more. None when it was made before, when
    there is nothing to close that the venue would take, or when the other side is held by now:
    what would have closed the old position would increase the new one, or open a third.
    """
    side = "sell" if position.filled > 0 else "buy"
    if wanted.side != side:
        return None
    if Intent.objects.for_tenant(position.tenant_id).filter(key=wanted.key).exists():
        return None
    closable = abs(position.filled) - _being_closed(position)
    quantity = instrument.quantity_down(max(min(wanted.quantity, closable), Decimal(0)))
    if quantity < instrument.min_size:
        return None
    spot = instrument.kind is InstrumentKind.SPOT
    order = _order(position, wanted, new_id(), side, quantity, now)
    order.state = OrderState.READY
    order.reduce_only = not spot
    if overtakes:
        entries_overtake(position=position, exit_side=side, now=now)
    _store(position, order, wanted.key, wanted.price, now)
    wake_on_commit(
        "trading.tasks.orders_submit", order_ids=[order.pk], tenant_id=position.tenant_id
    )
    failpoint("stops.exit_written")
    return order


def order_of_stop(
    position: CopiedPosition,
    stop: StopOrder,
    venue_order_id: str,
    quantity: Decimal,
    now: datetime,
    went_off_at: datetime | None = None,
) -> Order | None:
    """The venue made an order of a stop that went off: from now on it is one of ours.

    Its fills are its subscription's. In the caller's transaction, which holds the position; None
    when it is ours already. `went_off_at`: if the venue says it; entries decided later stay.
    """
    if Order.objects.for_tenant(stop.tenant_id).filter(pk=stop.pk).exists():
        return None
    order = _order(position, exit_of_stop(stop), stop.pk, stop.side, quantity, now)
    order.state = OrderState.ACCEPTED
    order.reduce_only = True
    order.placed_by_venue = True
    order.venue_order_id = venue_order_id
    order.sent_at = stop.sent_at
    order.acknowledged_at = order.check_at = now
    entries_overtake(position=position, exit_side=stop.side, now=now, placed_by=went_off_at)
    _store(position, order, f"stop:{stop.pk}", exit_of_stop(stop).price, now)
    wake_on_commit("trading.tasks.orders_check", order_ids=[order.pk], tenant_id=stop.tenant_id)
    return order


def stop_exits_working(tenant_id: str, positions: Sequence[CopiedPosition]) -> dict[str, Decimal]:
    """By position: what live orders that stops became still close, unsigned. One query."""
    by_key = {(row.subscription_id, row.symbol): row.pk for row in positions}
    rows = Order.objects.for_tenant(tenant_id).filter(
        subscription_id__id_in=[row.subscription_id for row in positions],
        state__in=_LIVE,
        is_entry=False,
        intent__cause=Intent.Cause.STOP,
    )
    found = dict.fromkeys((row.pk for row in positions), Decimal(0))
    for subscription_id, symbol, quantity, filled in rows.values_list(
        "subscription_id", "symbol", "quantity", "filled_quantity"
    ):
        pk = by_key.get((subscription_id, symbol))
        if pk is not None:
            found[pk] += quantity - filled
    return found


def refused_lately(position: CopiedPosition, since: datetime) -> bool:
    """Whether an exit that a stop became was refused since then: the account is being read."""
    rows = Order.objects.for_tenant(position.tenant_id).filter(
        subscription_id=position.subscription_id,
        symbol=position.symbol,
        is_entry=False,
        state=OrderState.REJECTED,
        finished_at__gt=since,
        intent__cause=Intent.Cause.STOP,
    )
    return rows.exists()


def _being_closed(position: CopiedPosition) -> Decimal:
    rows = Order.objects.for_tenant(position.tenant_id).filter(
        subscription_id=position.subscription_id,
        symbol=position.symbol,
        is_entry=False,
        state__in=_LIVE,
    )
    rests = (
        quantity - filled for quantity, filled in rows.values_list("quantity", "filled_quantity")
    )
    return sum(rests, Decimal(0))


def _order(
    position: CopiedPosition, wanted: Exit, pk: str, side: str, quantity: Decimal, now: datetime
) -> Order:
    return Order(
        id=pk,
        tenant_id=position.tenant_id,
        account_id=position.account_id,
        subscription_id=position.subscription_id,
        strategy_id=position.subscription.strategy_id,
        customer_id=position.customer_id,
        symbol=position.symbol,
        side=side,
        position_side=wanted.position_side,
        is_entry=False,
        order_type="market",
        quantity=quantity,
        margin_mode=wanted.margin_mode,
        created_at=now,
    )


def _store(
    position: CopiedPosition, order: Order, key: str, price: Decimal | None, now: datetime
) -> None:
    """The target follows, as with every order: what is closed is not wanted any more."""
    signed = order.quantity if order.side == "buy" else -order.quantity
    before = position.target
    position.target += signed
    position.version += 1
    intent = Intent(
        id=new_id(),
        tenant_id=position.tenant_id,
        key=key,
        cause=Intent.Cause.STOP,
        cause_id=key.split(":")[1],
        subscription_id=position.subscription_id,
        account_id=position.account_id,
        customer_id=position.customer_id,
        symbol=position.symbol,
        is_entry=False,
        side=order.side,
        quantity=order.quantity,
        reference_price=price,
        target_before=before,
        target_after=position.target,
        status=Intent.Status.WORKING,
        created_at=now,
    )
    intent.save(force_insert=True)
    order.intent = intent
    order.save(force_insert=True)
    OrderEvent.objects.create(
        tenant_id=position.tenant_id,
        order=order,
        kind="create",
        from_state="",
        to_state=order.state,
        details={"stop": key.split(":")[1]},
        occurred_at=now,
    )
    rows_update(
        CopiedPosition,
        {
            position.pk: {
                "target": position.target,
                "version": position.version,
                "changed_at": now,
            }
        },
        ("target", "version", "changed_at"),
    )

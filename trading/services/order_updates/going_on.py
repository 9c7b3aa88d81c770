"""An entry that was cancelled goes on in another order, in the transaction that learns of its end.

So there is no moment in which a crash, an exit or a second look could make it go on twice, or be
forgotten. The next order is ready to send: what stops entries until then stops it, too.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from customers.domain.ids import new_id
from strategies.domain.settings import DEFAULTS
from strategies.models import Subscription
from trading.domain.going_on import SENT_WITHIN, NextOrder, next_order
from trading.domain.order_sizes import smallest_entry
from trading.domain.order_states import OrderState
from trading.models import Order
from trading.services.order_updates.work import Work
from trading.services.waiting import waiting_entry


def entry_goes_on(work: Work, ended: Order, left_at: datetime) -> None:
    """`ended`: the venue has just shown it cancelled, with all of its fills; `left_at`: when it
    left the book. Who cancels it at the venue before its time does not want the rest of it."""
    position = work.positions.get((ended.subscription_id, ended.symbol))
    if not ended.is_entry or position is None:
        return
    instrument = work.instruments.get(ended.account.venue, {}).get(ended.symbol)
    price = ended.amended_price or ended.chase_price
    smallest = Decimal(0)
    if instrument is not None and price is not None:
        smallest = smallest_entry(instrument, price, DEFAULTS)
    found = next_order(waiting_entry(ended), now=left_at, smallest=smallest)
    if found is None or not _is_copying(ended):
        return
    following = _following(work, ended, found)
    work.following[ended.pk] = following
    work.events.append(
        {
            "tenant_id": ended.tenant_id,
            "order_id": following.pk,
            "kind": "create",
            "from_state": "",
            "to_state": following.state,
            "details": {"attempt": following.attempt, "after": ended.pk},
            "occurred_at": work.now,
        }
    )
    position.target += found.quantity * (1 if ended.side == "buy" else -1)
    work.changed_positions.add((position.subscription_id, position.symbol))


def _is_copying(ended: Order) -> bool:
    """A pause cancels entries, but may not have seen this one's next order."""
    return (
        Subscription.objects.for_tenant(ended.tenant_id)
        .filter(pk=ended.subscription_id, status=Subscription.Status.ACTIVE)
        .exists()
    )


def _following(work: Work, ended: Order, found: NextOrder) -> Order:
    return Order(
        id=new_id(),
        tenant_id=ended.tenant_id,
        intent_id=ended.intent_id,
        account_id=ended.account_id,
        signal_id=ended.signal_id,
        subscription_id=ended.subscription_id,
        strategy_id=ended.strategy_id,
        customer_id=ended.customer_id,
        attempt=ended.attempt + 1,
        symbol=ended.symbol,
        side=ended.side,
        position_side=ended.position_side,
        is_entry=True,
        reduce_only=ended.reduce_only,
        wants_stops=ended.wants_stops,
        order_type=found.order_type,
        quantity=found.quantity,
        price=found.price,
        rests_until=found.rests_until,
        chase_price=found.chase_price,
        leverage=ended.leverage,
        margin_mode=ended.margin_mode,
        state=OrderState.READY,
        expires_at=work.now + SENT_WITHIN,
        created_at=work.now,
    )

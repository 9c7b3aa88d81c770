"""An order on its way out: what the sender needs, without the row's model instance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from trading.models import Order

CLAIM_LIFETIME = timedelta(seconds=6)
"""What a dead sender had claimed is ready again after this."""


@dataclass(frozen=True, slots=True)
class OutgoingOrder:
    """A claimed order. Its row is committed; quantities and prices are final and rounded."""

    id: str
    tenant_id: str
    intent_id: str
    account_id: str
    venue: str
    signal_id: str
    subscription_id: str
    strategy_id: str
    customer_id: str
    wave: int
    symbol: str
    side: str
    position_side: str
    is_entry: bool
    reduce_only: bool
    order_type: str
    quantity: Decimal
    price: Decimal | None
    leverage: Decimal | None
    margin_mode: str
    expires_at: datetime | None
    rests_until: datetime | None = None
    chase_price: Decimal | None = None
    send_at: datetime | None = None
    attempt: int = 1
    cancel_requested: bool = False
    withdrawn_by: str = ""
    wants_stops: bool = False


def outgoing_of(order: Order) -> OutgoingOrder:
    """From a row with its account loaded."""
    return OutgoingOrder(
        id=order.pk,
        tenant_id=order.tenant_id,
        intent_id=order.intent_id,
        account_id=order.account_id,
        venue=order.account.venue,
        signal_id=order.signal_id,
        subscription_id=order.subscription_id,
        strategy_id=order.strategy_id,
        customer_id=order.customer_id,
        wave=order.wave,
        symbol=order.symbol,
        side=order.side,
        position_side=order.position_side,
        is_entry=order.is_entry,
        reduce_only=order.reduce_only,
        order_type=order.order_type,
        quantity=order.quantity,
        price=order.price,
        leverage=order.leverage,
        margin_mode=order.margin_mode,
        expires_at=order.expires_at,
        rests_until=order.rests_until,
        chase_price=order.chase_price,
        send_at=order.send_at,
        attempt=order.attempt,
        cancel_requested=order.cancel_requested_at is not None,
        withdrawn_by=order.withdrawn_by,
        wants_stops=order.wants_stops,
    )

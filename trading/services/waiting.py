"""An order's row as the rules of waiting entries see it."""

from __future__ import annotations

from datetime import datetime, timedelta

from trading.domain.going_on import WaitingEntry
from trading.domain.order_states import LIVE_STATES
from trading.domain.reasons import Reason, ReasonCode
from trading.models import Order
from venues.domain.types import OrderSnapshot
from venues.runtime import gateway_for


def waiting_entry(order: Order) -> WaitingEntry:
    return WaitingEntry(
        quantity=order.quantity,
        filled=order.filled_quantity,
        rests_until=order.rests_until,
        chase_price=order.chase_price,
        is_overtaken=order.cancel_requested_at is not None,
        is_withdrawn=bool(order.withdrawn_by),
        amended_price=order.amended_price,
        amended_quantity=order.amended_quantity,
    )


def is_to_be_cancelled(order: Order, now: datetime) -> bool:
    """Whether each look at it asks for its cancellation first."""
    return order.state in LIVE_STATES and waiting_entry(order).is_to_leave(now)


CLOCKS_DIFFER = timedelta(seconds=1)
"""At most, as far as we know them."""


def left_book_at(order: Order, shown: OrderSnapshot, now: datetime) -> datetime:
    """When an order that ended left the venue's book, by our clock and rather too late; `now` if
    that cannot be told."""
    if order.rests_until is None or not shown.updated_at_ms:
        return now
    ahead_ms = gateway_for(order.account.venue).clock.skew_ms()
    if ahead_ms is None:
        return now
    at = datetime.fromtimestamp((shown.updated_at_ms - ahead_ms) / 1000, tz=now.tzinfo)
    return min(now, at + CLOCKS_DIFFER)


_WITHDRAWN = {
    (Order.WithdrawnBy.CLIENT, False): ReasonCode.CANCELLED_BY_CLIENT,
    (Order.WithdrawnBy.OPERATOR, False): ReasonCode.CANCELLED_BY_OPERATOR,
    (Order.WithdrawnBy.PARTNER, False): ReasonCode.CANCELLED_BY_PARTNER,
    (Order.WithdrawnBy.PAUSE, False): ReasonCode.CANCELLED_BY_PAUSE,
    (Order.WithdrawnBy.CLIENT, True): ReasonCode.CHANGED_BY_CLIENT,
    (Order.WithdrawnBy.PARTNER, True): ReasonCode.CHANGED_BY_PARTNER,
    (Order.WithdrawnBy.OPERATOR, True): ReasonCode.CHANGED_BY_OPERATOR,
}


def withdrawal_reason(withdrawn_by: str, *, is_amended: bool = False) -> Reason:
    return Reason(_WITHDRAWN[Order.WithdrawnBy(withdrawn_by), is_amended])

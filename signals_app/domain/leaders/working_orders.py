"""A leader's resting orders, followed while they rest. Pure.

Only what adds to the leader's exposure is followed so: an order that takes away is followed when it
is filled, because followers' exits are not left to a price.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from signals_app.domain.canonical import MAX_DECIMALS
from venues.domain.types import OrderSnapshot, VenueOrderState

ZERO = Decimal(0)
_BASIS_POINTS = Decimal(10_000)
_SMALLEST = Decimal(1).scaleb(-MAX_DECIMALS)
RESTING_TYPES = ("limit", "post_only")
_OPEN = (VenueOrderState.WORKING, VenueOrderState.PARTIALLY_FILLED)


class OrderStep(StrEnum):
    PLACE = "place"
    AMEND = "amend"
    END = "end"


class Ending(StrEnum):
    """What followers are told when a leader's resting order is over."""

    CHASE = "chase"
    """What they lack of its filled part is entered at once."""
    CANCEL = "cancel"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class KnownOrder:
    """As followers were told of it last. `quantity` is the whole order's."""

    price: Decimal
    quantity: Decimal


def is_resting_entry(order: OrderSnapshot, exposure: Decimal) -> bool:
    """A limit order that adds to what the leader has; `exposure` signed, in contracts."""
    if order.order_type not in RESTING_TYPES or order.price is None or order.side is None:
        return False
    closes = (order.position_side, order.side) in (("long", "sell"), ("short", "buy"))
    return not order.reduce_only and not closes and exposure * direction_of(order.side) >= 0


def direction_of(side: str | None) -> int:
    return 1 if side == "buy" else -1


def order_step(
    order: OrderSnapshot, known: KnownOrder | None, exposure: Decimal
) -> OrderStep | None:
    """What followers are to be told of an order as it is now; None: nothing."""
    if order.state in _OPEN:
        if known is None:
            return OrderStep.PLACE if is_resting_entry(order, exposure) else None
        is_same = (order.price, order.quantity) == (known.price, known.quantity)
        return None if is_same else OrderStep.AMEND
    return None if known is None else OrderStep.END


def ending(after_fill: str, *, filled: Decimal, quantity: Decimal) -> Ending:
    """By the source's setting: chase, leave or cancel. `filled` of `quantity` when it ended.

    What was left of it is cancelled everywhere, so a part that was filled is chased as the whole
    is.
    """
    if filled > 0 and after_fill == "chase":
        return Ending.CHASE
    if filled >= quantity and after_fill == "leave":
        return Ending.NOTHING
    return Ending.CANCEL


def worst_price(price: Decimal, direction: int, slippage_bps: Decimal | None) -> Decimal | None:
    """What followers pay at most (or get at least) for an order with this limit; not rounded to
    the tick, at 18 decimals. None: no bound."""
    if slippage_bps is None:
        return None
    worst = price * (1 + direction * slippage_bps / _BASIS_POINTS)
    return max(worst, ZERO).quantize(_SMALLEST)

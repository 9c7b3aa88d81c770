"""Exits that waited before they could leave: what they were to close may be closed by now.

An exit is measured when it is written, and mostly leaves at once. One that waited (for a key, a
worker, the end of something else) may find that a stop went off meanwhile. On an account that
others copy on, too, the venue would close what those hold.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from customers.fields import plain
from trading.domain.order_states import LIVE_STATES, OrderState, OrderTrigger
from trading.domain.reasons import Reason, ReasonCode
from trading.models import CopiedPosition, Order
from trading.services.order_updates import OrderUpdate

FRESH = timedelta(seconds=5)
ZERO = Decimal(0)
_Key = tuple[str, str]
"""Subscription and symbol."""


def overtaken_exits(tenant_id: str, orders: Sequence[Order], now: datetime) -> list[OrderUpdate]:
    """A refusal for each claimed exit that waited and would close more than its copy holds and is
    not being closed. Each is tried again at once for what is left. Two queries, if any waited."""
    waited = [
        order
        for order in orders
        if not order.is_entry and order.subscription_id and order.created_at < now - FRESH
    ]
    if not waited:
        return []
    of_copies = {
        "subscription_id__id_in": {order.subscription_id for order in waited},
        "symbol__in": {order.symbol for order in waited},
    }
    positions = CopiedPosition.objects.for_tenant(tenant_id).filter(**of_copies)
    held = {
        (subscription_id, symbol): filled
        for subscription_id, symbol, filled in positions.values_list(
            "subscription_id", "symbol", "filled"
        )
    }
    live = Order.objects.for_tenant(tenant_id).filter(
        is_entry=False, state__in=[str(state) for state in LIVE_STATES], **of_copies
    )
    exits: dict[_Key, list[Order]] = defaultdict(list)
    for order in live.order_by("pk"):
        exits[order.subscription_id, order.symbol].append(order)
    refused = []
    for key, of_key in _by_key(waited).items():
        refused += _refused(held.get(key, ZERO), of_key, exits[key])
    return refused


def _by_key(orders: Iterable[Order]) -> dict[_Key, list[Order]]:
    found: dict[_Key, list[Order]] = defaultdict(list)
    for order in orders:
        found[order.subscription_id, order.symbol].append(order)
    return found


def _refused(filled: Decimal, waited: Sequence[Order], live: Sequence[Order]) -> list[OrderUpdate]:
    refused = []
    left: dict[str, Decimal | None] = {}
    for order in sorted(waited, key=lambda row: row.pk):
        if order.side not in left:
            left[order.side] = _left(filled, order, live, {row.pk for row in waited})
        room = left[order.side]
        if room is None:
            continue
        if order.quantity <= room:
            left[order.side] = room - order.quantity
            continue
        params = {"held": _text(room), "quantity": _text(order.quantity)}
        refused.append(
            OrderUpdate(
                order.pk,
                OrderTrigger.REFUSE,
                reason=Reason(ReasonCode.LESS_IS_LEFT, params),
                details={"retry": True, "retry_after_ms": 0},
            )
        )
    return refused


def _left(filled: Decimal, exit_: Order, live: Sequence[Order], waited: set[str]) -> Decimal | None:
    """What exits of this side may close, unsigned; None when the books cannot tell.

    In hedge mode both sides of a copy may be held for a while, and the books have their sum: then
    the other side is being exited.
    """
    sign = 1 if exit_.side == "buy" else -1
    held = -sign * filled
    other_side = sum(
        (row.quantity - row.filled_quantity for row in live if row.side != exit_.side), ZERO
    )
    if exit_.position_side != "net" and (held < 0 or other_side):
        if held <= 0:
            return None
        held += other_side
    leaving = sum(
        (
            row.quantity - row.filled_quantity
            for row in live
            if row.side == exit_.side and row.pk not in waited and row.state != OrderState.READY
        ),
        ZERO,
    )
    return max(held - leaving, ZERO)


def _text(amount: Decimal) -> str:
    return format(plain(amount), "f")

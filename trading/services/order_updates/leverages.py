"""The leverage of a copied position is what is set at the venue, not what an entry was to have."""

from __future__ import annotations

from trading.domain.order_states import TERMINAL_STATES
from trading.models import CopiedPosition, InstrumentSetting, Order
from trading.services.order_updates.work import Work


def leverages_settle(tenant_id: str, work: Work) -> None:
    """Planning notes the leverage of an entry before it is set: one that never entered leaves the
    position at the leverage that the venue confirmed last. One query, if there is such an entry."""
    doubtful = []
    for order in (work.orders[pk] for pk in sorted(work.changed_orders)):
        position = work.positions.get((order.subscription_id, order.symbol))
        if position is not None and _is_doubtful(order, position):
            doubtful.append((order, position))
    if not doubtful:
        return
    rows = InstrumentSetting.objects.for_tenant(tenant_id).filter(
        account_id__id_in={order.account_id for order, _ in doubtful},
        symbol__in={order.symbol for order, _ in doubtful},
    )
    confirmed = {
        (account_id, symbol, margin_mode): leverage
        for account_id, symbol, margin_mode, leverage in rows.values_list(
            "account_id", "symbol", "margin_mode", "leverage"
        )
    }
    for order, position in doubtful:
        leverage = confirmed.get((order.account_id, order.symbol, order.margin_mode))
        if leverage is not None and leverage != position.leverage:
            position.leverage = leverage
            work.changed_positions.add((position.subscription_id, position.symbol))


def _is_doubtful(order: Order, position: CopiedPosition) -> bool:
    if not order.is_entry or order.leverage is None or not position.filled:
        return False
    if order.filled_quantity:
        return position.leverage != order.leverage
    return order.state in TERMINAL_STATES and position.leverage == order.leverage

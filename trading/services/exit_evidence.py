"""Whether the account's own position agrees that a lost exit did not happen.

A venue may hide an order for minutes, but its fill shows in the position at once. So an exit that
look-ups cannot find is called absent only when the venue holds as much as our books say: copies,
and what the client has by his own hand.
"""

from __future__ import annotations

import logging
from decimal import Decimal

from django.utils import timezone

from customers.models import ExchangeAccount
from trading.domain.order_states import OrderState
from trading.domain.resolution import WATCH_AFTER
from trading.models import AccountBooks, CopiedPosition, Order, UnattributedPosition
from trading.services.credentials import credentials_of_accounts
from trading.services.instruments import instrument_of_order
from trading.services.reconciliation.foreign_fills import fills_unbooked
from trading.services.reconciliation.readings import DERIVATIVE
from venues.domain.types import (
    Credentials,
    Instrument,
    InstrumentKind,
    VenueError,
    VenueErrorKind,
)
from venues.gateway import Gateway
from venues.runtime import gateway_for, run

logger = logging.getLogger(__name__)

READ_TIMEOUT_SECONDS = 25.0
_AT_VENUE = [
    str(state)
    for state in (
        OrderState.SENDING,
        OrderState.UNKNOWN,
        OrderState.ACCEPTED,
        OrderState.PARTIALLY_FILLED,
    )
]


def exit_is_disproved(order: Order) -> bool:
    """False while the venue holds less than our books do, and while that cannot be said.

    Asks over the network. Given up after WATCH_AFTER: what is missing then was not taken by it.
    """
    until = (order.deadline_at or order.created_at) + WATCH_AFTER
    if not order.subscription_id or timezone.now() > until:
        return True
    try:
        return _agrees(order)
    except (VenueError, TimeoutError, LookupError) as error:
        logger.info("exit %s cannot be disproved yet: %s", order.pk, error)
        return False


def held_at_venue(order: Order, instrument: Instrument) -> Decimal:
    """Signed, of the exit's position. Raises VenueError, also when a part of the answer cannot be
    read, and TimeoutError."""
    credentials = _credentials(order)
    gateway = gateway_for(order.account.venue)
    if instrument.kind is InstrumentKind.SPOT:
        balances = run(
            gateway.balances(credentials, is_exit=True), timeout_seconds=READ_TIMEOUT_SECONDS
        )
        coins = (item.equity for item in balances.complete() if item.currency == instrument.base)
        return sum(coins, Decimal(0))
    positions = run(
        gateway.positions(credentials, is_exit=True), timeout_seconds=READ_TIMEOUT_SECONDS
    )
    of_exit = (
        item.quantity
        for item in positions.complete()
        if (item.symbol, item.position_side) == (order.symbol, order.position_side)
    )
    return sum(of_exit, Decimal(0))


def held_by_client(order: Order) -> Decimal:
    """Signed, of the exit's position: what no copy accounts for, with what was traded by hand and
    is not booked yet. Spot has no books."""
    if DERIVATIVE not in order.symbol:
        return Decimal(0)
    mine = {"account_id": order.account_id, "symbol": order.symbol}
    of_side = {**mine, "position_side": order.position_side}
    rests = UnattributedPosition.objects.for_tenant(order.tenant_id).filter(**of_side)
    held = sum(rests.values_list("quantity", flat=True), Decimal(0))
    books = AccountBooks.objects.for_tenant(order.tenant_id).filter(account_id=order.account_id)
    since = books.values_list("since", flat=True).first()
    if since is None:
        return held
    fills = fills_unbooked(order.tenant_id, [order.account_id]).filter(
        filled_at__gte=since, **of_side
    )
    return held + sum(
        (
            quantity if side == "buy" else -quantity
            for side, quantity in fills.values_list("side", "quantity")
        ),
        Decimal(0),
    )


def _agrees(order: Order) -> bool:
    instrument = instrument_of_order(order.account.venue, order.symbol)
    if instrument is None:
        raise LookupError(f"nobody knows {order.symbol}")
    held_before = _held_by_books(order)
    at_venue = held_at_venue(order, instrument)
    listed = _filled_of_open_orders(gateway_for(order.account.venue), _credentials(order))
    unbooked = Decimal(0)
    for other in _others_at_venue(order):
        shown = listed.get(other.pk)
        if shown is not None:
            unbooked += (shown - other.filled_quantity) * (1 if other.side == "buy" else -1)
        elif other.is_entry:
            return False  # it may have brought what this exit took
    held = _held_by_books(order)
    if held != held_before:
        return False  # fills came in between
    sign = 1 if order.side == "buy" else -1
    return -sign * (held + unbooked - at_venue) < instrument.lot


def _credentials(order: Order) -> Credentials:
    keys = credentials_of_accounts(tenant_id=order.tenant_id, account_ids=[order.account_id])
    credentials = keys.get(order.account_id)
    if not isinstance(credentials, Credentials):
        raise VenueError(VenueErrorKind.CREDENTIALS, message="no key is in use")
    return credentials


def _filled_of_open_orders(gateway: Gateway, credentials: Credentials) -> dict[str, Decimal]:
    """By client order id."""
    orders = run(
        gateway.open_orders(credentials, is_exit=True), timeout_seconds=READ_TIMEOUT_SECONDS
    )
    return {item.client_order_id: item.filled_quantity for item in orders.complete()}


def _others_at_venue(order: Order) -> list[Order]:
    rows = Order.objects.for_tenant(order.tenant_id).filter(
        account_id=order.account_id,
        symbol=order.symbol,
        position_side=order.position_side,
        state__in=_AT_VENUE,
    )
    return list(rows.exclude(pk=order.pk))


def _held_by_books(order: Order) -> Decimal:
    """Of all the account's copies, on the exit's side in hedge mode, and of the client."""
    rows = (
        CopiedPosition.objects.for_tenant(order.tenant_id)
        .filter(account_id=order.account_id, symbol=order.symbol)
        .values_list("filled", flat=True)
    )
    if order.account.position_mode == ExchangeAccount.PositionMode.NET:
        return sum(rows, held_by_client(order))
    sign = 1 if order.side == "buy" else -1
    return sum((filled for filled in rows if filled * sign < 0), held_by_client(order))

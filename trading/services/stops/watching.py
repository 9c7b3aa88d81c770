"""Prices, where stops follow them or wait for them here, and stops that should have gone off.

The exchange's own stops need none of this to protect; what is trailed stays where it was while
nobody watches.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from customers.deadlocks import retry_on_deadlock
from customers.tenancy import system_scope, tenant_scope
from trading.domain.order_states import LIVE_STATES as LIVE_ORDER_STATES
from trading.domain.stops.legs import PARTS, Leg
from trading.domain.stops.protection import is_passed, reached_targets
from trading.domain.stops.states import StopState
from trading.models import CopiedPosition, Order, PositionStops, StopOrder
from trading.services.instruments import instrument_of_order
from trading.services.prices import Prices, current_prices
from trading.services.stops.exits import WATCHED_PROFIT, Exit, position_exit
from trading.services.stops.keeping import stops_keep
from trading.services.stops.planning import Facts, facts_locked
from venues.domain.types import Instrument

logger = logging.getLogger(__name__)

UNFILLED_AFTER = timedelta(seconds=10)
"""A stop that went off and did not fill goes to the market."""
SMALLEST_MOVE = Decimal("0.05")
"""A trailing stop is moved when the price is better by this part of its distance."""
_LIVE_ORDERS = [str(state) for state in LIVE_ORDER_STATES]


def stops_watch() -> None:
    """One round over all tenants: whoever is woken first does it, twice at once is harmless."""
    stops_hurry()
    with system_scope("stops: whose prices are watched"):
        rows = list(
            PositionStops.objects.filter(is_watched=True).values_list(
                "tenant_id",
                "copied_position_id",
                "copied_position__account__venue",
                "copied_position__symbol",
            )
        )
        waiting = list(
            StopOrder.objects.filter(state=StopState.WAITING).values_list(
                "tenant_id", "pk", "account__venue", "symbol", "side", "stop_loss", "take_profit"
            )
        )
    prices = current_prices((row[2], row[3]) for row in [*rows, *waiting])
    of_tenant: dict[str, list[str]] = defaultdict(list)
    for tenant_id, position_id, venue, symbol in rows:
        if (venue, symbol) in prices:
            of_tenant[tenant_id].append(position_id)
    for tenant_id, ids in of_tenant.items():
        with tenant_scope(tenant_id):
            _watch(tenant_id, ids, prices)
    crossed: dict[str, list[str]] = defaultdict(list)
    for tenant_id, stop_id, venue, symbol, side, stop_loss, take_profit in waiting:
        price = prices.get((venue, symbol))
        if price is not None and _is_crossed(price, side, stop_loss, take_profit):
            crossed[tenant_id].append(stop_id)
    now = timezone.now()
    for tenant_id, ids in crossed.items():
        with tenant_scope(tenant_id):
            # Streams tell of it sooner, if they can; the sweeper has it looked up now.
            stops = StopOrder.objects.for_tenant(tenant_id).filter(pk__in=ids, check_at__gt=now)
            stops.filter(check_at__gt=now + timedelta(seconds=30)).update(check_at=now)


def _is_crossed(
    price: Decimal, side: str, stop_loss: Decimal | None, take_profit: Decimal | None
) -> bool:
    """`side` is the stop order's: a sale guards a long."""
    long = side == "sell"
    if stop_loss is not None and (price <= stop_loss if long else price >= stop_loss):
        return True
    return take_profit is not None and (price >= take_profit if long else price <= take_profit)


def _watch(tenant_id: str, position_ids: Sequence[str], prices: Prices) -> None:
    """Trailing stops are moved; what the venue cannot hold is closed when its price is there."""
    keys = dict(
        CopiedPosition.objects.for_tenant(tenant_id)
        .filter(pk__in=position_ids)
        .values_list("pk", "account__venue")
    )
    symbols = dict(
        CopiedPosition.objects.for_tenant(tenant_id)
        .filter(pk__in=position_ids)
        .values_list("pk", "symbol")
    )
    instruments: dict[str, Instrument] = {}
    for pk, venue in keys.items():
        instrument = instrument_of_order(venue, symbols[pk])
        if instrument is not None:
            instruments[pk] = instrument
    moved = retry_on_deadlock(lambda: _follow(tenant_id, instruments, keys, prices))
    if moved:
        stops_keep(tenant_id=tenant_id, position_ids=moved)


@transaction.atomic
def _follow(
    tenant_id: str,
    instruments: Mapping[str, Instrument],
    venues: Mapping[str, str],
    prices: Prices,
) -> list[str]:
    """The positions whose stops are due because the best price moved."""
    moved = []
    now = timezone.now()
    for facts in facts_locked(tenant_id, instruments):
        position = facts.position
        price = prices.get((venues[position.pk], position.symbol))
        if price is None or not position.filled:
            continue
        if _is_better(facts, price):
            facts.stops.best_price = price
            facts.stops.due_at = now
            facts.stops.save(update_fields=["best_price", "due_at"])
            moved.append(position.pk)
        if not facts.is_held_at_venue:
            _close_reached(facts, price)
    return moved


def _is_better(facts: Facts, price: Decimal) -> bool:
    distance = facts.terms.trailing_percent
    if distance is None:
        return False
    best = facts.stops.best_price or facts.position.average_entry_price
    if best is None:
        return False
    direction = 1 if facts.position.filled > 0 else -1
    return (price - best) * direction >= best * distance * SMALLEST_MOVE / 100


def _close_reached(facts: Facts, price: Decimal) -> None:
    position, stops = facts.position, facts.stops
    now = timezone.now()
    direction = 1 if position.filled > 0 else -1
    protection = facts.protection
    legs = facts.legs()
    if is_passed(protection, price, direction):
        _close(facts, legs, price)
        return
    reached = set(reached_targets(protection, price, direction, stops.done))
    targets = [leg for leg in legs if leg.place in reached]
    if reached and _close(facts, targets, price, kind=WATCHED_PROFIT):
        stops.done = sorted({*stops.done, *reached})
        stops.target_reached = True
        stops.changed_at = now
        stops.save(update_fields=["done", "target_reached", "changed_at"])


def _close(facts: Facts, legs: Sequence[Leg], price: Decimal, *, kind: str = "") -> bool:
    """One order for all of them; whether one was made."""
    quantity = sum((leg.quantity for leg in legs), Decimal(0))
    if not quantity:
        return False
    position = facts.position
    slot = min(leg.slot for leg in legs) // PARTS
    wanted = Exit(
        # Every change of the position makes it another one; under its lock there is one at a time.
        key=f"stop:{position.pk}:{position.version}:{slot}{kind}",
        cause_id=position.pk,
        quantity=quantity,
        side="sell" if position.filled > 0 else "buy",
        position_side="net",
        margin_mode="cash",
        price=price,
    )
    return position_exit(position, wanted, facts.instrument, timezone.now()) is not None


def stops_hurry() -> int:
    """Orders that stops became and that do not fill are cancelled: the rest goes to the market
    when that is proven. Returns how many."""
    now = timezone.now()
    with system_scope("stops: that went off and did not fill"):
        rows = list(
            Order.objects.filter(
                placed_by_venue=True,
                state__in=_LIVE_ORDERS,
                created_at__lt=now - UNFILLED_AFTER,
                cancel_requested_at=None,
            ).values_list("tenant_id", "pk")
        )
    for tenant_id, pk in rows:
        with tenant_scope(tenant_id):
            Order.objects.for_tenant(tenant_id).filter(
                pk=pk, state__in=_LIVE_ORDERS, cancel_requested_at=None
            ).update(cancel_requested_at=now, check_at=now)
    return len(rows)

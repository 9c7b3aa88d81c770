"""The copied position under fills, and its target when orders end."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from django.utils import timezone

from customers.fields import rounded
from trading.domain.order_progress import (
    counted_quantity,
    overtaken_target,
    unwanted_holding,
)
from trading.domain.order_states import LIVE_STATES, TERMINAL_STATES, OrderState
from trading.domain.positions import Holding, RoundTrip, apply_fill
from trading.domain.reconciliation import Attribution
from trading.models import CopiedPosition, Order, Trade
from trading.services.instruments import instrument_in_memory
from trading.services.order_updates.work import Work
from trading.services.repair import overtaken_fill_exit
from venues.domain.types import FillSnapshot, Instrument, InstrumentKind

_MAY_HAVE_FILLED = frozenset(
    {
        OrderState.SENDING,
        OrderState.UNKNOWN,
        OrderState.ACCEPTED,
        OrderState.PARTIALLY_FILLED,
    }
)


def _moment(fill: FillSnapshot) -> datetime:
    return datetime.fromtimestamp(fill.filled_at_ms / 1000, tz=timezone.get_default_timezone())


def take_fill(work: Work, order: Order, fill: FillSnapshot) -> bool:
    """Whether it is booked, now or before; what comes too early is to be listed again."""
    key = (order.account_id, order.symbol, fill.trade_id)
    if key in work.known_trades:
        return True
    position = work.positions.get((order.subscription_id, order.symbol))
    if position is not None and not order.is_entry and _is_early(work, order, position, fill):
        return False
    work.known_trades.add(key)
    if key in work.strays:
        work.found_strays.append(work.strays[key])
    at = _moment(fill)
    work.fills.append(
        {
            "tenant_id": order.tenant_id,
            "account_id": order.account_id,
            "order_id": order.pk,
            "symbol": order.symbol,
            "trade_id": fill.trade_id,
            "venue_order_id": fill.venue_order_id,
            "side": fill.side,
            "quantity": fill.quantity,
            "price": fill.price,
            "fee": fill.fee,
            "fee_currency": fill.fee_currency,
            "is_maker": fill.is_maker,
            "position_side": order.position_side,
            # What is of no copy is booked as the account's own (services/reconciliation).
            "attribution": "" if position is None else Attribution.COPY,
            "filled_at": at,
            "created_at": work.now,
        }
    )
    filled = order.filled_quantity + fill.quantity
    value = (order.average_price or Decimal(0)) * order.filled_quantity
    order.average_price = rounded((value + fill.quantity * fill.price) / filled)
    order.filled_quantity = filled
    work.filled_accounts.add(order.account_id)
    if position is not None:
        if order.wants_stops:
            work.entered_by[position.pk] = order.intent_id
        instrument = work.instruments[order.account.venue][order.symbol]
        if not order.is_entry:
            fill = _hand_over(work, order, position, fill, instrument, at)
        if fill.quantity:
            _move_holding(work, position, fill, instrument, at)
    return True


def _is_early(work: Work, order: Order, position: CopiedPosition, fill: FillSnapshot) -> bool:
    """It closes more than the account's copies hold, so an entry has filled that we have not heard
    of. Booked before that one, a long would look like a short, and be closed as one."""
    sign = 1 if fill.side == "buy" else -1
    if -sign * position.filled >= fill.quantity:
        return False
    held = (max(-sign * row.filled, Decimal(0)) for row in (position, *work.siblings_of(order)))
    if sum(held, Decimal(0)) >= fill.quantity:
        return False
    entries = Order.objects.for_tenant(order.tenant_id).filter(
        account_id=order.account_id,
        symbol=order.symbol,
        position_side=order.position_side,
        is_entry=True,
        state__in=[str(state) for state in _MAY_HAVE_FILLED],
    )
    at = _moment(fill)
    rows = (work.orders.get(row.pk, row) for row in entries.exclude(side=order.side))
    return any(_may_have_filled(row, at) for row in rows)


def _may_have_filled(entry: Order, at: datetime) -> bool:
    if entry.state in (OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED):
        return entry.seen_at is None or entry.seen_at <= at
    return entry.state in _MAY_HAVE_FILLED


def _hand_over(
    work: Work,
    order: Order,
    position: CopiedPosition,
    fill: FillSnapshot,
    instrument: Instrument,
    at: datetime,
) -> FillSnapshot:
    """What of it is the copy's own. Of a stop that goes off and a close that is on its way, the
    second closes what the account's other copies hold, whichever we hear of first: it is theirs."""
    sign = 1 if fill.side == "buy" else -1
    own = min(max(-sign * position.filled, Decimal(0)), fill.quantity)
    handed, rest = Decimal(0), fill.quantity - own
    if not rest:
        return fill
    for other in work.siblings_of(order):
        taken = min(max(-sign * other.filled, Decimal(0)), rest)
        if taken:
            share = replace(fill, quantity=taken, fee=fill.fee * taken / fill.quantity)
            _move_holding(work, other, share, instrument, at)
            other.target += sign * taken
            handed += taken
            rest -= taken
    own += rest  # nobody else's
    if handed:
        still_working = order.quantity - order.filled_quantity
        held = position.filled + sign * (own + still_working)
        position.target += _given_back(work, order, position, -sign * handed, held)
        work.changed_positions.add((position.subscription_id, position.symbol))
    return replace(fill, quantity=own, fee=fill.fee * own / fill.quantity)


def _move_holding(
    work: Work,
    position: CopiedPosition,
    fill: FillSnapshot,
    instrument: Instrument,
    at: datetime,
) -> None:
    sign = 1 if fill.side == "buy" else -1
    signed, fee = sign * fill.quantity, fill.fee
    if instrument.kind is InstrumentKind.SPOT and fill.fee_currency == instrument.base:
        # The fee of a spot purchase is taken from the coins: less is held than was bought.
        signed -= fill.fee
        fee = fill.fee * fill.price
    holding, trip = apply_fill(
        holding_of(position),
        signed_quantity=signed,
        price=fill.price,
        fee=fee,
        at=at,
        instrument=instrument,
    )
    write_holding(position, holding)
    work.changed_positions.add((position.subscription_id, position.symbol))
    work.moved_positions.add((position.subscription_id, position.symbol))
    if trip is not None:
        work.trades.append(trade_of(position, trip))


def holding_of(row: CopiedPosition) -> Holding:
    return Holding(
        filled=row.filled,
        average_entry_price=row.average_entry_price,
        realised_pnl=row.realised_pnl,
        fees=row.fees,
        opened_at=row.opened_at,
        entered_quantity=row.entered_quantity,
        entered_value=row.entered_value,
        exited_quantity=row.exited_quantity,
        exited_value=row.exited_value,
        round_trip_pnl=row.round_trip_pnl,
        round_trip_fees=row.round_trip_fees,
    )


def write_holding(row: CopiedPosition, holding: Holding) -> None:
    average = holding.average_entry_price
    row.filled = holding.filled
    row.average_entry_price = None if average is None else rounded(average)
    row.realised_pnl = rounded(holding.realised_pnl)
    row.fees = rounded(holding.fees)
    row.opened_at = holding.opened_at
    row.entered_quantity = holding.entered_quantity
    row.entered_value = rounded(holding.entered_value)
    row.exited_quantity = holding.exited_quantity
    row.exited_value = rounded(holding.exited_value)
    row.round_trip_pnl = rounded(holding.round_trip_pnl)
    row.round_trip_fees = rounded(holding.round_trip_fees)


def trade_of(position: CopiedPosition, trip: RoundTrip) -> Trade:
    return Trade(
        tenant_id=position.tenant_id,
        copied_position_id=position.pk,
        subscription_id=position.subscription_id,
        account_id=position.account_id,
        customer_id=position.customer_id,
        symbol=position.symbol,
        direction=trip.direction,
        quantity=trip.quantity,
        entry_price=rounded(trip.entry_price),
        exit_price=rounded(trip.exit_price),
        realised_pnl=rounded(trip.realised_pnl),
        fees=rounded(trip.fees),
        opened_at=trip.opened_at,
        closed_at=trip.closed_at,
    )


def target_moves(
    work: Work, order: Order, counted_before: Decimal, before: OrderState, after: OrderState
) -> None:
    position = work.positions.get((order.subscription_id, order.symbol))
    if position is None:
        return
    counted_after = counted_quantity(after, order.quantity, order.filled_quantity)
    if order.is_entry and order.cancel_requested_at is not None:
        ended = after in TERMINAL_STATES and before not in TERMINAL_STATES
        late = after in TERMINAL_STATES and counted_after != counted_before
        if ended or late:
            _settle_overtaken(work, order, position)
        return
    if counted_after != counted_before:
        sign = 1 if order.side == "buy" else -1
        moved = sign * (counted_after - counted_before)
        if not order.is_entry and counted_after < counted_before:
            moved = _given_back(work, order, position, moved, position.filled)
        position.target += moved
        work.changed_positions.add((position.subscription_id, position.symbol))


def _given_back(
    work: Work, exit_: Order, position: CopiedPosition, amount: Decimal, held: Decimal
) -> Decimal:
    """Of what an exit did not do for its copy, signed: as much as that one has beyond its target,
    of which it holds `held`. A stop may have closed it while nobody knew, and a later close have
    set the target to nothing already."""
    rests = _rests(work, exit_, position)
    side = 1 if amount > 0 else -1
    exposure = side * (held + rests.exits + rests.wanted[1] - rests.wanted[-1])
    target = side * position.target
    # What is carried below a lot stays carried.
    instrument = instrument_in_memory(exit_.account.venue, exit_.symbol)
    carried = Decimal(0) if instrument is None else instrument.lot
    if target + side * amount < exposure + carried:
        return amount
    return side * (max(target, exposure) - target)


@dataclass
class _Rests:
    """Unfilled rests of a position's other live orders. Exits signed; entries by side, unsigned."""

    exits: Decimal = Decimal(0)
    wanted: dict[int, Decimal] = field(default_factory=lambda: {1: Decimal(0), -1: Decimal(0)})
    overtaken: dict[int, Decimal] = field(default_factory=lambda: {1: Decimal(0), -1: Decimal(0)})


def _settle_overtaken(work: Work, entry: Order, position: CopiedPosition) -> None:
    """An entry that an exit overtook has ended: the target follows, what filled late goes."""
    rests = _rests(work, entry, position)
    sign = 1 if entry.side == "buy" else -1
    held = _left_by_exits(position.filled, rests.exits)
    side = 1 if position.target > 0 else -1
    turned = side != sign and position.target != 0
    excess = Decimal(0)
    if turned and entry.position_side != "net":
        # The venue holds this side beside the other, our books hold their sum.
        excess = sign * entry.filled_quantity
        held -= excess
    on_side = max(held * side, Decimal(0)) + rests.wanted[side] + rests.overtaken[side]
    target = overtaken_target(position.target, side * on_side)
    if target != position.target:
        position.target = target
        work.changed_positions.add((position.subscription_id, position.symbol))
    if not excess and held:
        wanted = (1 if held > 0 else -1) * rests.wanted[1 if held > 0 else -1]
        excess = unwanted_holding(held=held, wanted=wanted, target=target)
    if entry.filled_quantity and excess:
        instrument = work.instruments[entry.account.venue][entry.symbol]
        overtaken_fill_exit(entry=entry, excess=excess, instrument=instrument, now=work.now)


def _left_by_exits(filled: Decimal, exits: Decimal) -> Decimal:
    """What stays of a holding when its live exits fill: they close, they do not turn."""
    left = filled + exits
    if exits * filled >= 0:
        return filled
    return left if left * filled > 0 else Decimal(0)


def _rests(work: Work, ended: Order, position: CopiedPosition) -> _Rests:
    siblings = Order.objects.for_tenant(ended.tenant_id).filter(
        subscription_id=ended.subscription_id,
        symbol=ended.symbol,
        state__in=[str(state) for state in LIVE_STATES],
    )
    rests = _Rests()
    for stored in siblings.exclude(pk=ended.pk):
        order = work.orders.get(stored.pk, stored)
        if order.state not in LIVE_STATES:
            continue
        rest = order.quantity - order.filled_quantity
        side = 1 if order.side == "buy" else -1
        if not order.is_entry:
            rests.exits += side * rest
        elif order.cancel_requested_at is None:
            rests.wanted[side] += rest
        else:
            rests.overtaken[side] += rest
    return rests

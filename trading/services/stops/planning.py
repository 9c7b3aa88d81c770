"""What is to be done about the stops of positions: decided and written under their lock."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from customers.deadlocks import retry_on_deadlock
from customers.domain.ids import new_id
from customers.failpoints import failpoint
from customers.models import ExchangeAccount
from trading.domain.order_states import LIVE_STATES as LIVE_ORDER_STATES
from trading.domain.reasons import Reason, ReasonCode
from trading.domain.stops.legs import Leg, legs_of
from trading.domain.stops.protection import Held, Protection, protection_of
from trading.domain.stops.states import StopState
from trading.domain.stops.steps import Standing, Steps, steps_towards
from trading.domain.stops.terms import StopTerms, terms_from_json
from trading.models import CopiedPosition, Order, PositionStops, StopEvent, StopOrder
from trading.services.instruments import instrument_of_order
from trading.services.stops.exits import (
    exit_of_stop,
    position_exit,
    refused_lately,
    stop_exits_working,
)
from trading.services.stops.marking import terms_forget
from venues.domain.types import Instrument, InstrumentKind, StopRequest

logger = logging.getLogger(__name__)

ZERO = Decimal(0)
SIGNATURE = timedelta(seconds=30)
"""For so long a venue takes what we signed: there is no other deadline for a stop order."""
IN_FLIGHT = timedelta(seconds=12)
"""What is on its way for longer was left by a process that died: it is looked up."""
AGAIN = timedelta(seconds=3)
"""When something has to be known or done first, the stops are looked over again by then."""
OTHER_POSITION = 100_000
"""Added to the slots of what guarded a position that is not held any more."""
AFTER_REFUSAL = timedelta(seconds=10)
_STANDING = [str(state) for state in (StopState.SENDING, StopState.UNKNOWN, StopState.WAITING)]
_LIVE_ORDERS = [str(state) for state in LIVE_ORDER_STATES]


@dataclass(frozen=True, slots=True)
class Job:
    """One request about a stop order. Its row says already that it is under way."""

    kind: str
    """place, amend or cancel."""
    stop_id: str
    account_id: str
    venue: str
    request: StopRequest


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one position, locked."""

    position: CopiedPosition
    stops: PositionStops
    orders: Sequence[StopOrder]
    instrument: Instrument
    being_closed: Decimal
    """By orders that stops became."""

    @property
    def terms(self) -> StopTerms:
        """None that outlived their position."""
        if self.stops.opened_at != self.position.opened_at or not self.stops.terms:
            return StopTerms()
        return terms_from_json(self.stops.terms)

    @property
    def protection(self) -> Protection:
        position = self.position
        if not position.filled or position.average_entry_price is None:
            return Protection()
        held = Held(position.filled, position.average_entry_price, self.stops.best_price)
        return protection_of(
            self.terms, held, self.instrument, target_was_reached=self.stops.target_reached
        )

    @property
    def guarded(self) -> Decimal:
        """What is held and not being closed by a stop. Unsigned."""
        return max(abs(self.position.filled) - self.being_closed, ZERO)

    @property
    def is_held_at_venue(self) -> bool:
        """Coins have no position that a stop could only reduce: their prices are watched."""
        return self.instrument.kind is not InstrumentKind.SPOT

    def legs(self) -> list[Leg]:
        return legs_of(self.protection, self.guarded, self.instrument, self.stops.done)


def stops_plan(tenant_id: str, position_ids: Sequence[str]) -> list[Job]:
    """Decide for these positions; what is to leave is written, and is to be sent by the caller.

    Several callers at once get each job once: the second sees the first one's rows.
    """
    accounts = {
        pk: (venue, symbol)
        for pk, venue, symbol in CopiedPosition.objects.for_tenant(tenant_id)
        .filter(pk__in=position_ids)
        .values_list("pk", "account__venue", "symbol")
    }
    # Over the network, if nobody knows it: not in the transaction.
    instruments = {key: instrument_of_order(*key) for key in set(accounts.values())}
    known: dict[str, Instrument] = {}
    for pk, key in accounts.items():
        instrument = instruments[key]
        if instrument is None:
            logger.error("stops of %s: nobody knows %s", pk, key)
        else:
            known[pk] = instrument
    return retry_on_deadlock(lambda: _plan(tenant_id, known))


@transaction.atomic
def _plan(tenant_id: str, instruments: Mapping[str, Instrument]) -> list[Job]:
    now = timezone.now()
    jobs: list[Job] = []
    for facts in facts_locked(tenant_id, instruments):
        steps = _decide(facts, now)
        jobs += _write(facts, steps, now)
        _note(facts, steps, now)
    failpoint("stops.before_written")
    return jobs


def facts_locked(tenant_id: str, instruments: Mapping[str, Instrument]) -> Iterable[Facts]:
    """In the caller's transaction. A fixed number of queries."""
    positions = list(
        CopiedPosition.objects.for_tenant(tenant_id)
        .filter(pk__in=list(instruments))
        .order_by("pk")
        .select_for_update()
        .prefetch_related("subscription", "account")
    )
    ids = [position.pk for position in positions]
    stops = {
        row.copied_position_id: row
        for row in PositionStops.objects.for_tenant(tenant_id)
        .filter(copied_position_id__in=ids)
        .order_by("pk")
        .select_for_update()
    }
    orders: dict[str, list[StopOrder]] = defaultdict(list)
    rows = StopOrder.objects.for_tenant(tenant_id).filter(copied_position_id__in=ids)
    standing = rows.filter(state__in=_STANDING)
    gone_off = rows.filter(state=StopState.TRIGGERED, rest_closed=False)
    for row in [*standing.order_by("pk"), *gone_off.order_by("pk")]:
        orders[row.copied_position_id].append(row)
    being_closed = stop_exits_working(tenant_id, positions)
    for position in positions:
        row_of_stops = stops.get(position.pk)
        if row_of_stops is not None:
            yield Facts(
                position,
                row_of_stops,
                orders[position.pk],
                instruments[position.pk],
                being_closed[position.pk],
            )


def _decide(facts: Facts, now: datetime) -> Steps:
    if _close_rests(facts, now):
        return Steps(waits=True, covers=False)
    closing = "sell" if facts.position.filled > 0 else "buy"
    standing = [
        _standing(row, guards=row.side == closing and row.opened_at == facts.position.opened_at)
        for row in facts.orders
        if row.state != StopState.TRIGGERED
    ]
    wanted = facts.legs() if facts.is_held_at_venue else []
    steps = steps_towards(wanted, standing, facts.guarded)
    unread = any(_is_unread(row) for row in facts.orders)
    # The venue holds less than we think, or takes no exit now: placing and closing again at once
    # would go round in circles.
    if unread or (steps.place and refused_lately(facts.position, now - AFTER_REFUSAL)):
        return Steps(cancel=steps.cancel, waits=True, covers=False)
    return steps


def _is_unread(row: StopOrder) -> bool:
    """It went off, but the order that it became is not known yet: what is held is not, either."""
    if row.state != StopState.TRIGGERED:
        return False
    return not Order.objects.for_tenant(row.tenant_id).filter(pk=row.pk).exists()


def _close_rests(facts: Facts, now: datetime) -> bool:
    """What a stop left when it went off goes to the market, once; whether something did."""
    closed = False
    for row in facts.orders:
        if row.state != StopState.TRIGGERED:
            continue
        order = Order.objects.for_tenant(row.tenant_id).filter(pk=row.pk).first()
        if order is None or order.state in _LIVE_ORDERS:
            continue
        # As the venue made it: the stop may have been made smaller before we heard of that.
        rest = order.quantity - order.filled_quantity
        if rest > 0:
            exit_ = exit_of_stop(row, rest, part=":rest")
            # What waited then was overtaken when it went off.
            made = position_exit(facts.position, exit_, facts.instrument, now, overtakes=False)
            closed = closed or made is not None
        row.rest_closed = True
        row.save(update_fields=["rest_closed"])
    return closed


def _standing(row: StopOrder, *, guards: bool) -> Standing:
    """What guarded the position before this one can become nothing of this one: it is of the other
    side, or the venue may have cancelled it with its position."""
    largest = row.quantity
    if row.amending is not None:
        largest = max(largest, Decimal(row.amending["quantity"]))
    return Standing(
        id=row.pk,
        slot=row.slot if guards else OTHER_POSITION + row.slot,
        quantity=row.quantity,
        stop_loss=row.stop_loss,
        take_profit=row.take_profit,
        largest=largest,
        is_settled=row.state == StopState.WAITING and row.amending is None,
        is_leaving=row.cancel_requested_at is not None,
    )


# --- writing it -----------------------------------------------------------------------------------


def _write(facts: Facts, steps: Steps, now: datetime) -> list[Job]:
    """The write-ahead: each request has its row before it leaves."""
    by_id = {row.pk: row for row in facts.orders}
    jobs = []
    for stop_id in steps.cancel:
        row = by_id[stop_id]
        row.cancel_requested_at, row.check_at = now, now + AGAIN
        row.version += 1
        row.save(update_fields=["cancel_requested_at", "check_at", "version"])
        jobs.append(_job("cancel", facts, row))
    for stop_id, leg in steps.amend:
        row = by_id[stop_id]
        row.amending = {
            "quantity": format(leg.quantity, "f"),
            "stop_loss": _text(leg.stop_loss),
            "take_profit": _text(leg.take_profit),
        }
        row.check_at = now + IN_FLIGHT
        row.version += 1
        row.save(update_fields=["amending", "check_at", "version"])
        jobs.append(_job("amend", facts, row, leg))
    for leg in steps.place:
        row = _new_row(facts, leg, now)
        row.save(force_insert=True)
        StopEvent.objects.create(
            tenant_id=row.tenant_id,
            stop=row,
            kind="create",
            from_state="",
            to_state=row.state,
            occurred_at=now,
        )
        jobs.append(_job("place", facts, row))
    return jobs


def _new_row(facts: Facts, leg: Leg, now: datetime) -> StopOrder:
    position = facts.position
    account = position.account
    hedged = account.position_mode == ExchangeAccount.PositionMode.LONG_SHORT
    long = position.filled > 0
    return StopOrder(
        id=new_id(),
        tenant_id=position.tenant_id,
        copied_position_id=position.pk,
        subscription_id=position.subscription_id,
        account_id=position.account_id,
        opened_at=facts.stops.opened_at,
        symbol=position.symbol,
        slot=leg.slot,
        side="sell" if long else "buy",
        position_side=("long" if long else "short") if hedged else "net",
        margin_mode=position.exit_margin_mode,
        quantity=leg.quantity,
        stop_loss=leg.stop_loss,
        take_profit=leg.take_profit,
        state=StopState.SENDING,
        sent_at=now,
        deadline_at=now + SIGNATURE,
        check_at=now + IN_FLIGHT,
        created_at=now,
    )


def _job(kind: str, facts: Facts, row: StopOrder, leg: Leg | None = None) -> Job:
    account = facts.position.account
    request = StopRequest(
        client_stop_id=row.pk,
        instrument=facts.instrument,
        side=row.side,  # type: ignore[arg-type]  # written by _new_row
        quantity=row.quantity if leg is None else leg.quantity,
        stop_loss=row.stop_loss if leg is None else leg.stop_loss,
        take_profit=row.take_profit if leg is None else leg.take_profit,
        position_side=row.position_side,  # type: ignore[arg-type]
        margin_mode=row.margin_mode,  # type: ignore[arg-type]
    )
    return Job(kind, row.pk, row.account_id, account.venue, request)


def _note(facts: Facts, steps: Steps, now: datetime) -> None:
    stops = facts.stops
    watched = bool(facts.position.filled) and _is_to_be_watched(facts)
    in_line = steps.covers and steps.is_empty and not steps.waits
    gone = in_line and not facts.position.filled
    stops.is_watched = watched
    stops.changed_at = now
    if in_line:
        stops.due_at = stops.open_since = None
        stops.tries = 0
        stops.reason_code, stops.reason_params = "", {}
    else:
        stops.due_at = now + AGAIN
        stops.open_since = stops.open_since or now
        if not stops.reason_code:
            reason = Reason(ReasonCode.STOPS_BEING_SET)
            stops.reason_code, stops.reason_params = reason.code, reason.params
    if gone:
        terms_forget(stops)
    stops.save()


def _is_to_be_watched(facts: Facts) -> bool:
    terms, protection = facts.terms, facts.protection
    guards = protection.stop_loss is not None or bool(protection.targets)
    return guards and (terms.trailing_percent is not None or not facts.is_held_at_venue)


def _text(price: Decimal | None) -> str | None:
    return None if price is None else format(price, "f")

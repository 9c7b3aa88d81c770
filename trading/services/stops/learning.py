"""What the venue said of stop orders: the one place where their state changes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from customers.deadlocks import retry_on_deadlock
from customers.failpoints import failpoint
from customers.wakeup import wake_on_commit
from trading.domain.reasons import Reason, ReasonCode
from trading.domain.stops.legs import PARTS
from trading.domain.stops.states import (
    LIVE_STATES,
    InvalidStopTransitionError,
    StopState,
    StopTrigger,
    advance,
)
from trading.models import CopiedPosition, PositionStops, StopEvent, StopOrder
from trading.services.instruments import instrument_of_order
from trading.services.stops.exits import Exit, exit_of_stop, order_of_stop, position_exit
from venues.domain.types import Instrument, StopSnapshot

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StopUpdate:
    """What was learnt about one stop order. `check_at` None: nothing is to be looked up."""

    stop_id: str
    trigger: StopTrigger
    venue_stop_id: str = ""
    reason: Reason | None = None
    shown: StopSnapshot | None = None
    """As the venue has it now; of one that went off also the order that it became."""
    check_at: datetime | None = None
    misses: int | None = None
    watch_until: datetime | None = None
    is_passed: bool = False
    """The placement, or the amendment, was refused because the price is beyond the trigger: what
    it was to close is closed now."""
    details: dict[str, Any] = field(default_factory=dict)


def stop_updates_apply(
    *, tenant_id: str, updates: Sequence[StopUpdate], wakes: bool = True
) -> None:
    """Repeating an update changes nothing. `wakes`: somebody else is to bring the stops in line.

    In the tenant's scope.
    """
    if not updates:
        return
    keys = (
        StopOrder.objects.for_tenant(tenant_id)
        .filter(pk__in=[update.stop_id for update in updates])
        .values_list("account__venue", "symbol")
    )
    # Over the network, if nobody knows it: not in the transaction.
    instruments = {key: instrument_of_order(*key) for key in set(keys)}
    retry_on_deadlock(lambda: _apply(tenant_id, updates, instruments, wakes=wakes))
    failpoint("stops.learnt")


Instruments = dict[tuple[str, str], Instrument | None]


@transaction.atomic
def _apply(
    tenant_id: str, updates: Sequence[StopUpdate], instruments: Instruments, *, wakes: bool
) -> None:
    now = timezone.now()
    ids = [update.stop_id for update in updates]
    owners = StopOrder.objects.for_tenant(tenant_id).filter(pk__in=ids)
    # Positions before what hangs on them, as everybody locks them.
    positions = {
        row.pk: row
        for row in CopiedPosition.objects.for_tenant(tenant_id)
        .filter(pk__in=set(owners.values_list("copied_position_id", flat=True)))
        .order_by("pk")
        .select_for_update()
        .prefetch_related("subscription")
    }
    stops = {
        row.pk: row
        for row in StopOrder.objects.for_tenant(tenant_id)
        .filter(pk__in=ids)
        .order_by("pk")
        .select_for_update()
        .prefetch_related("account")
    }
    due = set()
    for update in updates:
        stop = stops.get(update.stop_id)
        if stop is None:
            logger.error("an update for a stop that does not exist: %s", update.stop_id)
            continue
        position = positions[stop.copied_position_id]
        instrument = instruments.get((stop.account.venue, stop.symbol))
        try:
            if _learn(position, stop, update, instrument, now):
                due.add(position.pk)
        except InvalidStopTransitionError as error:
            logger.error("stop %s: %s", stop.pk, error)
    if due:
        rows = PositionStops.objects.for_tenant(tenant_id).filter(copied_position_id__in=due)
        rows.filter(open_since=None).update(open_since=now)
        rows.update(due_at=now)
        if wakes:
            wake_on_commit(
                "trading.tasks.stops_keep", position_ids=sorted(due), tenant_id=tenant_id
            )
    failpoint("stops.before_learnt")


def _learn(
    position: CopiedPosition,
    stop: StopOrder,
    update: StopUpdate,
    instrument: Instrument | None,
    now: datetime,
) -> bool:
    """Whether the position's stops are to be looked over again."""
    before = StopState(stop.state)
    after = advance(before, update.trigger)
    seen = (stop.quantity, stop.stop_loss, stop.take_profit, stop.amending)
    stop.state = after
    stop.check_at = update.check_at
    stop.checks += 1
    stop.version += 1
    stop.venue_stop_id = update.venue_stop_id or stop.venue_stop_id
    if update.misses is not None:
        stop.misses = update.misses
    if update.watch_until is not None:
        stop.watch_until = update.watch_until
    if update.reason is not None:
        stop.reason_code, stop.reason_params = update.reason.code, update.reason.params
    elif after is StopState.WAITING:
        stop.reason_code, stop.reason_params = "", {}
    if update.trigger is StopTrigger.AMEND and stop.amending is not None:
        _take_terms(stop, stop.amending)
    if update.shown is not None:
        _take_shown(stop, update.shown, now)
    went_off = after is StopState.TRIGGERED and update.shown is not None
    if went_off and update.shown is not None and update.shown.venue_order_id:
        quantity = update.shown.actual_quantity or stop.quantity
        at = _moment(update.shown.updated_at_ms)
        order_of_stop(position, stop, update.shown.venue_order_id, quantity, now, at)
    goes_off = after is StopState.TRIGGERED and after is not before
    if goes_off or (went_off and stop.triggered_by == "tp"):
        _note_target(stop, now)
    must_close = update.is_passed or (after is StopState.FAILED and before is not after)
    closed = None
    if must_close and instrument is not None:
        closed = position_exit(position, _exit_in_its_place(stop), instrument, now)
    if after in LIVE_STATES:
        stop.finished_at = None
    elif stop.finished_at is None:
        stop.finished_at = now
    stop.save()
    _record(stop, before, after, update, now)
    moved = (stop.quantity, stop.stop_loss, stop.take_profit, stop.amending) != seen
    # Asked again at once, what was refused would be refused again.
    refused = update.trigger is StopTrigger.REJECT
    return (after is not before and not refused) or moved or closed is not None


def _moment(at_ms: int) -> datetime | None:
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC) if at_ms else None


def _exit_in_its_place(stop: StopOrder) -> Exit:
    """Not by the key of the order that it becomes when it goes off all the same."""
    if stop.amending is None:
        return exit_of_stop(stop, part=":instead")
    # As it was to become; it may be asked for that more than once.
    return exit_of_stop(stop, Decimal(stop.amending["quantity"]), part=f":moved{stop.version}")


def _take_shown(stop: StopOrder, shown: StopSnapshot, now: datetime) -> None:
    stop.seen_at = now
    stop.misses = 0
    stop.venue_stop_id = shown.venue_stop_id or stop.venue_stop_id
    stop.triggered_by = shown.triggered_by or stop.triggered_by
    if stop.state == StopState.WAITING:
        if shown.quantity is not None:
            stop.quantity = shown.quantity
        stop.stop_loss, stop.take_profit = shown.stop_loss_trigger, shown.take_profit_trigger
        stop.amending = None


def _take_terms(stop: StopOrder, asked: dict[str, str | None]) -> None:
    stop.quantity = Decimal(str(asked["quantity"]))
    for name in ("stop_loss", "take_profit"):
        price = asked[name]
        setattr(stop, name, None if price is None else Decimal(price))
    stop.amending = None


def _note_target(stop: StopOrder, now: datetime) -> None:
    """Its part of the position is dealt with; the others' prices may follow."""
    row = (
        PositionStops.objects.for_tenant(stop.tenant_id)
        .select_for_update()
        .filter(copied_position_id=stop.copied_position_id)
        .first()
    )
    if row is None or row.opened_at != stop.opened_at:
        return
    place = stop.slot // PARTS
    if place not in row.done:
        row.done = [*row.done, place]
    row.target_reached = row.target_reached or stop.triggered_by == "tp"
    row.changed_at = now
    row.save(update_fields=["done", "target_reached", "changed_at"])


def _record(
    stop: StopOrder, before: StopState, after: StopState, update: StopUpdate, now: datetime
) -> None:
    if before is after and update.trigger not in (StopTrigger.AMEND,):
        return
    details = dict(update.details)
    if update.reason is not None:
        details |= {"reason": update.reason.code, **update.reason.params}
    if update.trigger is StopTrigger.AMEND:
        details |= {
            "quantity": format(stop.quantity, "f"),
            "stop_loss": None if stop.stop_loss is None else format(stop.stop_loss, "f"),
            "take_profit": None if stop.take_profit is None else format(stop.take_profit, "f"),
        }
    StopEvent.objects.create(
        tenant_id=stop.tenant_id,
        stop=stop,
        kind=update.trigger,
        from_state=before,
        to_state=after,
        details=details,
        occurred_at=now,
    )


def passed_reason(code: str, message: str) -> Reason:
    return Reason(ReasonCode.STOP_PRICE_PASSED, {"code": code, "message": message})

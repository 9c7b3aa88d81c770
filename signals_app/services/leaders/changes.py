"""What a leader changed without trading, seen by comparing what is known with what was read."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from signals_app.domain.leaders.account_changes import (
    PositionTerms,
    StopTerms,
    position_changes,
    slots,
    stop_changes,
    transfer,
)
from signals_app.domain.leaders.book import Slot, positions_of
from signals_app.domain.leaders.instructions import moment
from signals_app.models import Leader, LeaderPosition, LeaderStop, Signal
from signals_app.services.leaders.reading import Reading
from signals_app.services.leaders.taking import event_hand_on
from venues.domain.types import PositionSnapshot, StopSnapshot


def position_terms(leader: Leader) -> dict[Slot, PositionTerms]:
    rows = LeaderPosition.objects.for_tenant(leader.tenant_id).filter(leader=leader)
    return slots(
        (
            (row.symbol, row.position_side),
            PositionTerms(row.quantity, row.leverage, row.margin_mode, row.margin),
        )
        for row in rows
    )


def _reported_terms(
    positions: Sequence[PositionSnapshot],
) -> dict[Slot, PositionTerms]:
    return slots(
        (
            (each.symbol, each.position_side),
            PositionTerms(each.quantity, each.leverage, each.margin_mode, each.margin),
        )
        for each in positions
    )


def changes_take(
    leader: Leader,
    reading: Reading,
    before: Mapping[Slot, PositionTerms],
    now: datetime,
) -> list[Signal]:
    changes = position_changes(before, _reported_terms(reading.positions), now)
    if reading.stops is not None:
        changes += stop_changes(_known_stops(leader), _told_stops(reading.stops), now)
        stops_store(leader, reading, now)
    known, until = leader.transfers_until, last_transfer(reading, leader.transfers_until)
    for each in reversed(reading.transfers or ()):
        if _id_order(each.transfer_id) > _id_order(known):
            changes.append(transfer(each.amount, each.currency, moment(each.moved_at_ms)))
    if until != known:
        Leader.objects.for_tenant(leader.tenant_id).filter(pk=leader.pk).update(
            transfers_until=until
        )
    # A change is seen against the row that was locked, so each is told once.
    told = (
        event_hand_on(
            leader,
            change,
            external_id=f"{change.signal.action}:{reading.asked_ms}:{secrets.token_hex(6)}",
            now=now,
        )
        for change in changes
    )
    return [signal for signal in told if signal is not None]


def last_transfer(reading: Reading, known: str) -> str:
    ids = [each.transfer_id for each in reading.transfers or ()]
    return max((*ids, known), key=_id_order)


def _id_order(transfer_id: str) -> tuple[int, str]:
    """Venues count their ids up."""
    return len(transfer_id), transfer_id


def _told_stops(stops: Sequence[StopSnapshot]) -> dict[str, StopTerms]:
    return {
        stop.venue_stop_id: StopTerms(stop.symbol, stop.stop_loss_trigger, stop.take_profit_trigger)
        for stop in stops
        if stop.stop_loss_trigger or stop.take_profit_trigger
    }


def _known_stops(leader: Leader) -> dict[str, StopTerms]:
    rows = LeaderStop.objects.for_tenant(leader.tenant_id).filter(leader=leader)
    return {
        row.venue_stop_id: StopTerms(row.symbol, row.stop_loss, row.take_profit) for row in rows
    }


def stops_store(leader: Leader, reading: Reading, now: datetime) -> None:
    if reading.stops is None:
        return
    rows = LeaderStop.objects.for_tenant(leader.tenant_id).filter(leader=leader)
    told = {
        stop.venue_stop_id: stop
        for stop in reading.stops
        if stop.stop_loss_trigger or stop.take_profit_trigger
    }
    rows.exclude(venue_stop_id__in=told).delete()
    for stop_id, stop in told.items():
        rows.update_or_create(
            tenant_id=leader.tenant_id,
            leader=leader,
            venue_stop_id=stop_id,
            defaults={
                "symbol": stop.symbol,
                "position_side": stop.position_side,
                "stop_loss": stop.stop_loss_trigger,
                "take_profit": stop.take_profit_trigger,
                "quantity": stop.quantity,
                "changed_at": now,
            },
        )


def reported_store(leader: Leader, reading: Reading, now: datetime) -> None:
    """Positions with all that the venue says of them."""
    rows = LeaderPosition.objects.for_tenant(leader.tenant_id).filter(leader=leader)
    terms = _reported_terms(reading.positions)
    for slot, quantity in positions_of(reading.positions).items():
        symbol, side = slot
        prices = [
            each.average_price
            for each in reading.positions
            if (each.symbol, each.position_side) == slot and each.average_price is not None
        ]
        average = prices[0] if len(prices) == 1 else None
        values = {
            "quantity": quantity,
            "average_price": average and average.quantize(Decimal("1e-18")),
            "leverage": terms[slot].leverage,
            "margin_mode": terms[slot].margin_mode,
            "margin": terms[slot].margin,
        }
        known = rows.filter(symbol=symbol, position_side=side)
        if not known.update(**values):
            LeaderPosition.objects.create(
                tenant_id=leader.tenant_id,
                leader=leader,
                symbol=symbol,
                position_side=side,
                changed_at=now,
                **values,
            )

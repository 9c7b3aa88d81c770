"""From the stop orders that should be there and those that are to what is to be done. Pure.

At no moment may they close more than is held: what shrinks or goes is dealt with before what
grows or comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from trading.domain.stops.legs import Leg

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Standing:
    """A stop order that waits at the venue, or may.

    `largest`: with what it may be amended to just now. `is_settled`: known as it is, and nothing
    about it is under way. `is_leaving`: its cancellation was asked for.
    """

    id: str
    slot: int
    quantity: Decimal
    stop_loss: Decimal | None
    take_profit: Decimal | None
    largest: Decimal
    is_settled: bool = True
    is_leaving: bool = False


@dataclass(frozen=True, slots=True)
class Steps:
    """`waits`: something has to be known or done first, so that more steps follow.
    `covers`: what is there by now does all that is wanted."""

    place: tuple[Leg, ...] = ()
    amend: tuple[tuple[str, Leg], ...] = ()
    cancel: tuple[str, ...] = ()
    waits: bool = False
    covers: bool = True

    @property
    def is_empty(self) -> bool:
        return not (self.place or self.amend or self.cancel)


def steps_towards(wanted: Sequence[Leg], standing: Iterable[Standing], held: Decimal) -> Steps:
    """`held`: what is to be guarded, unsigned."""
    by_slot: dict[int, list[Standing]] = {}
    for each in standing:
        by_slot.setdefault(each.slot, []).append(each)
    at_venue = sum((one.largest for found in by_slot.values() for one in found), ZERO)
    cancel: list[str] = []
    shrink: list[tuple[str, Leg]] = []
    grow: list[tuple[str, Leg, Decimal]] = []
    place: list[Leg] = []
    waits = False
    covers = True
    for leg in wanted:
        found = by_slot.pop(leg.slot, [])
        kept = _to_keep(found, leg)
        for each in found:
            if each is kept:
                continue
            waits = True
            if each.is_settled and not each.is_leaving:
                cancel.append(each.id)
        if kept is None:
            covers = False
            if found:
                waits = True
            else:
                place.append(leg)
            continue
        if _is(kept, leg):
            # One that nobody is sure of guards nothing yet.
            covers = covers and kept.is_settled
            waits = waits or not kept.is_settled
        elif not kept.is_settled:
            covers, waits = False, True
        else:
            covers = False
            more = leg.quantity - kept.quantity
            if more > 0:
                grow.append((kept.id, leg, more))
            else:
                shrink.append((kept.id, leg))
    for found in by_slot.values():
        waits = True
        covers = False
        cancel += [each.id for each in found if each.is_settled and not each.is_leaving]
    room = held - at_venue
    amend = list(shrink)
    for stop_id, leg, more in grow:
        if more <= room:
            room -= more
            amend.append((stop_id, leg))
        else:
            waits = True
    placed = []
    for leg in place:
        if leg.quantity <= room:
            room -= leg.quantity
            placed.append(leg)
        else:
            waits = True
    return Steps(tuple(placed), tuple(amend), tuple(cancel), waits, covers)


def _to_keep(found: Sequence[Standing], leg: Leg) -> Standing | None:
    """One that can become the leg by an amendment: it has as many triggers, of the same kinds."""
    kind = (leg.stop_loss is None, leg.take_profit is None)
    fitting = [
        each
        for each in found
        if not each.is_leaving and (each.stop_loss is None, each.take_profit is None) == kind
    ]
    fitting.sort(key=lambda each: (not each.is_settled, not _is(each, leg), each.id))
    return fitting[0] if fitting else None


def _is(standing: Standing, leg: Leg) -> bool:
    mine = (standing.quantity, standing.stop_loss, standing.take_profit)
    return mine == (leg.quantity, leg.stop_loss, leg.take_profit)

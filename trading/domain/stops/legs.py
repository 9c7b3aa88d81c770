"""How a position is shared out among stop orders. Pure.

Each leg has a part of the position, the stop loss, and its target: where the venue has both in
one order, the one that is reached ends the other, and all legs together are the position and no
more, whatever goes off.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from trading.domain.stops.protection import Protection
from venues.domain.types import Instrument

ZERO = Decimal(0)
RUNNER = 90
"""The place of what no target takes: it has the stop loss only."""
PARTS = 100
"""A slot is a place and the number of the part, where the venue takes only so much at once."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One stop order that should be there. Quantity unsigned, on the lot."""

    slot: int
    quantity: Decimal
    stop_loss: Decimal | None
    take_profit: Decimal | None

    @property
    def place(self) -> int:
        return self.slot // PARTS


def legs_of(
    protection: Protection, quantity: Decimal, instrument: Instrument, done: Collection[int] = ()
) -> list[Leg]:
    """For `quantity` (unsigned, rounded down to the lot). `done`: places of targets that went off.

    What the targets that are left share out keeps their proportions. A part below what the venue
    takes is added to the next one. Empty when there is nothing to guard, or too little for an
    order.
    """
    total = instrument.quantity_down(quantity)
    if total < instrument.min_size:
        return []
    targets = [
        (place, price, share)
        for place, (price, share) in enumerate(protection.targets)
        if place not in done
    ]
    shares = sum((share for _, share in protection.targets), ZERO)
    runner = max(1 - shares, ZERO)
    if not targets:
        runner = Decimal(1)
    whole = sum((share for *_, share in targets), ZERO) + runner
    legs: list[Leg] = []
    left, carried = total, ZERO
    places: list[tuple[int, Decimal | None, Decimal]] = [*targets, (RUNNER, None, runner)]
    places = [each for each in places if each[2] > 0]
    for number, (place, price, share) in enumerate(places):
        exact = total * share / whole + carried
        last = number == len(places) - 1
        part = left if last else min(instrument.quantity_down(exact), left)
        carried = exact - part
        if part < instrument.min_size:
            carried = exact
            continue
        left -= part
        legs += _parts(place, part, protection.stop_loss, price, instrument)
    if left and legs:
        legs[-1] = _larger(legs[-1], left)
    return legs


def _larger(leg: Leg, more: Decimal) -> Leg:
    return Leg(leg.slot, leg.quantity + more, leg.stop_loss, leg.take_profit)


def _parts(
    place: int,
    quantity: Decimal,
    stop_loss: Decimal | None,
    take_profit: Decimal | None,
    instrument: Instrument,
) -> list[Leg]:
    if stop_loss is None and take_profit is None:
        return []
    most = instrument.max_market_size
    largest = quantity if most is None else max(instrument.quantity_down(most), instrument.lot)
    legs: list[Leg] = []
    while quantity > 0:
        size = min(quantity, largest)
        if ZERO < quantity - size < instrument.min_size:
            # What would be left is too small for an order of its own.
            size = max(instrument.quantity_down(size - instrument.min_size), instrument.min_size)
            size = size if quantity - size >= instrument.min_size else quantity
        legs.append(Leg(place * PARTS + len(legs), size, stop_loss, take_profit))
        quantity -= size
    return legs

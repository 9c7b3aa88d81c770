"""The prices at which a position is closed. Pure; prices on the tick, on the safe side.

Rounded so that a stop goes off sooner rather than later: towards the entry.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from strategies.domain.settings import StopsMode
from trading.domain.stops.terms import LeaderStops, Share, StopTerms
from venues.domain.types import Instrument

HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class Held:
    """A position as the stops see it: signed quantity, native unit; average entry price.

    `best_price`: the most favourable one since it was entered, if it is followed.
    """

    quantity: Decimal
    entry_price: Decimal
    best_price: Decimal | None = None

    @property
    def direction(self) -> int:
        return 1 if self.quantity > 0 else -1


@dataclass(frozen=True, slots=True)
class Protection:
    """`targets`: prices and shares of the whole position, in the order in which they are reached.

    Their places in it name them: one that was reached stays away however the others move.
    """

    stop_loss: Decimal | None = None
    targets: tuple[Share, ...] = ()


def protection_of(
    terms: StopTerms, held: Held, instrument: Instrument, *, target_was_reached: bool
) -> Protection:
    """`target_was_reached`: a take profit of this position has gone off."""
    if terms.mode is StopsMode.NONE:
        return Protection()
    if terms.mode is StopsMode.OWN:
        stop, targets = _own(terms, held)
    else:
        leader = _turned(terms.leader) if terms.is_reversed else terms.leader
        stop, targets = leader.stop_loss, leader.targets
    stops = [] if stop is None else [stop]
    if terms.trailing_percent is not None:
        best = held.entry_price
        if held.best_price is not None:
            best = _better(held, best, held.best_price)
        stops.append(_away(best, terms.trailing_percent, -held.direction))
    if terms.break_even_after_target and target_was_reached:
        stops.append(held.entry_price)
    nearest = None
    for price in stops:
        nearest = price if nearest is None else _better(held, nearest, price)
    return Protection(
        None if nearest is None else _to_tick(nearest, instrument, up=held.direction > 0),
        tuple(
            (_to_tick(price, instrument, up=held.direction < 0), share) for price, share in targets
        ),
    )


def _own(terms: StopTerms, held: Held) -> tuple[Decimal | None, tuple[Share, ...]]:
    entry, direction = held.entry_price, held.direction
    percent = terms.stop_loss_percent
    stop = None if percent is None else _away(entry, percent, -direction)
    targets = ((_away(entry, distance, direction), share) for distance, share in terms.targets)
    # A short cannot win more than everything.
    return stop, tuple((price, share) for price, share in targets if price > 0)


def _turned(leader: LeaderStops) -> LeaderStops:
    """For who holds the other side: the last target is the stop, the stop the target."""
    stop = leader.targets[-1][0] if leader.targets else None
    targets = () if leader.stop_loss is None else ((leader.stop_loss, Decimal(1)),)
    return LeaderStops(stop, targets)


def _away(price: Decimal, percent: Decimal, direction: int) -> Decimal:
    return price * (1 + direction * percent / HUNDRED)


def _better(held: Held, first: Decimal, second: Decimal) -> Decimal:
    """The one that is further in the position's favour."""
    return max(first, second) if held.direction > 0 else min(first, second)


def _to_tick(price: Decimal, instrument: Instrument, *, up: bool) -> Decimal:
    rounding = ROUND_CEILING if up else ROUND_FLOOR
    ticks = (price / instrument.tick).to_integral_value(rounding)
    return max(ticks, Decimal(1)) * instrument.tick


def is_passed(protection: Protection, price: Decimal, direction: int) -> bool:
    """Whether the price is at or beyond the stop loss."""
    stop = protection.stop_loss
    return stop is not None and (price - stop) * direction <= 0


def reached_targets(
    protection: Protection, price: Decimal, direction: int, done: Collection[int]
) -> list[int]:
    """The places of the targets that the price is at or beyond, without those done."""
    return [
        place
        for place, (target, _) in enumerate(protection.targets)
        if place not in done and (price - target) * direction >= 0
    ]

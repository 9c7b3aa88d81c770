"""At which price one isolated position is liquidated, by its own margin. Pure.

The maintenance margin is taken as 1 % of notional, as where entries are judged.
"""

from __future__ import annotations

from decimal import Decimal

from trading.domain.risk.rules.liquidation_distance import MAINTENANCE
from venues.domain.types import Instrument, InstrumentKind

ZERO, ONE, HUNDRED = Decimal(0), Decimal(1), Decimal(100)


def margin_at(instrument: Instrument, held: Decimal, entry: Decimal, leverage: Decimal) -> Decimal:
    """What an isolated position is given at this leverage, in settle currency."""
    worth = instrument.notional(abs(held), entry)
    if instrument.kind is InstrumentKind.INVERSE:
        worth = worth / entry
    return worth / max(leverage, ONE)


def liquidation_distance(
    instrument: Instrument, held: Decimal, entry: Decimal, margin: Decimal, price: Decimal
) -> Decimal | None:
    """Percent of `price` until the position is liquidated; below 0 when it would be at once. None:
    there is no such price. `held` is signed, `margin` in settle currency."""
    size = instrument.notional(abs(held), ONE)  # coins, or dollars of an inverse contract
    long = held > 0
    if instrument.kind is InstrumentKind.INVERSE:
        coins = margin + size / entry if long else size / entry - margin
        if coins <= ZERO:
            return None
        at = size * (ONE + MAINTENANCE if long else ONE - MAINTENANCE) / coins
    elif long:
        at = (size * entry - margin) / (size * (ONE - MAINTENANCE))
    else:
        at = (size * entry + margin) / (size * (ONE + MAINTENANCE))
    if at <= ZERO:
        return None
    return (price - at if long else at - price) / price * HUNDRED

"""How small and how large single orders may be: the venue's filters and the copy's caps. Pure.

Sizes are unsigned, in the venue's native unit; money in the quote currency.
"""

from __future__ import annotations

from decimal import Decimal

from strategies.domain.settings import CopySettings
from venues.domain.types import Instrument, InstrumentKind

ZERO = Decimal(0)
PRICE_ROOM = Decimal("0.95")
"""Of a limit that the venue states in money, for its price moves until the order is there."""
MOST_PARTS = 20
"""Into which one entry is cut; what is above is not copied."""


def smallest_entry(instrument: Instrument, price: Decimal, settings: CopySettings) -> Decimal:
    """The smallest entry that the venue takes and the copy wants, a multiple of the lot."""
    smallest = instrument.min_size
    least = settings.min_order_amount
    if least is not None:
        smallest = max(smallest, instrument.quantity_of_notional(least, price))
    if instrument.min_notional is not None:
        value = instrument.min_notional / PRICE_ROOM
        smallest = max(smallest, instrument.quantity_of_notional(value, price))
    return instrument.quantity_up(smallest)


def smallest_exit(instrument: Instrument, price: Decimal | None) -> Decimal:
    """What is below stays until there is more to exit. Venues let reduce-only orders, which spot
    does not have, be worth less than their smallest value."""
    smallest = instrument.min_size
    is_spot = instrument.kind is InstrumentKind.SPOT
    if is_spot and instrument.min_notional is not None and price:
        value = instrument.min_notional / PRICE_ROOM
        smallest = max(smallest, instrument.quantity_of_notional(value, price))
    return smallest


def largest_order(
    instrument: Instrument, price: Decimal | None, *, is_limit: bool
) -> Decimal | None:
    """The venue's largest order, by size and by value; None when it states none."""
    size = instrument.max_limit_size if is_limit else instrument.max_market_size
    value = instrument.max_limit_value if is_limit else instrument.max_market_value
    if value is not None and price:
        worth = instrument.quantity_of_notional(value * PRICE_ROOM, price)
        size = worth if size is None else min(size, worth)
    return size


def largest_entry(
    instrument: Instrument,
    price: Decimal,
    leverage: Decimal,
    settings: CopySettings,
    *,
    is_limit: bool,
) -> Decimal | None:
    """What one entry is clipped to: the copy's cap, and as many orders as it may become."""
    most = largest_order(instrument, price, is_limit=is_limit)
    limit = None if most is None else instrument.quantity_down(most) * MOST_PARTS
    if settings.per_order_cap is not None:
        cap = instrument.quantity_of_notional(settings.per_order_cap * leverage, price)
        limit = cap if limit is None else min(limit, cap)
    return limit


def in_parts(
    quantity: Decimal, instrument: Instrument, largest: Decimal | None, smallest: Decimal
) -> tuple[Decimal, ...]:
    """A multiple of the lot as orders that the venue takes: one, or evenly cut.

    Where even parts would be too small, parts of the largest size, and what is left over is not
    ordered: the sum is never more than `quantity`.
    """
    if largest is None or quantity <= largest:
        return (quantity,)
    lots, most = int(quantity / instrument.lot), int(largest / instrument.lot)
    if most <= 0:
        return (quantity,)
    parts = -(-lots // most)
    each, more = divmod(lots, parts)
    if each * instrument.lot < smallest:
        return (most * instrument.lot,) * (lots // most)
    return tuple((each + (place < more)) * instrument.lot for place in range(parts))


def in_slices(
    quantity: Decimal,
    parts: tuple[Decimal, ...],
    instrument: Instrument,
    *,
    most: int,
    smallest: Decimal,
) -> tuple[Decimal, ...]:
    """A multiple of the lot, evenly cut into `most` orders, or as many as are not below `smallest`
    (a multiple of the lot). Not into fewer than the `parts` that the venue takes."""
    count = min(most, int(quantity / smallest)) if smallest > ZERO else most
    if count <= len(parts):
        return parts
    each, more = divmod(int(quantity / instrument.lot), count)
    return tuple((each + (place < more)) * instrument.lot for place in range(count))

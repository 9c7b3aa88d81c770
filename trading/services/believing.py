"""Fills that a venue shows of our order, as far as they can be its; from look-ups and streams."""

from __future__ import annotations

from collections.abc import Sequence

from trading.domain.order_doubts import OrderFacts, fill_doubt
from trading.services.instruments import instrument_in_memory
from venues.domain.types import FillSnapshot, OrderSnapshot


def fills_believed(
    facts: OrderFacts, venue: str, shown: OrderSnapshot, fills: Sequence[FillSnapshot]
) -> tuple[tuple[FillSnapshot, ...], str]:
    """Those that can be this order's, and a field of one that cannot; empty when all can.

    None of them when together they are more than was ordered. Asks nobody.
    """
    instrument = instrument_in_memory(venue, facts.symbol)
    doubts = [fill_doubt(facts, shown, fill, instrument) for fill in fills]
    believed = tuple(fill for fill, doubt in zip(fills, doubts, strict=True) if not doubt)
    quantities = {fill.trade_id: fill.quantity for fill in believed}  # pushes are repeated
    if sum(quantities.values()) > facts.quantity:
        return (), "fillSz"
    return believed, next(filter(None, doubts), "")

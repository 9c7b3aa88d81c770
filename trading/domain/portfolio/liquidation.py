"""How far a price may move until a position is liquidated. Pure; distances in percent of the price.

A position is liquidated where its cushion (margin and result) is down to the maintenance margin.
With e = cushion ÷ notional and k = maintenance margin ÷ notional at the present price p, the price
q = p·(1 − d) of a long in linear contracts is where e − d = k·(1 − d). The others alike:

    linear long   (e − k) ÷ (1 − k)      linear short   (e − k) ÷ (1 + k)
    inverse long  (e − k) ÷ (1 + e)      inverse short  (e − k) ÷ (1 − e), none from e = 1 on

Positions that share a cushion are taken as if all prices moved against the account at once: e and k
are then of all of them together, hedges as well. The truth is never nearer than that.
"""

from __future__ import annotations

from decimal import Decimal

from venues.domain.types import InstrumentKind

ZERO = Decimal(0)
ONE = Decimal(1)
HUNDRED = Decimal(100)
MAINTENANCE_RATE = Decimal("0.01")
"""Where the venue does not tell: more than positions of a size that followers have need."""


def distance_to_price(price: Decimal, liquidation_price: Decimal, direction: int) -> Decimal:
    """To what the venue says itself; 0 when the price is there, or beyond it."""
    return max((price - liquidation_price) * direction / price * HUNDRED, ZERO)


def distance_by_cushion(
    kind: InstrumentKind, direction: int, e: Decimal, k: Decimal
) -> Decimal | None:
    """None: there is no such price."""
    if kind is InstrumentKind.SPOT:
        return None
    if e <= k:
        return ZERO
    if kind is InstrumentKind.LINEAR:
        distance = (e - k) / (ONE - k * direction)
    elif direction > 0:
        distance = (e - k) / (ONE + e)
    elif e >= ONE:
        return None
    else:
        distance = (e - k) / (ONE - e)
    if direction > 0 and distance >= ONE:
        return None
    return distance * HUNDRED

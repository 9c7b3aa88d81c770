"""How a follower's price compares with the leader's."""

from __future__ import annotations

from decimal import Decimal

_BASIS_POINTS = Decimal(10_000)
_TENTH = Decimal("0.1")


def slippage_bps(
    *, side: str, price: Decimal | None, reference_price: Decimal | None
) -> Decimal | None:
    """The follower's average price against the leader's, in basis points, to one decimal.

    Positive is worse for the follower: he bought dearer, or sold cheaper. None when a price is
    missing or not positive.
    """
    if price is None or reference_price is None or price <= 0 or reference_price <= 0:
        return None
    difference = (price - reference_price) / reference_price * _BASIS_POINTS
    worse = difference if side == "buy" else -difference
    return worse.quantize(_TENTH) + 0  # never "-0.0"

"""The stops that a leader has set for its own position, as its account shows them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from signals_app.models import LeaderStop
from trading.domain.stops.terms import LeaderStops

ZERO, ONE = Decimal(0), Decimal(1)


def stops_in_force(tenant_id: str, leader_id: str, symbol: str, *, long: bool) -> LeaderStops:
    """Of its position on this side: the nearest stop loss, the targets by distance. One query.

    Shares are of the leader's quantities; a target without one takes the rest.
    """
    rows = [
        row
        for row in LeaderStop.objects.for_tenant(tenant_id).filter(
            leader_id=leader_id, symbol=symbol
        )
        if row.position_side in ("net", "long" if long else "short")
    ]
    losses = [row.stop_loss for row in rows if row.stop_loss is not None]
    nearest = (max if long else min)(losses) if losses else None
    return LeaderStops(nearest, _targets(rows, long=long))


def _targets(rows: Sequence[LeaderStop], *, long: bool) -> tuple[tuple[Decimal, Decimal], ...]:
    by_price: dict[Decimal, Decimal | None] = {}
    for row in rows:
        if row.take_profit is None:
            continue
        before = by_price.get(row.take_profit, ZERO)
        if row.quantity is None or before is None:
            by_price[row.take_profit] = None
        else:
            by_price[row.take_profit] = before + row.quantity
    if not by_price:
        return ()
    known = sum((quantity for quantity in by_price.values() if quantity is not None), ZERO)
    if not known or None in by_price.values():
        # One of them closes whatever is left: equal parts.
        part = ONE / len(by_price)
        return tuple((price, part) for price in sorted(by_price, reverse=not long))
    held = max(
        (row.quantity for row in rows if row.stop_loss is not None and row.quantity is not None),
        default=known,
    )
    whole_position = max(held, known)
    return tuple(
        (price, (by_price[price] or ZERO) / whole_position)
        for price in sorted(by_price, reverse=not long)
    )

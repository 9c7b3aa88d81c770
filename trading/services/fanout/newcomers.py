"""Entries into what the leader held already when a copy began."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from signals_app.models import Signal
from trading.domain.copy_starts import position_from_json
from trading.domain.planning import Follower
from trading.domain.reasons import Reason, ReasonCode
from trading.models import CopyStart, Intent
from trading.services.fanout.context import Market, ShardContext

ZERO = Decimal(0)
_SIDES = {"long": 1, "short": -1}


def as_newcomer(
    context: ShardContext, subscription_id: str, follower: Follower, market: Market
) -> Follower:
    """What the copy has entered by itself since is a part of what it is led to. With the copy's
    positions locked, so that nothing else is planned for it meanwhile."""
    signal = context.signal
    direction = _SIDES.get(signal.side, 0) * (-1 if follower.is_reversed else 1)
    limit = context.price_here(signal.worst_price, market)
    reason = _overtaken(signal, subscription_id) or _worse_price(limit, follower, direction)
    if reason is not None:
        return replace(follower, own_size=reason)
    book = follower.book
    entered = max(book.target * direction, book.exposure * direction, ZERO)
    return replace(follower, already_entered=entered)


def _overtaken(signal: Signal, subscription_id: str) -> Reason | None:
    """Something was planned for the copy in this symbol after the leader's position was read: as
    it is now, the signal says something older than what came before it."""
    rows = CopyStart.objects.for_tenant(signal.tenant_id).filter(subscription_id=subscription_id)
    stored = rows.values_list("positions", flat=True).first() or {}
    planned = Intent.objects.for_tenant(signal.tenant_id).filter(
        subscription_id=subscription_id, signal__symbol=signal.symbol
    )
    if signal.symbol in stored:
        position = position_from_json(stored[signal.symbol])
        if position.signal_id == signal.pk and planned.count() == position.planned:
            return None
    return Reason(ReasonCode.START_OVERTAKEN)


def _worse_price(limit: Decimal | None, follower: Follower, direction: int) -> Reason | None:
    """`limit` is there where the copy takes what is no worse than the leader's entry."""
    price = follower.price
    if limit is None or price is None or (price - limit) * direction <= 0:
        return None
    params = {"leader_price": format(limit.normalize(), "f"), "price": format(price, "f")}
    return Reason(ReasonCode.START_PRICE_WORSE, params)

"""On which side of the leader a held position was opened, when the settings have changed since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db.models import Max

from signals_app.models import Signal
from strategies.domain.settings import TradeDirection
from trading.models import Intent
from trading.services.fanout.context import ShardContext
from trading.services.fanout.follower_settings import settings_of
from trading.services.fanout.loading import FollowerRow, PositionRow

_SIDES = {"long": 1, "short": -1}
_ORDER_SIDES = {"buy": 1, "sell": -1}
_ENTERED = (Intent.Status.FILLED, Intent.Status.PARTIAL, Intent.Status.WORKING)


def opened_reversed(
    context: ShardContext, followers: Sequence[FollowerRow], positions: Mapping[str, PositionRow]
) -> dict[str, bool]:
    """By subscription: whether what it holds was opened on the other side of the leader's.

    With it "close long" goes by how the position was opened, so that a change of the direction
    leaves no position without its exit. Asked for copies that are reversed now, and for those whose
    position this exit would not mean as their settings are now. One query, if there are any.
    """
    leader = _SIDES.get(context.signal.side, 0)
    if context.action not in (Signal.Action.REDUCE, Signal.Action.CLOSE) or not leader:
        return {}
    asked = [row.id for row in followers if _may_differ(context, row, positions, leader)]
    if not asked:
        return {}
    entries = Intent.objects.for_tenant(context.shard.tenant_id).filter(
        subscription_id__id_in=asked,
        symbol=context.symbol,
        is_entry=True,
        status__in=_ENTERED,
        cause=Intent.Cause.SIGNAL,
    )
    last = entries.order_by().values("subscription_id").annotate(last=Max("pk"))
    rows = entries.filter(pk__in=last.values("last")).values_list(
        "subscription_id", "side", "signal__side"
    )
    return {
        subscription_id: _ORDER_SIDES.get(side, 0) * _SIDES.get(leaders, 0) < 0
        for subscription_id, side, leaders in rows
    }


def _may_differ(
    context: ShardContext,
    row: FollowerRow,
    positions: Mapping[str, PositionRow],
    leader: int,
) -> bool:
    held = positions[row.id].filled
    direction = settings_of(context, row).effective.settings.direction
    return held * leader < 0 or (held != 0 and direction is TradeDirection.REVERSED)

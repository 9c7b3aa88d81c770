"""What is in force for one follower: its own levels on top of what its shard shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from strategies.domain.settings import Layer
from strategies.selectors.settings import own_layers, subscription_content
from trading.services.fanout.context import (
    FollowerSettings,
    SettingsInForce,
    ShardContext,
    stated_by,
)
from trading.services.fanout.loading import FollowerRow


def settings_of(context: ShardContext, row: FollowerRow) -> FollowerSettings:
    """What is in force for a follower in the symbol that it trades."""
    return settings_by(context.settings, row)


def settings_by(in_force: SettingsInForce, row: FollowerRow) -> FollowerSettings:
    columns = (row.sizing_mode, row.fixed_amount, row.ratio, row.max_leverage)
    own = str(row.settings) if row.settings else ""
    customers = str(row.customer_settings) if row.customer_settings else ""
    key = (columns, row.account_max_leverage, own, customers)
    return in_force.of(key, partial(_own_layers, row))


def may_map(context: ShardContext, row: FollowerRow) -> bool:
    """Whether it is worth a look: a map is stated somewhere above it, or by itself, or was."""
    if row.is_mapped or context.settings.maps_for_all:
        return True
    levels = row.settings, row.customer_settings
    return any("symbol_map" in stated_by(level) for level in levels)


def symbol_map_of(context: ShardContext, row: FollowerRow) -> Mapping[str, str]:
    return settings_of(context, row).effective.settings.symbol_map or {}


def symbol_of(context: ShardContext, row: FollowerRow) -> str:
    """What a follower enters for the signal."""
    symbol = context.signal.symbol
    return symbol_map_of(context, row).get(symbol, symbol) if may_map(context, row) else symbol


def _own_layers(row: FollowerRow) -> Sequence[Layer]:
    content = subscription_content(
        row.settings,
        sizing_mode=row.sizing_mode,
        fixed_amount=row.fixed_amount,
        ratio=row.ratio,
        max_leverage=row.max_leverage,
    )
    return own_layers(row.customer_settings, row.account_max_leverage, content)

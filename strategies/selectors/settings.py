"""The levels of copy settings as they are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from strategies.domain.settings import (
    Effective,
    Layer,
    Level,
    Merged,
    effective_settings,
    layer_from_json,
    merged,
)
from strategies.models import (
    CustomerSettings,
    PlatformSettings,
    StatedSettings,
    Strategy,
    Subscription,
    TenantSettings,
)

SHARED_LEVELS = (Level.PLATFORM, Level.TENANT, Level.STRATEGY)


def shared_settings(strategy: Strategy) -> dict[str, Any]:
    """What all followers of a strategy share, as JSON: to be pinned for a whole fan-out."""
    tenant = TenantSettings.objects.for_tenant(strategy.tenant_id).values_list(
        "settings", flat=True
    )
    platform = PlatformSettings.objects.values_list("settings", flat=True)
    return {
        "platform": platform.first() or {},
        "tenant": tenant.first() or {},
        "strategy": settings_content(strategy),
        "binding": list(strategy.binding_settings),
    }


def settings_content(row: StatedSettings) -> dict[str, Any]:
    """All that a level states, its columns included, as JSON."""
    if isinstance(row, Strategy):
        return _with(
            row.settings,
            follow_ratio=row.follow_ratio,
            max_leverage=row.max_leverage,
            allowed_symbols=sorted(row.symbols) or None,
        )
    if isinstance(row, Subscription):
        return subscription_content(
            row.settings,
            sizing_mode=row.sizing_mode,
            fixed_amount=row.fixed_amount,
            ratio=row.ratio,
            max_leverage=row.max_leverage,
        )
    return _with(row.settings)


def shared_merged(content: Mapping[str, Any], symbol: str) -> Merged:
    """`shared_settings` for one symbol."""
    binding = frozenset(content.get("binding", ()))
    layers = [
        layer_from_json(
            level, content.get(level.name.lower()) or {}, binding if last else frozenset()
        )
        for level, last in zip(SHARED_LEVELS, (False, False, True), strict=True)
    ]
    return merged(layers, symbol)


def subscription_content(
    settings: Mapping[str, Any],
    *,
    sizing_mode: str,
    fixed_amount: Decimal | None,
    ratio: Decimal,
    max_leverage: Decimal | None,
) -> dict[str, Any]:
    """A subscription's level: its columns and its further settings."""
    return _with(
        settings,
        sizing_mode=str(sizing_mode),
        fixed_amount=fixed_amount,
        ratio=ratio,
        max_leverage=max_leverage,
    )


def own_layers(
    customer: Mapping[str, Any] | None,
    account_max_leverage: Decimal | None,
    subscription: Mapping[str, Any],
) -> Sequence[Layer]:
    """The levels below the strategy's."""
    account = _with({}, max_leverage=account_max_leverage)
    return (
        layer_from_json(Level.CUSTOMER, customer or {}),
        layer_from_json(Level.ACCOUNT, account),
        layer_from_json(Level.SUBSCRIPTION, subscription),
    )


def subscription_settings(
    subscription: Subscription, symbol: str = "", *, instead: Mapping[str, Any] | None = None
) -> Effective:
    """What is in force for a copy, and from where; with a symbol, its exceptions too.

    `instead` takes the place of what the copy itself states. Raises SettingValueError.
    """
    customer = (
        CustomerSettings.objects.for_tenant(subscription.tenant_id)
        .filter(customer_id=subscription.customer_id)
        .values_list("settings", flat=True)
        .first()
    )
    own = settings_content(subscription) if instead is None else instead
    above = shared_merged(shared_settings(subscription.strategy), symbol)
    layers = own_layers(customer, subscription.account.max_leverage, own)
    return effective_settings(merged(layers, symbol, onto=above))


def in_force(
    row: StatedSettings, symbol: str = "", *, instead: Mapping[str, Any] | None = None
) -> Effective:
    """What is in force for a level alone, or for a copy by all levels. Raises SettingValueError."""
    if isinstance(row, Subscription):
        return subscription_settings(row, symbol, instead=instead)
    content = settings_content(row) if instead is None else instead
    return effective_settings(merged([layer_from_json(level_of(row), content)], symbol))


def level_of(row: StatedSettings) -> Level:
    return _LEVELS[type(row)]


_LEVELS: Mapping[type[StatedSettings], Level] = {
    PlatformSettings: Level.PLATFORM,
    TenantSettings: Level.TENANT,
    Strategy: Level.STRATEGY,
    CustomerSettings: Level.CUSTOMER,
    Subscription: Level.SUBSCRIPTION,
}


def _with(settings: Mapping[str, Any], **columns: Any) -> dict[str, Any]:
    """`settings` with what columns say; an amount becomes the text that JSON keeps exactly."""
    values = dict(settings.get("values") or {})
    for name, value in columns.items():
        if value is not None:
            values[name] = format(value, "f") if isinstance(value, Decimal) else value
    return {"values": values, "symbols": settings.get("symbols") or {}}

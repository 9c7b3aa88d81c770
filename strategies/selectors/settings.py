"""The levels of copy settings as they are stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from customers.models import Customer
from strategies.domain.settings import (
    Effective,
    Layer,
    Level,
    Merged,
    effective_settings,
    layer_from_json,
    merged,
)
from strategies.domain.settings.reading import SettingValueError
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
    tenant = _tenant_content(strategy.tenant_id)
    return _shared_content(strategy, platform=_platform_content(), tenant=tenant)


def _shared_content(
    strategy: Strategy, *, platform: Mapping[str, Any], tenant: Mapping[str, Any]
) -> dict[str, Any]:
    content = settings_content(strategy)
    return {
        "platform": platform,
        "tenant": tenant,
        "strategy": {name: content[name] for name in ("values", "symbols")},
        "binding": content["binding"],
    }


def _platform_content() -> dict[str, Any]:
    return PlatformSettings.objects.values_list("settings", flat=True).first() or {}


def _tenant_content(tenant_id: str) -> dict[str, Any]:
    rows = TenantSettings.objects.for_tenant(tenant_id)
    return rows.values_list("settings", flat=True).first() or {}


def _customer_content(tenant_id: str, customer_id: str) -> dict[str, Any]:
    rows = CustomerSettings.objects.for_tenant(tenant_id).filter(customer_id=customer_id)
    return rows.values_list("settings", flat=True).first() or {}


def settings_content(row: StatedSettings) -> dict[str, Any]:
    """All that a level states, its columns included, as JSON; a strategy's with what it binds."""
    if isinstance(row, Strategy):
        content = _with(
            row.settings,
            follow_ratio=row.follow_ratio,
            max_leverage=row.max_leverage,
            allowed_symbols=sorted(row.symbols) or None,
        )
        return {**content, "binding": sorted(row.binding_settings)}
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
    return merged(_shared_layers(content), symbol)


def _shared_layers(content: Mapping[str, Any]) -> list[Layer]:
    binding = frozenset(content.get("binding", ()))
    return [
        layer_from_json(
            level, content.get(level.name.lower()) or {}, binding if last else frozenset()
        )
        for level, last in zip(SHARED_LEVELS, (False, False, True), strict=True)
    ]


def subscription_content(
    settings: Mapping[str, Any],
    *,
    sizing_mode: str,
    fixed_amount: Decimal | None,
    ratio: Decimal | None,
    max_leverage: Decimal | None,
) -> dict[str, Any]:
    """A subscription's level: its columns and its further settings."""
    return _with(
        settings,
        sizing_mode=str(sizing_mode) or None,
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
    return in_force(subscription, symbol, instead=instead)


def unreadable_setting(subscription: Subscription) -> str:
    """What some level of a copy has stored and is no value; empty when all can be read."""
    try:
        subscription_settings(subscription)
    except SettingValueError as error:
        return error.name or "?"
    return ""


def in_force(
    row: StatedSettings, symbol: str = "", *, instead: Mapping[str, Any] | None = None
) -> Effective:
    """What is in force for a level by its own word and all levels above it.

    `instead` takes the place of what the level itself states. Raises SettingValueError.
    """
    return effective_settings(merged(layers_in_force(row, instead=instead), symbol))


def copies_in_force(customer: Customer, copies: Iterable[Subscription]) -> dict[str, Effective]:
    """What is in force in general for a customer's copies, whose strategies and accounts are
    loaded; without those that cannot be read. Three queries."""
    platform, tenant = _platform_content(), _tenant_content(customer.tenant_id)
    own = _customer_content(customer.tenant_id, customer.pk)
    found = {}
    for copy in copies:
        shared = _shared_content(copy.strategy, platform=platform, tenant=tenant)
        try:
            below = own_layers(own, copy.account.max_leverage, settings_content(copy))
            found[copy.pk] = effective_settings(merged([*_shared_layers(shared), *below], ""))
        except SettingValueError:
            continue  # the page of its settings says so
    return found


def layers_in_force(
    row: StatedSettings, *, instead: Mapping[str, Any] | None = None
) -> Sequence[Layer]:
    """The levels above the row's and its own, for any symbol. Raises SettingValueError."""
    own = settings_content(row) if instead is None else instead
    if isinstance(row, Subscription):
        customer = _customer_content(row.tenant_id, row.customer_id)
        above = _shared_layers(shared_settings(row.strategy))
        return [*above, *own_layers(customer, row.account.max_leverage, own)]
    layers = [own_layer(row, own)]
    if isinstance(row, (Strategy, CustomerSettings)):
        layers.insert(0, layer_from_json(Level.TENANT, _tenant_content(row.tenant_id)))
    if not isinstance(row, PlatformSettings):
        layers.insert(0, layer_from_json(Level.PLATFORM, _platform_content()))
    return layers


def own_layer(row: StatedSettings, content: Mapping[str, Any]) -> Layer:
    """What a level states, alone. Raises SettingValueError."""
    return layer_from_json(level_of(row), content, frozenset(content.get("binding", ())))


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
    """`settings` with what columns say; an amount becomes the text that JSON keeps exactly. What
    is no object stays none, for whoever reads it to say so."""
    stated = settings.get("values") if isinstance(settings, Mapping) else settings
    if not isinstance(stated or {}, Mapping):
        return {"values": stated, "symbols": {}}
    values = dict(stated or {})
    for name, value in columns.items():
        if value is not None:
            values[name] = format(value, "f") if isinstance(value, Decimal) else value
    return {"values": values, "symbols": settings.get("symbols") or {}}

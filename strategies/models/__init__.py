from strategies.models.settings import (
    CustomerSettings,
    PlatformSettings,
    SettingsVersion,
    StatedSettings,
    TenantSettings,
)
from strategies.models.strategies import Strategy, StrategyInvitation
from strategies.models.subscriptions import Subscription

__all__ = [
    "CustomerSettings",
    "PlatformSettings",
    "SettingsVersion",
    "StatedSettings",
    "Strategy",
    "StrategyInvitation",
    "Subscription",
    "TenantSettings",
]

from trading.models.controls import TradingControl
from trading.models.holdings import (
    Balance,
    CopiedPosition,
    InstrumentSetting,
    Position,
    Trade,
)
from trading.models.intents import EffectiveSettings, Intent, SignalShard
from trading.models.orders import Fill, Order, OrderEvent

__all__ = [
    "Balance",
    "CopiedPosition",
    "EffectiveSettings",
    "Fill",
    "InstrumentSetting",
    "Intent",
    "Order",
    "OrderEvent",
    "Position",
    "SignalShard",
    "Trade",
    "TradingControl",
]

from trading.models.alerts import Alert
from trading.models.breakers import AnswerCount, Breaker, FanoutTally
from trading.models.controls import TradingControl
from trading.models.holdings import (
    Balance,
    CopiedPosition,
    InstrumentSetting,
    Position,
    Trade,
    TradedInstrument,
)
from trading.models.intents import EffectiveSettings, Intent, SignalShard
from trading.models.orders import Fill, Order, OrderEvent

__all__ = [
    "Alert",
    "AnswerCount",
    "Balance",
    "Breaker",
    "CopiedPosition",
    "EffectiveSettings",
    "FanoutTally",
    "Fill",
    "InstrumentSetting",
    "Intent",
    "Order",
    "OrderEvent",
    "Position",
    "SignalShard",
    "Trade",
    "TradedInstrument",
    "TradingControl",
]

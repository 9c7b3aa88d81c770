from trading.models.alerts import Alert
from trading.models.breakers import AnswerCount, Breaker, FanoutTally
from trading.models.cash import AccountBill, CashBook, FundingShare
from trading.models.controls import TradingControl
from trading.models.equity import EquityDay
from trading.models.holdings import (
    Balance,
    CopiedPosition,
    InstrumentSetting,
    LeverageRefusal,
    Position,
    Trade,
    TradedInstrument,
)
from trading.models.intents import EffectiveSettings, Intent, SignalShard
from trading.models.orders import Fill, Order, OrderEvent
from trading.models.portfolio import AccountRisk, RiskAction, RiskThreshold
from trading.models.reconciliation import (
    AccountBooks,
    Finding,
    ReconciliationPolicy,
    UnattributedPosition,
)
from trading.models.signal_markets import SignalMarket
from trading.models.stops import PositionStops, StopEvent, StopOrder

__all__ = [
    "AccountBill",
    "AccountBooks",
    "AccountRisk",
    "Alert",
    "AnswerCount",
    "Balance",
    "Breaker",
    "CashBook",
    "CopiedPosition",
    "EffectiveSettings",
    "EquityDay",
    "FanoutTally",
    "Fill",
    "Finding",
    "FundingShare",
    "InstrumentSetting",
    "Intent",
    "LeverageRefusal",
    "Order",
    "OrderEvent",
    "Position",
    "PositionStops",
    "ReconciliationPolicy",
    "RiskAction",
    "RiskThreshold",
    "SignalMarket",
    "SignalShard",
    "StopEvent",
    "StopOrder",
    "Trade",
    "TradedInstrument",
    "TradingControl",
    "UnattributedPosition",
]

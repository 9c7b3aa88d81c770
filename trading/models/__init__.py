from trading.models.alerts import Alert
from trading.models.breakers import AnswerCount, Breaker, FanoutTally
from trading.models.cash import AccountBill, CashBook, FundingShare
from trading.models.controls import TradingControl
from trading.models.copy_starts import CopyStart
from trading.models.equity import EquityDay
from trading.models.followed_changes import FollowedChange
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
from trading.models.portfolio import AccountRisk
from trading.models.reconciliation import (
    AccountBooks,
    Finding,
    ReconciliationPolicy,
    UnattributedPosition,
)
from trading.models.risk_actions import PlatformAction, RiskAction
from trading.models.signal_markets import SignalMarket
from trading.models.stops import PositionStops, StopEvent, StopOrder
from trading.models.thresholds import PlatformThreshold, RiskThreshold

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
    "CopyStart",
    "EffectiveSettings",
    "EquityDay",
    "FanoutTally",
    "Fill",
    "Finding",
    "FollowedChange",
    "FundingShare",
    "InstrumentSetting",
    "Intent",
    "LeverageRefusal",
    "Order",
    "OrderEvent",
    "PlatformAction",
    "PlatformThreshold",
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

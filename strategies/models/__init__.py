from strategies.models.strategies import Strategy
from strategies.models.subscriptions import Subscription

__all__ = ["Strategy", "Subscription"]

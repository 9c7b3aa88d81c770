from signals_app.models.deliveries import IntakeState, RawDelivery
from signals_app.models.leaders import (
    Leader,
    LeaderCredential,
    LeaderOrder,
    LeaderPosition,
    LeaderStop,
    LeaderTrade,
)
from signals_app.models.signals import Signal
from signals_app.models.sources import SignalSource, WebhookRejection

__all__ = [
    "IntakeState",
    "Leader",
    "LeaderCredential",
    "LeaderOrder",
    "LeaderPosition",
    "LeaderStop",
    "LeaderTrade",
    "RawDelivery",
    "Signal",
    "SignalSource",
    "WebhookRejection",
]

from signals_app.models.signals import Signal
from signals_app.models.sources import SignalSource, WebhookRejection

__all__ = ["Signal", "SignalSource", "WebhookRejection"]

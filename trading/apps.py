from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TradingConfig(AppConfig):
    name = "trading"
    verbose_name = _("Trading")

    def ready(self) -> None:
        from trading import receivers  # noqa: F401  (connects them)
        from trading.services.streams.kind import AccountStreams
        from venues.streams.registry import register_kind

        register_kind(AccountStreams())

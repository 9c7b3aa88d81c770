from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SignalsConfig(AppConfig):
    name = "signals_app"
    verbose_name = _("Signals")

    def ready(self) -> None:
        from signals_app.services.leaders.streaming import LeaderAccounts
        from venues.streams.registry import register_kind

        register_kind(LeaderAccounts())

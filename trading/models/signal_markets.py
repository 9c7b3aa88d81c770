from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.fields import AmountField
from customers.models import TenantModel
from signals_app.models import Signal


class SignalMarket(TenantModel):
    """What a venue said of a signal's market when the signal was planned, and what its followers
    together were about to order there: all shards go by the same.

    Made only where somebody's settings ask for it. Levels are [price, quantity], best first.
    """

    signal = models.ForeignKey(Signal, on_delete=models.CASCADE, related_name="markets")
    venue = models.CharField(_("venue"), max_length=40)
    symbol = models.CharField(_("symbol"), max_length=48, default="")
    """The one that is traded: of followers who trade another than the signal's, theirs."""
    bids = models.JSONField(_("bids"), default=list)
    asks = models.JSONField(_("asks"), default=list)
    demand = AmountField(_("what all followers order"))
    funding_rate = AmountField(_("funding rate"), null=True, blank=True)
    funding_at = models.DateTimeField(_("next funding"), null=True, blank=True)
    read_at = models.DateTimeField(_("read at"))

    class Meta:
        verbose_name = _("market of a signal")
        verbose_name_plural = _("markets of signals")
        constraints = [
            models.UniqueConstraint(
                fields=["signal", "venue", "symbol"], name="signal_symbol_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.signal_id[-8:]} · {self.venue}"

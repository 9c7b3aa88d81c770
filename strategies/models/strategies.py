from decimal import Decimal

from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.fields import AmountField
from customers.models import TenantModel
from signals_app.models import SignalSource
from strategies.models.settings import StatedSettings


class Strategy(TenantModel, StatedSettings):
    """What customers can follow: a source plus terms."""

    class Status(models.TextChoices):
        ACTIVE = "active", _("active")
        PAUSED = "paused", _("paused")
        CLOSED = "closed", _("closed")

    name = models.CharField(_("name"), max_length=80)
    description = models.TextField(_("description"), blank=True)
    source = models.ForeignKey(
        SignalSource, on_delete=models.PROTECT, related_name="strategies", verbose_name=_("source")
    )
    follow_ratio = AmountField(
        _("follow ratio"), default=Decimal(1), help_text=_("Multiplies every follower's size.")
    )
    max_leverage = AmountField(_("max leverage"), null=True, blank=True)
    symbols = models.JSONField(
        _("symbols"),
        default=list,
        blank=True,
        help_text=_("Only these symbols are copied; empty means all."),
    )
    binding_settings = models.JSONField(
        _("binding settings"),
        default=list,
        blank=True,
        help_text=_("Names of copy settings that followers cannot change."),
    )
    status = models.CharField(
        _("status"), max_length=12, choices=Status.choices, default=Status.ACTIVE
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("strategy")
        verbose_name_plural = _("strategies")
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="strategy_name_once"),
        ]

    def __str__(self) -> str:
        return self.name

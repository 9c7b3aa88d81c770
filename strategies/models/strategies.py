from decimal import Decimal

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.fields import AmountField
from customers.models import Customer, TenantModel
from signals_app.models import SignalSource
from strategies.domain.admission import Visibility
from strategies.models.settings import StatedSettings

VISIBILITIES = [
    (Visibility.PUBLIC.value, _("public: every client of the firm")),
    (Visibility.INVITE.value, _("for invited customers")),
    (Visibility.PRIVATE.value, _("private: staff begin its copies")),
]


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
    visibility = models.CharField(
        _("visibility"),
        max_length=8,
        choices=VISIBILITIES,
        default=Visibility.PRIVATE.value,
        help_text=_(
            "Who sees it and may begin to copy it in the portal and by API. Copies that run go on."
        ),
    )
    max_copiers = models.PositiveIntegerField(
        _("most copies"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("At a time; a copy that is ending still counts. Empty: not limited."),
    )
    min_equity = AmountField(
        _("least equity, $"),
        null=True,
        blank=True,
        help_text=_("What an account has to be worth when a copy begins. Empty: anything."),
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

    def clean(self) -> None:
        if self.min_equity is not None and self.min_equity <= 0:
            raise ValidationError({"min_equity": _("More than 0, or empty.")})


class StrategyInvitation(TenantModel):
    """That a customer may see a strategy and begin to copy it. A copy that runs needs none."""

    customer_path = "customer_id"

    strategy = models.ForeignKey(
        Strategy, on_delete=models.CASCADE, related_name="invitations", verbose_name=_("strategy")
    )
    customer = models.ForeignKey(
        Customer, on_delete=models.CASCADE, related_name="+", verbose_name=_("customer")
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        constraints = [
            models.UniqueConstraint(
                fields=["strategy", "customer"], name="strategy_invitation_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.strategy} · {self.customer}"

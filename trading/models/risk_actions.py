from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.fields import AmountField, IdField
from customers.models import Customer, ExchangeAccount, TenantModel
from strategies.models import Strategy
from trading.domain.portfolio.thresholds import RiskLevel
from trading.models.thresholds import ACTS, LEVELS, MEASURES, PlatformThreshold, RiskThreshold


class ReachedThreshold(models.Model):
    """That a threshold was reached, by which numbers, and what was done.

    `open_key` is unique while it lasts and empty afterwards, so that whoever sees it first does it
    and nobody does it again. What is to be done is done when `done_at` says so.
    """

    measure = models.CharField(_("figure"), max_length=24, choices=MEASURES)
    action = models.CharField(_("action"), max_length=16, choices=ACTS)
    reduce_percent = AmountField(_("reduce by, %"), null=True, blank=True)
    value = AmountField(_("value"))
    limit = AmountField(_("threshold"))
    params = models.JSONField(_("numbers"), default=dict, blank=True)
    outcome = models.JSONField(_("outcome"), default=dict, blank=True)
    open_key = models.CharField(max_length=60, null=True, editable=False)  # noqa: DJ001  (MySQL has no conditional unique keys)
    reached_at = models.DateTimeField(_("reached at"))
    done_at = models.DateTimeField(_("done at"), null=True, blank=True)
    over_at = models.DateTimeField(_("over since"), null=True, blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.get_action_display()}: {self.get_measure_display()}"

    @property
    def risk_level(self) -> RiskLevel:
        """The platform's, where a row names no other."""
        return RiskLevel.PLATFORM

    @property
    def subject_name(self) -> str:
        """Whose figure it is; empty for the whole firm or platform."""
        return ""


class RiskAction(TenantModel, ReachedThreshold):
    """By an account, or by the sum of a customer, a strategy or the firm.

    `account`, `customer`, `strategy`: the one that the level names.
    """

    customer_path = "account__customer_id"

    level = models.CharField(
        _("what counts"), max_length=12, choices=LEVELS, default=RiskLevel.ACCOUNT.value
    )
    account = models.ForeignKey(
        ExchangeAccount,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="risk_actions",
        verbose_name=_("account"),
    )
    customer = models.ForeignKey(
        Customer,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("customer"),
    )
    strategy = models.ForeignKey(
        Strategy,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("strategy"),
    )
    threshold = models.ForeignKey(
        RiskThreshold,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("threshold"),
        help_text=_("Empty: the forecast of liquidations that holds for everybody."),
    )

    class Meta:
        verbose_name = _("risk action")
        verbose_name_plural = _("risk actions")
        constraints = [
            models.UniqueConstraint(fields=["tenant", "open_key"], name="risk_action_open_once"),
        ]
        indexes = [
            models.Index(fields=["tenant", "reached_at"], name="risk_action_recent"),
            models.Index(fields=["done_at", "reached_at"], name="risk_action_to_do"),
        ]

    @property
    def risk_level(self) -> RiskLevel:
        return RiskLevel(self.level)

    @property
    def subject_name(self) -> str:
        match self.risk_level:
            case RiskLevel.ACCOUNT if self.account is not None:
                return f"{self.account.customer.name} · {self.account.label}"
            case RiskLevel.CUSTOMER if self.customer is not None:
                return self.customer.name
            case RiskLevel.STRATEGY if self.strategy is not None:
                return self.strategy.name
        return ""


class PlatformAction(ReachedThreshold):
    """By the sum of all firms. For superusers: it is made of what no single firm may see."""

    id = IdField()
    threshold = models.ForeignKey(
        PlatformThreshold,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("threshold"),
    )

    class Meta:
        verbose_name = _("platform's risk action")
        verbose_name_plural = _("platform's risk actions")
        constraints = [
            models.UniqueConstraint(fields=["open_key"], name="platform_action_open_once"),
        ]
        indexes = [
            models.Index(fields=["done_at", "reached_at"], name="platform_action_to_do"),
        ]

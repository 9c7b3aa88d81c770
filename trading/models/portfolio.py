from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.fields import AmountField
from customers.models import Customer, ExchangeAccount, TenantModel
from trading.domain.portfolio.thresholds import (
    BOUNDS,
    RECOVERY_BOUNDS,
    REDUCE_BOUNDS,
    Measure,
    RiskAct,
    Threshold,
)

MEASURES = [
    (Measure.LIQUIDATION_DISTANCE.value, _("distance to liquidation, %")),
    (Measure.MARGIN_RATIO.value, _("margin ratio (equity ÷ maintenance margin), %")),
    (Measure.LEVERAGE.value, _("gross exposure ÷ equity, times")),
    (Measure.GROSS_EXPOSURE.value, _("gross exposure, $")),
    (Measure.NET_EXPOSURE.value, _("net exposure, $")),
    (Measure.UNREALISED_LOSS.value, _("unrealised loss, $")),
    (Measure.DAILY_LOSS.value, _("loss of the day, $")),
    (Measure.DAILY_LOSS_PERCENT.value, _("loss of the day, %")),
    (Measure.DRAWDOWN.value, _("drawdown from the peak, %")),
]
ACTS = [
    (RiskAct.ALERT.value, _("alert")),
    (RiskAct.STOP_ENTRIES.value, _("stop entries")),
    (RiskAct.REDUCE.value, _("reduce positions")),
    (RiskAct.CLOSE.value, _("close all and end the copies")),
]


class RiskThreshold(TenantModel):
    """A figure of an account at which something is done by itself.

    For each account of the firm, of one customer, or for one account; what several levels state
    holds side by side.
    """

    customer = models.ForeignKey(
        Customer,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("customer"),
        help_text=_("Empty: all customers."),
    )
    account = models.ForeignKey(
        ExchangeAccount,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("account"),
        help_text=_("Empty: all accounts."),
    )
    measure = models.CharField(_("figure"), max_length=24, choices=MEASURES)
    limit = AmountField(
        _("threshold"), help_text=_("Reached exactly is reached. Losses are positive numbers.")
    )
    action = models.CharField(_("action"), max_length=16, choices=ACTS)
    reduce_percent = AmountField(
        _("reduce by, %"),
        null=True,
        blank=True,
        help_text=_("Of every position that copies hold, when positions are reduced."),
    )
    recovery_percent = AmountField(
        _("recovery, %"),
        default=Decimal(10),
        help_text=_(
            "The action is not repeated until the figure is better than the threshold by this part "
            "of it."
        ),
    )
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("risk threshold")
        verbose_name_plural = _("risk thresholds")

    def __str__(self) -> str:
        return f"{self.get_measure_display()} {self.limit.normalize():f}"

    def clean(self) -> None:
        errors = {}
        if self.measure and self.limit is not None:
            least, most = BOUNDS[Measure(self.measure)]
            if not least <= self.limit <= most:
                errors["limit"] = _between(least, most)
        if self.recovery_percent is not None:
            least, most = RECOVERY_BOUNDS
            if not least <= self.recovery_percent <= most:
                errors["recovery_percent"] = _between(least, most)
        errors |= self._reduction_errors()
        if self.account_id and self.customer_id:
            assert self.account is not None
            if self.account.customer_id != self.customer_id:
                errors["account"] = _("This account is another customer's.")
        if errors:
            raise ValidationError(errors)

    def _reduction_errors(self) -> dict[str, object]:
        if self.action != RiskAct.REDUCE:
            if self.reduce_percent is None:
                return {}
            return {"reduce_percent": _("Only for the action that reduces positions.")}
        if self.reduce_percent is None:
            return {"reduce_percent": _("Say by how much.")}
        least, most = REDUCE_BOUNDS
        if least <= self.reduce_percent <= most:
            return {}
        return {"reduce_percent": _between(least, most)}

    def declared(self) -> Threshold:
        return Threshold(
            self.pk,
            Measure(self.measure),
            self.limit,
            self.recovery_percent,
            RiskAct(self.action),
            self.reduce_percent,
        )


def _between(least: Decimal, most: Decimal) -> object:
    return _("Between %(least)s and %(most)s.") % {
        "least": f"{least.normalize():f}",
        "most": f"{most.normalize():f}",
    }


class RiskAction(TenantModel):
    """That a threshold was reached, by which numbers, and what was done.

    `open_key` is unique while it lasts and empty afterwards, so that whoever sees it first does it
    and nobody does it again. What is to be done is done when `done_at` says so.
    """

    customer_path = "account__customer_id"

    account = models.ForeignKey(
        ExchangeAccount,
        on_delete=models.CASCADE,
        related_name="risk_actions",
        verbose_name=_("account"),
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
        verbose_name = _("risk action")
        verbose_name_plural = _("risk actions")
        constraints = [
            models.UniqueConstraint(fields=["tenant", "open_key"], name="risk_action_open_once"),
        ]
        indexes = [
            models.Index(fields=["tenant", "reached_at"], name="risk_action_recent"),
            models.Index(fields=["done_at", "reached_at"], name="risk_action_to_do"),
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()}: {self.get_measure_display()}"


class AccountRisk(TenantModel):
    """An account's figures as of the last round of the monitor. Dollars and percent.

    What is empty is not known, or there is nothing to be liquidated.
    """

    customer_path = "account__customer_id"

    account = models.OneToOneField(
        ExchangeAccount, on_delete=models.CASCADE, related_name="risk", verbose_name=_("account")
    )
    equity = AmountField(_("equity"), null=True)
    gross = AmountField(_("gross exposure"))
    net = AmountField(_("net exposure"))
    unrealised = AmountField(_("unrealised PnL"))
    maintenance = AmountField(_("maintenance margin"))
    margin_ratio_percent = AmountField(_("margin ratio, %"), null=True)
    distance_percent = AmountField(_("distance to liquidation, %"), null=True)
    nearest = models.JSONField(
        default=dict, help_text="The nearest liquidation: symbol, direction, price."
    )
    daily_pnl = AmountField(_("PnL of the day"), null=True)
    drawdown_percent = AmountField(_("drawdown, %"), null=True)
    peak = AmountField(_("peak"), null=True)
    strategies = models.JSONField(
        default=dict, help_text="By strategy: gross, net, unrealised of what its copies hold."
    )
    is_complete = models.BooleanField(_("complete"), default=True)
    updated_at = models.DateTimeField(_("updated at"))

    class Meta:
        verbose_name = _("account's risk")
        verbose_name_plural = _("accounts' risk")

    def __str__(self) -> str:
        return str(self.account)

from __future__ import annotations

from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.fields import AmountField, IdField
from customers.models import Customer, ExchangeAccount, TenantModel
from strategies.models import Strategy
from trading.domain.portfolio.thresholds import (
    BOUNDS,
    MEASURES_OF,
    RECOVERY_BOUNDS,
    REDUCE_BOUNDS,
    Measure,
    RiskAct,
    RiskLevel,
    Threshold,
)

MEASURES = [
    (Measure.LIQUIDATION_DISTANCE.value, _("distance to liquidation, %")),
    (Measure.MARGIN_RATIO.value, _("margin ratio (equity ÷ maintenance margin), %")),
    (Measure.MARGIN_USED.value, _("margin used (notional ÷ leverage) of equity, %")),
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
LEVELS = [
    (RiskLevel.ACCOUNT.value, _("each account by itself")),
    (RiskLevel.CUSTOMER.value, _("all accounts of a customer together")),
    (RiskLevel.STRATEGY.value, _("all that copies of a strategy hold")),
    (RiskLevel.TENANT.value, _("all accounts of the firm together")),
]
_NARROWED_BY: dict[str, frozenset[str]] = {
    RiskLevel.ACCOUNT: frozenset({"customer", "account"}),
    RiskLevel.CUSTOMER: frozenset({"customer"}),
    RiskLevel.STRATEGY: frozenset({"strategy"}),
    RiskLevel.TENANT: frozenset(),
}


class ThresholdTerms(models.Model):
    """A figure, how far it may go, and what is done by itself there."""

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
        abstract = True

    def __str__(self) -> str:
        return f"{self.get_measure_display()} {self.limit.normalize():f}"

    @property
    def risk_level(self) -> RiskLevel:
        """The platform's, where a row names no other."""
        return RiskLevel.PLATFORM

    def clean(self) -> None:
        errors: dict[str, object] = {}
        if self.measure and self.limit is not None:
            least, most = BOUNDS[Measure(self.measure)]
            if not least <= self.limit <= most:
                errors["limit"] = _between(least, most)
        if self.measure and Measure(self.measure) not in MEASURES_OF[self.risk_level]:
            errors["measure"] = _no_sum(self.risk_level, Measure(self.measure))
        if self.recovery_percent is not None:
            least, most = RECOVERY_BOUNDS
            if not least <= self.recovery_percent <= most:
                errors["recovery_percent"] = _between(least, most)
        errors |= self._reduction_errors() | self._scope_errors()
        if errors:
            raise ValidationError(errors)

    def _scope_errors(self) -> dict[str, object]:
        """For whom it is stated."""
        return {}

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


def _no_sum(level: RiskLevel, measure: Measure) -> object:
    if measure is Measure.LIQUIDATION_DISTANCE:
        return _("Only of single accounts: the nearest liquidation of many is one account's.")
    return _(
        "Not of a strategy: this is known of whole accounts, which may hold other things as well."
    )


class RiskThreshold(TenantModel, ThresholdTerms):
    """A figure of an account, or of several together, at which something is done by itself.

    What several thresholds state holds side by side.
    """

    level = models.CharField(
        _("what counts"), max_length=12, choices=LEVELS, default=RiskLevel.ACCOUNT.value
    )
    customer = models.ForeignKey(
        Customer,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("customer"),
        help_text=_("Empty: all customers, each by himself."),
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
    strategy = models.ForeignKey(
        Strategy,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("strategy"),
        help_text=_("Empty: all strategies, each by itself."),
    )

    class Meta:
        verbose_name = _("risk threshold")
        verbose_name_plural = _("risk thresholds")

    @property
    def risk_level(self) -> RiskLevel:
        return RiskLevel(self.level)

    def _scope_errors(self) -> dict[str, object]:
        errors: dict[str, object] = {
            name: _("This does not narrow down what counts here: leave it empty.")
            for name in ("customer", "account", "strategy")
            if getattr(self, f"{name}_id") and name not in _NARROWED_BY[self.level]
        }
        if not errors and self.account_id and self.customer_id:
            assert self.account is not None
            if self.account.customer_id != self.customer_id:
                errors["account"] = _("This account is another customer's.")
        return errors


class PlatformThreshold(ThresholdTerms):
    """A figure of all accounts of all firms together; a superuser's. It belongs to no tenant."""

    id = IdField()

    class Meta:
        verbose_name = _("platform's risk threshold")
        verbose_name_plural = _("platform's risk thresholds")


def _between(least: Decimal, most: Decimal) -> object:
    return _("Between %(least)s and %(most)s.") % {
        "least": f"{least.normalize():f}",
        "most": f"{most.normalize():f}",
    }

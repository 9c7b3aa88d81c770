from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.fields import AmountField
from customers.models import ExchangeAccount, TenantModel


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
    is_stale = models.BooleanField(
        _("old"),
        default=False,
        help_text=_("Not read for a while, or valued at a price of its last reading."),
    )
    updated_at = models.DateTimeField(_("updated at"))

    class Meta:
        verbose_name = _("account's risk")
        verbose_name_plural = _("accounts' risk")

    def __str__(self) -> str:
        return str(self.account)

from decimal import Decimal

from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.fields import AmountField
from customers.models import ExchangeAccount, TenantModel


class EquityDay(TenantModel):
    """An account's whole value on a day of its firm's time zone, in dollars as the venue says.

    `peak` is the highest since the account is known. What was moved in or out changes `start` and
    `peak` by as much, so that neither tells of a gain or a loss.
    """

    customer_path = "account__customer_id"

    account = models.ForeignKey(
        ExchangeAccount,
        on_delete=models.CASCADE,
        related_name="equity_days",
        verbose_name=_("account"),
    )
    day = models.DateField(_("day"))
    start = AmountField(_("at the start"))
    last = AmountField(_("last read"))
    peak = AmountField(_("peak"))
    moved = AmountField(_("moved in or out"), default=Decimal(0))
    cash = models.JSONField(
        default=dict,
        blank=True,
        help_text="By currency, without what open positions had won by then; empty: not told.",
    )
    read_at = models.DateTimeField(_("read at"), help_text=_("By the exchange's clock."))
    updated_at = models.DateTimeField(_("updated at"))

    class Meta:
        verbose_name = _("value of an account on a day")
        verbose_name_plural = _("values of accounts by day")
        constraints = [
            models.UniqueConstraint(fields=["account", "day"], name="equity_day_once"),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.last}"

from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.fields import AmountField
from customers.models import ExchangeAccount, TenantModel
from strategies.models import Subscription


class CashBook(TenantModel):
    """An account's balance in one currency as its bills add up, as of the last bill taken.

    `suspected`: a change that was seen once and no bill tells of. `missing`: coins of spot copies
    that were seen once not to be there.
    """

    customer_path = "account__customer_id"

    account = models.ForeignKey(
        ExchangeAccount,
        on_delete=models.CASCADE,
        related_name="cash_books",
        verbose_name=_("account"),
    )
    currency = models.CharField(_("currency"), max_length=16)
    balance = AmountField(_("balance"))
    last_bill_id = models.CharField(_("last bill"), max_length=40, default="0")
    suspected = AmountField(_("suspected difference"), null=True, blank=True)
    suspected_at = models.DateTimeField(_("suspected at"), null=True, blank=True)
    missing = AmountField(_("missing coins"), null=True, blank=True)
    missing_at = models.DateTimeField(_("missing since"), null=True, blank=True)
    changed_at = models.DateTimeField(_("changed at"))

    class Meta:
        verbose_name = _("cash book")
        verbose_name_plural = _("cash books")
        constraints = [
            models.UniqueConstraint(fields=["account", "currency"], name="cash_book_once"),
        ]

    def __str__(self) -> str:
        return f"{self.balance} {self.currency}"


class AccountBill(TenantModel):
    """What moved an account's money and was no trade, once by the venue's bill id. Signed.

    Deposits and withdrawals are of the customer's wallet at the venue, not of the balance.
    """

    class Kind(models.TextChoices):
        TRANSFER = "transfer", _("transfer")
        FUNDING = "funding", _("funding fee")
        INTEREST = "interest", _("interest")
        DEPOSIT = "deposit", _("deposit")
        WITHDRAWAL = "withdrawal", _("withdrawal")
        OTHER = "other", _("other")

    customer_path = "account__customer_id"

    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.PROTECT, related_name="bills", verbose_name=_("account")
    )
    bill_id = models.CharField(_("bill"), max_length=40)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices)
    venue_kind = models.CharField(_("the exchange's kind"), max_length=48, blank=True)
    currency = models.CharField(_("currency"), max_length=16)
    amount = AmountField(_("amount"))
    symbol = models.CharField(_("symbol"), max_length=48, blank=True)
    position_side = models.CharField(_("position side"), max_length=8, blank=True)
    occurred_at = models.DateTimeField(_("occurred at"))
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("bill")
        verbose_name_plural = _("bills")
        constraints = [
            models.UniqueConstraint(fields=["account", "bill_id"], name="bill_once"),
        ]
        indexes = [models.Index(fields=["tenant", "occurred_at"], name="bill_recent")]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount} {self.currency}"


class FundingShare(TenantModel):
    """The part of a funding fee that is a subscription's, or nobody's who copies. Signed: negative
    was paid."""

    customer_path = "bill__account__customer_id"

    bill = models.ForeignKey(
        AccountBill, on_delete=models.CASCADE, related_name="shares", verbose_name=_("bill")
    )
    subscription = models.ForeignKey(
        Subscription,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="funding_shares",
        help_text=_("Empty: of what no copy accounts for."),
        verbose_name=_("copy"),
    )
    quantity = AmountField(_("held"), help_text=_("When the fee was due. Signed."))
    amount = AmountField(_("amount"))

    class Meta:
        verbose_name = _("share of a funding fee")
        verbose_name_plural = _("shares of funding fees")

    def __str__(self) -> str:
        return str(self.amount)

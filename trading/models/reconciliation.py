from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from customers.fields import AmountField
from customers.models import ExchangeAccount, TenantModel
from strategies.models import Subscription
from trading.finding_texts import finding_name


class AccountBooks(TenantModel):
    """How far the books of an account are kept. Fills of others before `since` are not booked."""

    customer_path = "account__customer_id"

    account = models.OneToOneField(
        ExchangeAccount, on_delete=models.CASCADE, related_name="books", verbose_name=_("account")
    )
    since = models.DateTimeField(_("kept since"))
    fills_read_until = models.DateTimeField(_("fills read until"))
    bills_read_until = models.DateTimeField(_("bills read until"), null=True, blank=True)
    orders_tried_at = models.DateTimeField(
        _("open orders asked for at"),
        null=True,
        blank=True,
        help_text=_("When a worker was given it last, whatever came of it."),
    )
    orders_read_at = models.DateTimeField(_("open orders read at"), null=True, blank=True)
    wallet_read_until = models.DateTimeField(
        _("deposits and withdrawals read until"), null=True, blank=True
    )
    passed_at = models.DateTimeField(_("last agreed at"), null=True, blank=True)
    differs_since = models.DateTimeField(_("differs since"), null=True, blank=True)

    class Meta:
        verbose_name = _("books of an account")
        verbose_name_plural = _("books of accounts")

    def __str__(self) -> str:
        return self.account_id


class UnattributedPosition(TenantModel):
    """What an account holds in a symbol and side that no copy accounts for. Signed.

    Copies + this = what the exchange says. `suspected`: a difference that was seen once.
    """

    customer_path = "account__customer_id"

    account = models.ForeignKey(
        ExchangeAccount,
        on_delete=models.CASCADE,
        related_name="unattributed_positions",
        verbose_name=_("account"),
    )
    symbol = models.CharField(_("symbol"), max_length=48)
    position_side = models.CharField(_("position side"), max_length=8, default="net")
    quantity = AmountField(_("quantity"), default=0)
    average_price = AmountField(_("average price"), null=True, blank=True)
    fees = AmountField(_("fees"), default=0)
    cause = models.CharField(
        _("brought about by"),
        max_length=12,
        blank=True,
        help_text=_("The last fill that moved it."),
    )
    suspected = AmountField(_("suspected difference"), null=True, blank=True)
    suspected_at = models.DateTimeField(_("suspected at"), null=True, blank=True)
    changed_at = models.DateTimeField(_("changed at"))

    class Meta:
        verbose_name = _("unattributed position")
        verbose_name_plural = _("unattributed positions")
        constraints = [
            models.UniqueConstraint(
                fields=["account", "symbol", "position_side"], name="unattributed_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} {self.symbol}"


class ReconciliationPolicy(TenantModel):
    """What is done about what others did on an account: of the tenant, or of one subscription."""

    class Policy(models.TextChoices):
        ADOPT = "adopt", _("adopt: the copy goes on with what is left")
        ALERT = "alert", _("alert: the same, and staff decide what else")
        REPAIR = "repair", _("repair: exit what the client opened by hand")

    customer_path = "subscription__customer_id"

    subscription = models.OneToOneField(
        Subscription,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="reconciliation_policy",
        verbose_name=_("subscription"),
        help_text=_("Empty: of all that have none of their own."),
    )
    key = models.CharField(max_length=32, unique=True, editable=False)
    policy = models.CharField(_("policy"), max_length=8, choices=Policy.choices)

    class Meta:
        verbose_name = _("reconciliation policy")
        verbose_name_plural = _("reconciliation policies")

    def __str__(self) -> str:
        return self.get_policy_display()

    def save(self, *args: Any, **kwargs: Any) -> None:
        # MySQL has no unique key in which NULLs are equal.
        self.key = self.subscription_id or f"all:{self.tenant_id}"
        super().save(*args, **kwargs)


class Finding(TenantModel):
    """Something on an account that was not our doing, or differs from our books, by name.

    `open_key` is unique while it is open and lasts, and empty otherwise.
    """

    class State(models.TextChoices):
        OPEN = "open", pgettext_lazy("finding", "open")
        RESOLVED = "resolved", _("resolved")

    class Outcome(models.TextChoices):
        ADOPTED = "adopted", _("adopted")
        REPAIRED = "repaired", _("repaired")
        DISMISSED = "dismissed", _("dismissed")
        PASSED = "passed", _("passed by itself")

    customer_path = "account__customer_id"

    account = models.ForeignKey(
        ExchangeAccount,
        on_delete=models.CASCADE,
        related_name="findings",
        verbose_name=_("account"),
    )
    subscription = models.ForeignKey(
        Subscription,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="findings",
        verbose_name=_("copy"),
    )
    symbol = models.CharField(_("symbol"), max_length=48, blank=True)
    position_side = models.CharField(_("position side"), max_length=8, blank=True)
    kind = models.CharField(_("finding"), max_length=24)
    params = models.JSONField(_("numbers"), default=dict, blank=True)
    policy = models.CharField(
        _("policy"), max_length=8, choices=ReconciliationPolicy.Policy.choices
    )
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.OPEN)
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome.choices, blank=True)
    note = models.CharField(_("note"), max_length=300, blank=True)
    open_key = models.CharField(max_length=160, null=True, editable=False)  # noqa: DJ001  (MySQL has no conditional unique keys)
    first_seen_at = models.DateTimeField(_("first seen"))
    last_seen_at = models.DateTimeField(_("last seen"))
    resolved_at = models.DateTimeField(_("resolved at"), null=True, blank=True)

    class Meta:
        verbose_name = _("finding")
        verbose_name_plural = _("findings")
        constraints = [
            models.UniqueConstraint(fields=["tenant", "open_key"], name="finding_open_once"),
        ]
        indexes = [
            models.Index(fields=["tenant", "state", "first_seen_at"], name="finding_open"),
            models.Index(fields=["account", "first_seen_at"], name="finding_account"),
        ]

    def __str__(self) -> str:
        return f"{finding_name(self.kind)} {self.symbol}".strip()

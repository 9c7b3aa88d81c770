from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.fields import AmountField
from customers.models import Customer, ExchangeAccount, TenantModel
from strategies.models.settings import StatedSettings
from strategies.models.strategies import Strategy


class Subscription(TenantModel, StatedSettings):
    """One exchange account following one strategy, with the client's copy settings."""

    class SizingMode(models.TextChoices):
        FIXED_AMOUNT = "fixed_amount", _("fixed amount per order")
        LEADER_RATIO = "leader_ratio", _("ratio of the leader's size")
        EQUITY_PROPORTIONAL = "equity_proportional", _("in proportion to equity")
        FIXED_RISK = "fixed_risk", _("fixed risk at the stop")

    class Status(models.TextChoices):
        ACTIVE = "active", _("active")
        PAUSED = "paused", _("paused: exits only")
        ENDING = "ending", _("ending: until its positions are closed")
        STOPPED = "stopped", _("stopped")

    class EndCode(models.TextChoices):
        """Why a copy ends, or has ended."""

        CLIENT = "client", _("by the client")
        OPERATOR = "operator", _("by staff")
        LOSS_LIMIT = "loss_limit", _("its loss limit was reached")
        EQUITY_FALL = "equity_fall", _("its equity fell too far")
        RISK = "risk", _("the account reached a risk threshold")

    class PauseCode(models.TextChoices):
        """Why a copy was paused by nobody."""

        LEADER_TRANSFER = "leader_transfer", _("the leader took money out")

    customer_path = "customer_id"

    strategy = models.ForeignKey(
        Strategy,
        on_delete=models.PROTECT,
        related_name="subscriptions",
        verbose_name=_("strategy"),
    )
    account = models.ForeignKey(
        ExchangeAccount,
        on_delete=models.PROTECT,
        related_name="subscriptions",
        verbose_name=_("account"),
    )
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="subscriptions", verbose_name=_("customer")
    )
    sizing_mode = models.CharField(
        _("sizing mode"),
        max_length=20,
        choices=SizingMode.choices,
        blank=True,
        help_text=_("Empty: as the levels above set it."),
    )
    fixed_amount = AmountField(
        _("fixed amount"),
        null=True,
        blank=True,
        help_text=_("Margin per entry, in the quote currency; its notional is this × leverage."),
    )
    ratio = AmountField(
        _("ratio"),
        null=True,
        blank=True,
        help_text=_("Multiplies the leader's size, or the share of equity."),
    )
    max_leverage = AmountField(_("max leverage"), null=True, blank=True)
    status = models.CharField(
        _("status"), max_length=12, choices=Status.choices, default=Status.ACTIVE
    )
    is_mapped = models.BooleanField(
        default=False,
        editable=False,
        help_text="It trades, or once traded, another symbol than the leader's: its exits are "
        "looked for in other symbols, too.",
    )
    closes_positions = models.BooleanField(
        default=False, help_text="While it ends: by us, not by the exits of the strategy."
    )
    end_code = models.CharField(
        _("ended"), max_length=16, choices=EndCode.choices, blank=True, editable=False
    )
    end_params = models.JSONField(default=dict, blank=True, editable=False)
    pause_code = models.CharField(
        _("paused"), max_length=16, choices=PauseCode.choices, blank=True, editable=False
    )
    pause_params = models.JSONField(default=dict, blank=True, editable=False)
    equity_base = AmountField(
        null=True,
        blank=True,
        editable=False,
        help_text="What the account was worth in dollars when the copy began, without what was "
        "moved in or out on that day: with all that was moved since, the fall is from there.",
    )
    equity_base_day = models.DateField(null=True, blank=True, editable=False)
    live_key = models.CharField(  # noqa: DJ001  (MySQL has no conditional unique keys)
        max_length=60,
        null=True,
        unique=True,
        editable=False,
        help_text="strategy:account while not stopped; null after, so that a client may return.",
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    changed_at = models.DateTimeField(_("changed at"), auto_now=True)

    class Meta:
        verbose_name = _("subscription")
        verbose_name_plural = _("subscriptions")
        indexes = [
            models.Index(fields=["strategy", "status", "id"], name="subscription_followers"),
            models.Index(fields=["tenant", "customer"], name="subscription_customer"),
        ]

    def __str__(self) -> str:
        return f"{self.strategy} → {self.account}"

    def save(self, *args, **kwargs) -> None:
        stopped = self.status == self.Status.STOPPED
        self.live_key = None if stopped else f"{self.strategy_id}:{self.account_id}"
        super().save(*args, **kwargs)

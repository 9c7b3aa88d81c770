from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.fields import AmountField
from customers.models import Customer, ExchangeAccount, TenantModel, tenant_key
from signals_app.models import Signal
from strategies.models import Strategy, Subscription


class SignalShard(TenantModel):
    """A range of a signal's followers that one worker plans and sends: the unit of fan-out."""

    class Status(models.TextChoices):
        PENDING = "pending", _("pending")
        CLAIMED = "claimed", _("being planned")
        PLANNED = "planned", _("planned")

    signal = models.ForeignKey(
        Signal, on_delete=models.CASCADE, related_name="shards", verbose_name=_("signal")
    )
    strategy = models.ForeignKey(
        Strategy, on_delete=models.PROTECT, related_name="+", verbose_name=_("strategy")
    )
    number = models.PositiveIntegerField(_("number"))
    first_subscription_id = models.CharField(max_length=26, verbose_name=_("first copy"))
    last_subscription_id = models.CharField(max_length=26, verbose_name=_("last copy"))
    size = models.PositiveIntegerField(_("followers"))
    settings = models.JSONField(default=dict)
    """What platform, tenant and strategy stated when the signal was cut into shards: a change in
    the middle of a fan-out acts on the next signal."""
    status = models.CharField(
        _("status"), max_length=12, choices=Status.choices, default=Status.PENDING
    )
    claimed_by = models.CharField(max_length=80, blank=True, verbose_name=_("claimed by"))
    claimed_until = models.DateTimeField(null=True, blank=True, verbose_name=_("claimed until"))
    created_at = models.DateTimeField(verbose_name=_("created at"))

    class Meta:
        verbose_name = _("fan-out shard")
        verbose_name_plural = _("fan-out shards")
        constraints = [
            models.UniqueConstraint(fields=["signal", "strategy", "number"], name="shard_once"),
        ]
        indexes = [models.Index(fields=["status", "claimed_until"], name="shard_due")]

    def __str__(self) -> str:
        return f"{self.signal_id[-8:]} #{self.number}"


class EffectiveSettings(TenantModel):
    """The immutable snapshot of all inherited settings that an intent used."""

    content_hash = models.CharField(max_length=64, verbose_name=_("fingerprint of the content"))
    content = models.JSONField(_("content"))
    created_at = models.DateTimeField(verbose_name=_("created at"))

    class Meta:
        verbose_name = _("effective settings")
        verbose_name_plural = _("effective settings")
        constraints = [
            models.UniqueConstraint(fields=["tenant", "content_hash"], name="settings_once"),
        ]

    def __str__(self) -> str:
        return self.content_hash[:12]


class Intent(TenantModel):
    """One decision: an order to place, or a skip with its reason. `key` makes it unique."""

    class Cause(models.TextChoices):
        SIGNAL = "signal", _("signal")
        STOP = "stop", _("stop")
        RISK = "risk", _("risk")
        CLIENT = "client", _("client")
        OPERATOR = "operator", _("operator")
        PARTNER = "partner", _("partner")
        REPAIR = "repair", _("repair")

    class Status(models.TextChoices):
        WORKING = "working", _("working")
        FILLED = "filled", _("filled")
        PARTIAL = "partial", _("partly filled")
        SKIPPED = "skipped", _("skipped")
        REJECTED = "rejected", _("rejected")
        UNKNOWN = "unknown", _("unknown")
        NOT_PLACED = "not_placed", _("not placed")
        CANCELLED = "cancelled", _("cancelled")
        EXPIRED = "expired", _("expired")

    customer_path = "customer_id"

    tenant = tenant_key(db_index=False)  # `intent_recent` begins with it
    key = models.CharField(max_length=96, unique=True)
    cause = models.CharField(_("cause"), max_length=12, choices=Cause.choices)
    cause_id = models.CharField(_("cause id"), max_length=26, blank=True)
    signal = models.ForeignKey(
        Signal,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="intents",
        db_index=False,  # `intent_coverage` begins with it
        verbose_name=_("signal"),
    )
    subscription = models.ForeignKey(
        Subscription,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="intents",
        verbose_name=_("copy"),
    )
    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.PROTECT, related_name="intents", verbose_name=_("account")
    )
    customer = models.ForeignKey(
        Customer,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,  # `intent_customer` begins with it
        verbose_name=_("customer"),
    )
    leg = models.PositiveSmallIntegerField(_("leg"), default=0)
    symbol = models.CharField(_("symbol"), max_length=48)
    is_entry = models.BooleanField(_("entry"), default=True)
    side = models.CharField(_("side"), max_length=4, blank=True, help_text="buy or sell")
    quantity = AmountField(
        _("quantity"), null=True, blank=True, help_text=_("In the venue's unit, unsigned.")
    )
    reference_price = AmountField(
        _("leader's price"), null=True, blank=True, help_text=_("What sizing used.")
    )
    target_before = AmountField(null=True, blank=True, verbose_name=_("target before"))
    target_after = AmountField(null=True, blank=True, verbose_name=_("target after"))
    status = models.CharField(_("status"), max_length=12, choices=Status.choices)
    reason_code = models.CharField(_("reason"), max_length=48, blank=True)
    reason_params = models.JSONField(_("reason numbers"), default=dict, blank=True)
    settings = models.ForeignKey(
        EffectiveSettings,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,  # nobody looks by it: snapshots are never deleted
        db_constraint=False,
        verbose_name=_("settings"),
    )
    created_at = models.DateTimeField(_("created at"))
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)

    class Meta:
        verbose_name = _("intent")
        verbose_name_plural = _("intents")
        indexes = [
            models.Index(fields=["signal", "status"], name="intent_coverage"),
            models.Index(fields=["tenant", "created_at"], name="intent_recent"),
            models.Index(fields=["customer", "created_at"], name="intent_customer"),
        ]

    def __str__(self) -> str:
        return f"{self.get_status_display()} {self.symbol} · {self.id[-8:]}"

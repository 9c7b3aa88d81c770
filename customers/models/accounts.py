from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.fields import AmountField, SecretField, SecretsMixin
from customers.models.base import TenantModel
from customers.models.keys import VenueKey
from customers.models.people import Customer


class ExchangeAccount(TenantModel):
    """A customer's account on one venue, with its health. Its keys are in Credential."""

    class PositionMode(models.TextChoices):
        NET = "net", _("one-way (net)")
        LONG_SHORT = "long_short", _("hedge (long/short)")

    class MarginMode(models.TextChoices):
        CROSS = "cross", _("cross")
        ISOLATED = "isolated", _("isolated")

    class Status(models.TextChoices):
        ACTIVE = "active", _("active")
        PAUSED = "paused", _("paused")
        CLOSED = "closed", _("closed")

    class Health(models.TextChoices):
        UNKNOWN = "unknown", _("not checked yet")
        HEALTHY = "healthy", _("healthy")
        UNHEALTHY = "unhealthy", _("unhealthy")

    customer_path = "customer_id"

    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="accounts", verbose_name=_("customer")
    )
    venue = models.CharField(_("venue"), max_length=32)
    label = models.CharField(_("label"), max_length=80)
    venue_uid = models.CharField(_("venue user id"), max_length=64, blank=True)
    position_mode = models.CharField(
        _("position mode"),
        max_length=12,
        choices=PositionMode.choices,
        default=PositionMode.NET,
    )
    takes_contracts = models.BooleanField(
        _("takes contracts"),
        default=True,
        help_text=_("Its account mode at the exchange is not for spot alone."),
    )
    margin_mode = models.CharField(
        _("margin mode"), max_length=12, choices=MarginMode.choices, default=MarginMode.CROSS
    )
    status = models.CharField(
        _("status"), max_length=12, choices=Status.choices, default=Status.ACTIVE
    )
    health = models.CharField(
        _("health"), max_length=12, choices=Health.choices, default=Health.UNKNOWN
    )
    health_code = models.CharField(_("health reason"), max_length=48, blank=True)
    health_params = models.JSONField(_("health numbers"), default=dict, blank=True)
    health_checked_at = models.DateTimeField(_("checked at"), null=True, blank=True)
    initial_balance = AmountField(_("initial balance"), null=True, blank=True)
    balance_currency = models.CharField(_("balance currency"), max_length=16, default="USDT")
    max_leverage = AmountField(_("max leverage"), null=True, blank=True)
    synced_at = models.DateTimeField(_("synchronised at"), null=True, blank=True)
    tried_at = models.DateTimeField(
        _("last tried at"),
        null=True,
        blank=True,
        help_text=_("When it was last given to a worker to be read; empty: as soon as possible."),
    )
    failed_reads = models.PositiveSmallIntegerField(
        _("failed reads"), default=0, help_text=_("In a row; they make the next one come later.")
    )
    reconciled_at = models.DateTimeField(
        _("reconciled at"),
        null=True,
        blank=True,
        help_text=_("When our books last agreed with the exchange; old ones stop entries."),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("exchange account")
        verbose_name_plural = _("exchange accounts")
        indexes = [
            models.Index(fields=["tenant", "customer"], name="account_customer"),
            models.Index(fields=["tenant", "health"], name="account_health"),
            models.Index(fields=["tried_at"], name="account_read_due"),
        ]

    def __str__(self) -> str:
        return self.label


class Credential(VenueKey):
    """Keys of an exchange account."""

    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.CASCADE, related_name="+", verbose_name=_("account")
    )

    class Meta:
        verbose_name = _("credential")
        verbose_name_plural = _("credentials")
        constraints = [
            models.UniqueConstraint(fields=["account", "status"], name="credential_once"),
            # With the status, so that an account's new key may be its old one typed again.
            models.UniqueConstraint(
                fields=["api_key_fingerprint", "status"], name="credential_fingerprint_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id}"


class EncryptionCanary(SecretsMixin, models.Model):
    """What must open with the configured key before any process starts: the canary, and the key
    that the fingerprints of API keys are made with."""

    id = models.CharField(primary_key=True, max_length=16, default="canary")
    value = SecretField()
    created_at = models.DateTimeField(auto_now_add=True, verbose_name=_("created at"))

    class Meta:
        verbose_name = _("encryption canary")

    def __str__(self) -> str:
        return self.id

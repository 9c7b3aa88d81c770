from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.fields import SecretField, SecretsMixin
from customers.models import Partner, TenantModel


class SignalSource(SecretsMixin, TenantModel):
    """Where signals come from. A webhook source has up to two live secrets while one rotates."""

    class Kind(models.TextChoices):
        WEBHOOK = "webhook", _("webhook")
        MANUAL = "manual", _("manual")
        PARTNER = "partner", _("partner API")

    class Status(models.TextChoices):
        ACTIVE = "active", _("active")
        PAUSED = "paused", _("paused")

    name = models.CharField(_("name"), max_length=80)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices)
    status = models.CharField(
        _("status"), max_length=12, choices=Status.choices, default=Status.ACTIVE
    )
    paused_reason = models.CharField(_("reason of the pause"), max_length=200, blank=True)
    venue = models.CharField(
        _("venue"),
        max_length=32,
        default="okx",
        help_text=_("Whose symbols the source speaks of; sizes in contracts are this venue's."),
    )
    signal_lifetime_seconds = models.PositiveIntegerField(
        _("signal lifetime (s)"),
        default=60,
        help_text=_("An older signal opens nothing; exits always go."),
    )
    partner = models.ForeignKey(
        Partner,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="sources",
        verbose_name=_("partner"),
        help_text=_("Whose API keys may send signals into it; for sources of a partner only."),
    )
    secret = SecretField(_("secret"), blank=True)
    previous_secret = SecretField(_("previous secret"), blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("signal source")
        verbose_name_plural = _("signal sources")
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="source_name_once"),
        ]

    def __str__(self) -> str:
        return self.name


class WebhookRejection(models.Model):
    """A refused delivery: what an auditor needs and nothing of the body but its hash and size."""

    id = models.BigAutoField(primary_key=True)
    source_reference = models.CharField(_("source"), max_length=64, db_index=True)
    tenant = models.ForeignKey(
        "customers.Tenant", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    code = models.CharField(_("code"), max_length=48)
    delivery_id = models.CharField(_("delivery id"), max_length=128, blank=True)
    ip_address = models.GenericIPAddressField(_("IP address"), null=True, blank=True)
    body_sha256 = models.CharField(_("SHA-256 of the body"), max_length=64, blank=True)
    body_bytes = models.PositiveBigIntegerField(_("size (bytes)"), default=0)
    not_recorded = models.PositiveIntegerField(
        _("not recorded before"),
        default=0,
        help_text=_("Refusals since the row before this one that were too many to keep."),
    )
    received_at = models.DateTimeField(_("received at"))

    class Meta:
        verbose_name = _("refused delivery")
        verbose_name_plural = _("refused deliveries")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.source_reference}: {self.code}"

from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.fields import SecretField, SecretsMixin
from customers.models import TenantModel


class NotificationChannel(SecretsMixin, TenantModel):
    """Where a tenant's staff get told: mail addresses, or a DingTalk robot."""

    class Kind(models.TextChoices):
        EMAIL = "email", _("email")
        DINGTALK = "dingtalk", _("DingTalk robot")

    name = models.CharField(_("name"), max_length=80)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices)
    addresses = models.JSONField(_("email addresses"), default=list, blank=True)
    webhook_url = SecretField(_("robot URL"), blank=True, help_text=_("Contains its token."))
    signing_secret = SecretField(_("robot signing secret"), blank=True)
    language = models.CharField(_("language"), max_length=10, default="en")
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("notification channel")
        verbose_name_plural = _("notification channels")

    def __str__(self) -> str:
        return self.name


class Delivery(TenantModel):
    """One message to one channel; `dedupe_key` makes sure that it is sent once."""

    class Status(models.TextChoices):
        PENDING = "pending", _("pending")
        SENDING = "sending", _("being sent")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")

    channel = models.ForeignKey(
        NotificationChannel,
        on_delete=models.CASCADE,
        related_name="deliveries",
        verbose_name=_("channel"),
    )
    dedupe_key = models.CharField(max_length=96)
    subject = models.CharField(_("subject"), max_length=200)
    body = models.TextField(_("body"))
    status = models.CharField(
        _("status"), max_length=12, choices=Status.choices, default=Status.PENDING
    )
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    error = models.CharField(_("error"), max_length=300, blank=True)
    due_at = models.DateTimeField(_("due at"))
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        constraints = [
            models.UniqueConstraint(fields=["channel", "dedupe_key"], name="delivery_once"),
        ]
        indexes = [models.Index(fields=["status", "due_at"], name="delivery_due")]

    def __str__(self) -> str:
        return f"{self.subject} ({self.get_status_display()})"

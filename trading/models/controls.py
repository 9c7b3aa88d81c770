from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.fields import IdField


class TradingControl(models.Model):
    """The kill switch of one level. No row means ACTIVE.

    Not tenant-owned: senders of every tenant read the whole small table at once, also the
    platform's row, which has no tenant.
    """

    class Level(models.TextChoices):
        PLATFORM = "platform", _("platform")
        TENANT = "tenant", _("tenant")
        STRATEGY = "strategy", _("strategy")
        CUSTOMER = "customer", _("customer")

    class Mode(models.TextChoices):
        ACTIVE = "active", _("active")
        REDUCING = "reducing", _("exits only")
        HALTED = "halted", _("halted")

    id = IdField()
    tenant = models.ForeignKey(
        "customers.Tenant", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    level = models.CharField(_("level"), max_length=12, choices=Level.choices)
    subject_id = models.CharField(
        _("subject"), max_length=26, blank=True, help_text=_("Empty for the platform.")
    )
    mode = models.CharField(_("mode"), max_length=12, choices=Mode.choices)
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("changed by"),
    )
    changed_at = models.DateTimeField(_("changed at"), auto_now=True)

    class Meta:
        verbose_name = _("kill switch")
        verbose_name_plural = _("kill switches")
        constraints = [
            models.UniqueConstraint(fields=["level", "subject_id"], name="control_once"),
        ]

    def __str__(self) -> str:
        return f"{self.get_level_display()}: {self.get_mode_display()}"

from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.models import Customer, TenantModel


class StatedSettings(models.Model):
    """What one level states of the copy settings: `{"values": {…}, "symbols": {symbol: {…}}}`.

    Read and written as strategies.domain.settings says; changed only by `settings_change`, which
    keeps every version.
    """

    settings = models.JSONField(_("copy settings"), default=dict, blank=True)
    settings_version = models.PositiveIntegerField(_("version"), default=0, editable=False)

    class Meta:
        abstract = True


class PlatformSettings(StatedSettings):
    """What holds for all tenants: one row, a superuser's."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)

    class Meta:
        verbose_name = _("platform's copy settings")
        verbose_name_plural = _("platform's copy settings")

    def __str__(self) -> str:
        return str(_("Platform"))


class TenantSettings(TenantModel, StatedSettings):
    """What holds for all copies of a tenant."""

    class Meta:
        verbose_name = _("firm's copy settings")
        verbose_name_plural = _("firm's copy settings")
        constraints = [
            models.UniqueConstraint(fields=["tenant"], name="tenant_settings_once"),
        ]

    def __str__(self) -> str:
        return str(self.tenant)


class CustomerSettings(TenantModel, StatedSettings):
    """What holds for all copies of a customer."""

    customer_path = "customer_id"

    customer = models.OneToOneField(
        Customer,
        on_delete=models.PROTECT,
        related_name="copy_settings",
        verbose_name=_("customer"),
    )

    class Meta:
        verbose_name = _("customer's copy settings")
        verbose_name_plural = _("customers' copy settings")

    def __str__(self) -> str:
        return str(self.customer)


class SettingsVersion(TenantModel):
    """One version of what a level stated, kept for ever. The platform's are in the audit log."""

    class Level(models.TextChoices):
        TENANT = "tenant", _("firm")
        STRATEGY = "strategy", _("strategy")
        CUSTOMER = "customer", _("customer")
        SUBSCRIPTION = "subscription", _("copy")

    level = models.CharField(_("level"), max_length=12, choices=Level.choices)
    owner_id = models.CharField(max_length=26, verbose_name=_("whose"))
    version = models.PositiveIntegerField(_("version"))
    settings = models.JSONField(_("copy settings"))
    changed_by = models.CharField(_("changed by"), max_length=254)
    changed_at = models.DateTimeField(_("changed at"))

    class Meta:
        verbose_name = _("version of copy settings")
        verbose_name_plural = _("versions of copy settings")
        constraints = [
            models.UniqueConstraint(
                fields=["level", "owner_id", "version"], name="settings_version_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_level_display()} {self.owner_id[-8:]} #{self.version}"

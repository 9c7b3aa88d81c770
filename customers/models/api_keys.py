from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.models.base import TenantModel
from customers.models.people import Partner


class ApiKey(TenantModel):
    """A bearer token of the partner API. Only its SHA-256 is stored; it is shown once."""

    class Scope(models.TextChoices):
        READ = "read", _("read")
        SIGNALS_WRITE = "signals:write", _("send signals")
        COPIES_WRITE = "copies:write", _("begin copies, change copy settings")
        ORDERS_WRITE = "orders:write", _("cancel and change waiting orders")

    partner = models.ForeignKey(
        Partner,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="api_keys",
        verbose_name=_("partner"),
        help_text=_("Limits the key to this partner's customers."),
    )
    name = models.CharField(_("name"), max_length=80)
    prefix = models.CharField(_("prefix"), max_length=16)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(_("scopes"), default=list)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used at"), null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("created by"),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class IdempotencyRecord(TenantModel):
    """The stored answer to one Idempotency-Key of one API key, replayed byte for byte."""

    api_key = models.ForeignKey(
        ApiKey, on_delete=models.CASCADE, related_name="+", verbose_name=_("API key")
    )
    key_hash = models.CharField(max_length=64, verbose_name=_("fingerprint of the key"))
    request_hash = models.CharField(max_length=64, verbose_name=_("fingerprint of the request"))
    response_status = models.PositiveSmallIntegerField(null=True, verbose_name=_("status answered"))
    response_body = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True, verbose_name=_("created at"))

    class Meta:
        verbose_name = _("idempotency record")
        constraints = [
            models.UniqueConstraint(fields=["api_key", "key_hash"], name="idempotency_once"),
        ]

    def __str__(self) -> str:
        return self.key_hash[:12]

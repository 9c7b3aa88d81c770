from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.fields import IdField
from customers.models.base import TenantModel, tenant_key


class Event(TenantModel):
    """What happened, for one audience: the outbox.

    Written in the transaction of what it reports. The relay numbers it per audience after the
    commit (`sequence`), pushes it, and hands it on. Audiences: `tenant:<id>` (its staff),
    `customer:<id>`.
    """

    tenant = tenant_key(db_index=False, db_constraint=False)  # it is read by audience
    audience = models.CharField(_("audience"), max_length=48)
    kind = models.CharField(_("kind"), max_length=48)
    payload = models.JSONField(_("payload"), default=dict)
    created_at = models.DateTimeField(_("created at"))
    sequence = models.PositiveBigIntegerField(_("sequence"), null=True, blank=True)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        constraints = [
            models.UniqueConstraint(fields=["audience", "sequence"], name="event_sequence_once"),
        ]
        indexes = [
            models.Index(fields=["sequence", "id"], name="event_unnumbered"),
            models.Index(fields=["created_at"], name="event_age"),
        ]

    def __str__(self) -> str:
        return f"{self.audience} #{self.sequence} {self.kind}"


class AudienceCounter(models.Model):
    """The last sequence number given out in an audience."""

    audience = models.CharField(primary_key=True, max_length=48)
    last_sequence = models.PositiveBigIntegerField(default=0)

    class Meta:
        verbose_name = _("audience counter")

    def __str__(self) -> str:
        return f"{self.audience}: {self.last_sequence}"


class Lease(models.Model):
    """Who does a job that only one process may do, until when."""

    name = models.CharField(primary_key=True, max_length=80, verbose_name=_("name"))
    holder = models.CharField(max_length=80, blank=True, verbose_name=_("holder"))
    expires_at = models.DateTimeField(verbose_name=_("expires at"))

    class Meta:
        verbose_name = _("lease")

    def __str__(self) -> str:
        return f"{self.name}: {self.holder}"


class AuditEntry(models.Model):
    """Who did what to which object. Each row carries the hash of the one before it."""

    id = IdField()
    sequence = models.PositiveBigIntegerField(unique=True, verbose_name=_("number"))
    tenant = models.ForeignKey(
        "customers.Tenant",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("tenant"),
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("who"),
    )
    actor_label = models.CharField(_("actor"), max_length=160)
    action = models.CharField(_("action"), max_length=64)
    target = models.CharField(_("target"), max_length=160, blank=True)
    details = models.JSONField(_("details"), default=dict, blank=True)
    ip_address = models.GenericIPAddressField(_("IP address"), null=True, blank=True)
    created_at = models.DateTimeField(_("created at"))
    previous_hash = models.CharField(max_length=64, verbose_name=_("fingerprint of the one before"))
    entry_hash = models.CharField(max_length=64, verbose_name=_("fingerprint"))

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        ordering = ["-sequence"]

    def __str__(self) -> str:
        return f"{self.actor_label}: {self.action}"

"""What came in by webhook, as it came, and who is reading it."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.models import TenantModel
from signals_app.models.sources import SignalSource


class RawDelivery(TenantModel):
    """One delivery, stored before it is read. Its body has no token in it any more."""

    class State(models.TextChoices):
        PENDING = "pending", _("waiting")
        PARSED = "parsed", _("understood")
        IGNORED = "ignored", _("nothing to do")
        DUPLICATE = "duplicate", _("sent again")
        QUARANTINED = "quarantined", _("quarantined")

    source = models.ForeignKey(
        SignalSource, on_delete=models.PROTECT, related_name="deliveries", verbose_name=_("source")
    )
    received_at = models.DateTimeField(_("received at"))
    state = models.CharField(
        _("state"), max_length=12, choices=State.choices, default=State.PENDING
    )
    content_type = models.CharField(_("content type"), max_length=120, blank=True)
    content_hash = models.CharField(_("SHA-256 of the body"), max_length=64)
    body = models.BinaryField(_("body"))
    body_bytes = models.PositiveIntegerField(_("size (bytes)"))
    delivery_id = models.CharField(_("delivery id"), max_length=128, blank=True)
    ip_address = models.GenericIPAddressField(_("IP address"), null=True, blank=True)
    parser = models.CharField(_("format"), max_length=24, blank=True)
    parser_version = models.PositiveSmallIntegerField(_("version of the format"), default=0)
    reason_code = models.CharField(_("reason"), max_length=48, blank=True)
    reason_params = models.JSONField(_("its details"), default=dict, blank=True)
    signal_ids = models.JSONField(_("signals"), default=list, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    parsed_at = models.DateTimeField(_("read at"), null=True, blank=True)
    replays = models.PositiveSmallIntegerField(_("read again"), default=0)

    class Meta:
        verbose_name = _("delivery to a webhook")
        verbose_name_plural = _("deliveries to webhooks")
        indexes = [
            models.Index(fields=["state", "due_at"], name="raw_delivery_due"),
            models.Index(fields=["source", "content_hash"], name="raw_delivery_same"),
            models.Index(fields=["source", "delivery_id"], name="raw_delivery_same_id"),
            models.Index(fields=["source", "state", "parsed_at"], name="raw_delivery_problems"),
            models.Index(fields=["tenant", "received_at"], name="raw_delivery_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.source_id[-8:]} · {self.id[-8:]}"


class IntakeState(TenantModel):
    """Who is reading a source's deliveries, one after the other, and how far its numbers go."""

    source = models.OneToOneField(
        SignalSource, on_delete=models.CASCADE, related_name="intake", verbose_name=_("source")
    )
    claimed_by = models.CharField(_("read by"), max_length=80, blank=True)
    claimed_until = models.DateTimeField(_("until"), null=True, blank=True)
    last_sequence = models.PositiveBigIntegerField(_("last number"), null=True, blank=True)
    gaps = models.JSONField(_("missing numbers"), default=list, blank=True)

    class Meta:
        verbose_name = _("state of a source's intake")
        verbose_name_plural = _("states of sources' intake")

    def __str__(self) -> str:
        return str(self.source_id)

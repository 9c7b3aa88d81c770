from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.fields import AmountField, SecretField, SecretsMixin
from customers.models import Partner, TenantModel
from signals_app.domain.parsers.registry import TANDEM, parsers


def format_choices() -> list[tuple[str, str]]:
    """Tandem's own JSON, and every format that there is a parser for."""
    return [(TANDEM, "Tandem JSON"), *((name, parser.title) for name, parser in parsers().items())]


class SignalSource(SecretsMixin, TenantModel):
    """Where signals come from. A webhook source has up to two live secrets while one rotates."""

    class Kind(models.TextChoices):
        WEBHOOK = "webhook", _("webhook")
        MANUAL = "manual", _("manual")
        PARTNER = "partner", _("partner API")
        LEADER = "leader", _("leader account")
        LEAD_TRADER = "lead_trader", _("public lead trader")

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
    parser = models.CharField(
        _("format"),
        max_length=24,
        choices=format_choices,
        default=TANDEM,
        help_text=_("Of a webhook's messages."),
    )
    parser_config = models.JSONField(
        _("settings of the format"),
        default=dict,
        blank=True,
        help_text=_("A JSON object; what may be in it stands below, once the source is stored."),
    )
    token_hash = models.CharField(max_length=64, blank=True, editable=False)
    previous_token_hash = models.CharField(max_length=64, blank=True, editable=False)
    repeat_seconds = models.PositiveIntegerField(
        _("repeats within (s)"),
        default=60,
        help_text=_(
            "An equal message within this time is the same alert sent again, unless it has an id "
            "or a time of its own."
        ),
    )
    max_price_deviation_percent = AmountField(
        _("largest deviation of a price (%)"),
        null=True,
        blank=True,
        help_text=_("An entry whose price is further from the market's is refused. Empty: none."),
    )
    entries_per_minute = models.PositiveIntegerField(
        _("entries per minute"),
        null=True,
        blank=True,
        help_text=_("More are refused; exits always go. Empty: no limit."),
    )
    problems_to_pause = models.PositiveIntegerField(
        _("problems until it is paused"),
        default=20,
        help_text=_("So many unusable messages of its sender pause the source. 0: never."),
    )
    problem_minutes = models.PositiveIntegerField(_("counted over (min)"), default=10)
    paused_code = models.CharField(max_length=32, blank=True, editable=False)
    paused_params = models.JSONField(default=dict, blank=True, editable=False)
    paused_at = models.DateTimeField(_("paused at"), null=True, blank=True, editable=False)
    resumed_at = models.DateTimeField(_("resumed at"), null=True, blank=True, editable=False)
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
    source_reference = models.CharField(_("source"), max_length=64)
    tenant = models.ForeignKey(
        "customers.Tenant",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("tenant"),
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
        indexes = [
            models.Index(fields=["source_reference", "received_at"], name="rejection_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.source_reference}: {self.code}"

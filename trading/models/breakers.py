from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from customers.fields import IdField
from customers.models import TenantModel
from signals_app.models import Signal


class Breaker(models.Model):
    """What stops entries in one venue or one strategy by itself. No row: it never tripped.

    Not tenant-owned, as the kill switch: senders of every tenant read the whole small table at
    once, and a venue belongs to nobody.
    """

    class Level(models.TextChoices):
        VENUE = "venue", _("venue")
        STRATEGY = "strategy", _("strategy")

    class Cause(models.TextChoices):
        REJECT_RATE = "reject_rate", _("too many refusals")
        FANOUT = "fanout", _("more orders than followers")

    id = IdField()
    tenant = models.ForeignKey(
        "customers.Tenant", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    level = models.CharField(_("level"), max_length=12, choices=Level.choices)
    subject_id = models.CharField(
        _("subject"), max_length=40, help_text=_("The venue's name, or the strategy's id.")
    )
    is_open = models.BooleanField(pgettext_lazy("breaker", "open"), default=True)
    cause = models.CharField(_("cause"), max_length=12, choices=Cause.choices)
    params = models.JSONField(_("numbers"), default=dict, blank=True)
    trips = models.PositiveIntegerField(_("trips in a row"), default=1)
    opened_at = models.DateTimeField(_("opened at"))
    half_open_at = models.DateTimeField(
        _("tries again at"), null=True, blank=True, help_text=_("Empty: an operator resets it.")
    )
    counts_from = models.DateTimeField(
        _("counts from"), null=True, blank=True, help_text=_("Older answers count no more.")
    )
    changed_at = models.DateTimeField(_("changed at"))

    class Meta:
        verbose_name = _("circuit breaker")
        verbose_name_plural = _("circuit breakers")
        constraints = [
            models.UniqueConstraint(fields=["level", "subject_id"], name="breaker_once"),
        ]

    def __str__(self) -> str:
        return f"{self.get_level_display()}: {self.get_cause_display()}"


class AnswerCount(models.Model):
    """How a venue answered one sender's orders of one strategy, in one moment.

    Only ever added and, when older than the breakers look back, deleted: so senders never wait
    for each other. Counts of all tenants side by side, for a venue is judged by all of them.
    """

    id = IdField()
    venue = models.CharField(_("venue"), max_length=40)
    strategy_id = models.CharField(max_length=26, blank=True)
    answers = models.PositiveIntegerField(_("answers"))
    refused = models.PositiveIntegerField(_("refusals that count"))
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("answer count")
        verbose_name_plural = _("answer counts")
        indexes = [models.Index(fields=["venue", "at"], name="answers_recent")]

    def __str__(self) -> str:
        return f"{self.venue}: {self.refused}/{self.answers}"


class FanoutTally(TenantModel):
    """How many followers a signal has in a strategy, and how many entries left for them.

    Written by the dispatcher, which knows no plan, and by the sender, which knows no follower:
    two counts that no common mistake makes agree.
    """

    signal = models.ForeignKey(Signal, on_delete=models.CASCADE, related_name="+")
    strategy_id = models.CharField(max_length=26)
    followers = models.PositiveIntegerField(_("followers"))
    entries_sent = models.PositiveIntegerField(_("entries sent"), default=0)

    class Meta:
        verbose_name = _("fan-out tally")
        verbose_name_plural = _("fan-out tallies")
        constraints = [
            models.UniqueConstraint(fields=["signal", "strategy_id"], name="tally_once"),
        ]

    def __str__(self) -> str:
        return f"{self.entries_sent}/{self.followers}"

from decimal import Decimal

from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.fields import AmountField
from customers.models import ExchangeAccount, TenantModel
from signals_app.models import Signal
from strategies.models import Subscription


class FollowedChange(TenantModel):
    """What one copy does about something that its leader changed without trading: written before
    anything is asked of the venue."""

    class Does(models.TextChoices):
        TELL = "tell", _("tells the client")
        FOLLOW = "follow", _("does the same")
        PAUSE = "pause", _("opens nothing more")

    class State(models.TextChoices):
        DUE = "due", _("to be done")
        SENDING = "sending", _("being done")
        DONE = "done", _("done")
        REFUSED = "refused", _("not done")

    customer_path = "subscription__customer_id"

    signal = models.ForeignKey(
        Signal, on_delete=models.PROTECT, related_name="followed_changes", verbose_name=_("signal")
    )
    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="+", verbose_name=_("copy")
    )
    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.PROTECT, related_name="+", verbose_name=_("account")
    )
    symbol = models.CharField(_("symbol"), max_length=48, blank=True)
    margin_mode = models.CharField(_("margin mode"), max_length=12, blank=True)
    does = models.CharField(_("what it does"), max_length=8, choices=Does.choices)
    state = models.CharField(_("state"), max_length=8, choices=State.choices)
    before = AmountField(_("before"), null=True, blank=True)
    after = AmountField(_("after"), null=True, blank=True)
    held = AmountField(
        default=Decimal(0), help_text="What the venue showed of the position when it was sent."
    )
    reason_code = models.CharField(_("reason"), max_length=48, blank=True)
    reason_params = models.JSONField(_("reason numbers"), default=dict, blank=True)
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    check_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(_("created at"))
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)

    class Meta:
        verbose_name = _("followed change")
        verbose_name_plural = _("followed changes")
        constraints = [
            models.UniqueConstraint(
                fields=["signal", "subscription", "symbol"], name="followed_change_once"
            ),
        ]
        indexes = [
            models.Index(fields=["check_at"], name="followed_change_due"),
            models.Index(fields=["account", "symbol", "state"], name="followed_change_account"),
        ]

    def __str__(self) -> str:
        return f"{self.get_does_display()} · {self.get_state_display()}"
